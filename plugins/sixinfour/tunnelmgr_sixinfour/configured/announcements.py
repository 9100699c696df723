"""What this end says of itself: each thing once, until it is another."""

from ipaddress import IPv4Address

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.events import Down, Notice, PeerSilent, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.ecn import Ecn
from tunnelmgr.api.packets.ipv6 import traffic_class
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings
from tunnelmgr_sixinfour.constants import ECN
from tunnelmgr_sixinfour.protocol41.diagnosis import Diagnosis, SparingNotices


class Announcements:
    """Remembers what was said last."""

    def __init__(self, settings: SixInFourSettings, notices: SparingNotices, outbox: Outbox) -> None:
        self._settings = settings
        self._notices = notices
        self._outbox = outbox
        self.config: HostConfig | None = None
        """What Up was said with last; None after PeerSilent or Down, or before."""
        self.configured = False
        """Whether Up was said and no Down since."""
        self.complaint: Diagnosis | None = None

    def up(self, config: HostConfig, local: IPv4Address | None) -> bool:
        """Say how to configure this host; return True if it was not configured before."""
        if config == self.config:
            return False
        first = not self.configured
        self.config, self.complaint, self.configured = config, None, True
        details = {"remote": str(self._settings.remote), "local": str(local)}
        self._outbox.say(Up(config, details, probe=(self._settings.far,)))
        return first

    def down(self, down: Down) -> None:
        """Say that there is no tunnel, and why."""
        diagnosis = Diagnosis(down.reason, down.hint)
        if diagnosis != self.complaint:
            self._outbox.say(down)
        self.config, self.complaint, self.configured = None, diagnosis, False

    def peer_silent(self, diagnosis: Diagnosis) -> None:
        """Say why nothing passes."""
        self.config, self.complaint = None, diagnosis
        self._outbox.say(PeerSilent(diagnosis.reason, diagnosis.hint))

    def moved(self, before: IPv4Address | None, local: IPv4Address) -> None:
        """Say that this end has another IPv4 address."""
        self._outbox.say(Notice("6in4.address", f"this end is at {local}, was {before or 'nowhere'}"))

    def black_hole(self, mtu: int) -> None:
        """Say that large packets vanish."""
        self._outbox.say(Notice("6in4.black-hole", f"large packets to {self._settings.remote} vanish: MTU {mtu}"))

    def dishonest_marks(self, datagram: Datagram, now: float) -> None:
        """Tell of congestion marks that no honest path makes, if the profile wants to know."""
        if self._settings.log_ecn:
            outer, inner = (Ecn(octet & ECN).name for octet in (datagram.tos, traffic_class(datagram.data)))
            marks = f"{outer} outside, {inner} inside"
            self._notices.say("6in4.ecn", f"no honest path from {self._settings.remote} marks packets {marks}", now)

    def recursion(self, now: float) -> None:
        """Tell that the tunnel's own packets are routed into it."""
        remote = self._settings.remote
        text = f"the route to {remote} leads through this tunnel: give {remote} one by another interface"
        self._notices.say("6in4.recursion", text, now)
