"""What was seen of the far end, and ICMPv4 errors about our packets, into path MTU, ICMPv6 and a diagnosis.

See docs/protocols/sixinfour.md sections 6 and 8, RFC 4213 section 3.4. Anyone can forge such errors. What they change is
soft: a smaller MTU for ten minutes, a line of evidence.
"""

from collections import deque
from ipaddress import IPv4Address

from tunnelmgr.api.addresses import SHARED, is_behind_nat
from tunnelmgr.api.datagrams import IcmpReceived
from tunnelmgr.api.error_answers import ErrorAnswers
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.icmpv4 import FRAGMENTATION_NEEDED, Icmpv4Type
from tunnelmgr.api.packets.ipv6 import IPV6_HEADER_LENGTH
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings
from tunnelmgr_sixinfour.configured.sides import Sides
from tunnelmgr_sixinfour.constants import OVERHEAD, UNREACHABLE_STRIKES, UNREACHABLE_WINDOW
from tunnelmgr_sixinfour.protocol41.diagnosis import Diagnosis, SparingNotices
from tunnelmgr_sixinfour.protocol41.path_mtu import PathMtu

_LENGTH_KNOWN = 6  # bytes of quote that include the payload length
_NO_PROTOCOL_41 = (3, 2)
_WORDS = {
    (3, 0): "network unreachable",
    (3, 1): "host unreachable",
    _NO_PROTOCOL_41: "protocol unreachable",
    (3, 13): "administratively prohibited",
    (11, 0): "TTL exceeded",
    (11, 1): "fragments not put together in time",
    (12, 0): "parameter problem",
}


def _words_for(event: IcmpReceived) -> str:
    """Return what an error says, and who says it."""
    words = _WORDS.get((event.type, event.code), f"ICMP type {event.type} code {event.code}")
    return f"{words}, says {'this host' if event.reporter is None else event.reporter.address}"


class FarEndEvidence:
    """What was seen of the far end since it was last heard."""

    def __init__(
        self,
        settings: SixInFourSettings,
        sides: Sides,
        path_mtu: PathMtu,
        answers: ErrorAnswers,
        notices: SparingNotices,
        outbox: Outbox,
    ) -> None:
        self._settings = settings
        self._sides = sides
        self._path_mtu = path_mtu
        self._answers = answers
        self._notices = notices
        self._outbox = outbox
        self._errors: deque[tuple[float, IcmpReceived]] = deque(maxlen=UNREACHABLE_STRIKES)
        self.arrived = False
        """True if anything of protocol 41 came from the remote."""

    def clear(self) -> None:
        """The far end was heard."""
        self._errors.clear()
        self.arrived = False

    def take(self, event: IcmpReceived, now: float) -> bool:
        """Take an error; return True if the MTU may be another.

        What is about another tunnel's packets, or can do nothing, is counted.
        """
        if event.remote.address == self._settings.remote:
            if (event.type, event.code) == FRAGMENTATION_NEEDED:
                return self._too_big(event, now)
            if event.type in {Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4Type.TIME_EXCEEDED}:
                self._errors.append((now, event))  # anyone can forge one, so one is not believed
                self._tell(event, "unreachable", now)
                if self._sides.sent(event.quote):
                    self._answers.unreachable(event.quote, now)
                return False
            if event.type == Icmpv4Type.PARAMETER_PROBLEM:
                self._tell(event, "parameter-problem", now)
                return False
        self._outbox.count("icmp-ignored")
        return False

    def _tell(self, event: IcmpReceived, counter: str, now: float) -> None:
        self._outbox.count(f"icmp-{counter}")
        self._notices.say("6in4.icmp", f"{self._settings.remote}: {_words_for(event)}", now)

    def _too_big(self, event: IcmpReceived, now: float) -> bool:
        quoted = None
        if event.reporter is not None and len(event.quote) >= _LENGTH_KNOWN:
            quoted = OVERHEAD + IPV6_HEADER_LENGTH + int.from_bytes(event.quote[4:6], "big")
        is_readable = event.reporter is None or quoted is not None
        if not is_readable or not self._path_mtu.refused(event.mtu, quoted, now):
            self._outbox.count("icmp-ignored")
            return False
        self._outbox.count("icmp-too-big")
        if quoted is not None and quoted - OVERHEAD > self._path_mtu.tunnel_mtu and self._sides.sent(event.quote):
            self._answers.too_big(event.quote, self._path_mtu.tunnel_mtu, now)
        return True

    def is_refused(self, now: float) -> bool:
        """True if the network has said often enough that our packets do not arrive."""
        if len(self._errors) < UNREACHABLE_STRIKES or now - self._errors[-1][0] > UNREACHABLE_WINDOW:
            return False
        return self._errors[-1][0] - self._errors[0][0] <= UNREACHABLE_WINDOW

    def diagnosis(self, local: IPv4Address, now: float) -> Diagnosis:
        """Return why echo requests from `local` are not answered, as far as can be told, and what to do about it."""
        remote = self._settings.remote
        if self.is_refused(now):
            event = self._errors[-1][1]
            if (event.type, event.code) == _NO_PROTOCOL_41:
                return Diagnosis(f"{remote} speaks no protocol 41 ({_words_for(event)})", "start the tunnel at the far end")
            return Diagnosis(f"{remote} cannot be reached ({_words_for(event)})", "check `remote` and the network there")
        if self.arrived:
            return Diagnosis(
                f"{self._settings.far} does not answer through the tunnel, although {remote} sends protocol 41",
                "check `address` and `far_address`, and the tunnel's addresses at the far end",
            )
        silent = f"no protocol 41 comes back from {remote}"
        if local in SHARED:
            hint = "use teredo: protocol 41 does not pass such a NAT"
            return Diagnosis(f"{silent}; {local} is behind the provider's NAT", hint)
        if is_behind_nat(local):
            hint = f"let the router forward protocol 41 to {local} and tell the far end the router's address, or use teredo"
            return Diagnosis(f"{silent}; {local} is behind a NAT", hint)
        hint = f"start the far end, tell it this host's address {local}, and let firewalls pass protocol 41"
        return Diagnosis(silent, hint)
