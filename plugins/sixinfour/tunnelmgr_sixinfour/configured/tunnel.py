"""One end of a configured tunnel (RFC 4213): the verbs, and the states they lead through."""

from collections.abc import Mapping, Sequence
from enum import Enum
from ipaddress import IPv6Address
from random import Random

from tunnelmgr.api.addresses import is_behind_nat
from tunnelmgr.api.datagrams import ChannelEvent, Datagram, IcmpReceived
from tunnelmgr.api.effects import Effect, EffectResult
from tunnelmgr.api.error_answers import ErrorAnswers
from tunnelmgr.api.events import Down, Notice, PathDown, PeerSilent, Stopped, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.packets import Ecn, traffic_class
from tunnelmgr.api.status import Fact, PathUse, PeerStatus, TunnelStatus
from tunnelmgr.api.tunnel import Tunnel, earliest
from tunnelmgr_sixinfour.configured.rounds import Found, Rounds
from tunnelmgr_sixinfour.configured.routing import host_config, paths_of, sides_of
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings
from tunnelmgr_sixinfour.constants import ECN, ERROR_ANSWERS, KEEPALIVE_LOSSES, UP_PATIENCE
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.addresses import link_local_for
from tunnelmgr_sixinfour.protocol41.channel import RawChannel
from tunnelmgr_sixinfour.protocol41.decapsulation import Arrived, decapsulate
from tunnelmgr_sixinfour.protocol41.diagnosis import Evidence, Verdict
from tunnelmgr_sixinfour.protocol41.encapsulation import check_outward
from tunnelmgr_sixinfour.protocol41.icmp import IcmpJudge, News
from tunnelmgr_sixinfour.protocol41.keepalive import SMALL
from tunnelmgr_sixinfour.protocol41.neighbours import answer_to, echo_reply_to, is_discovery
from tunnelmgr_sixinfour.protocol41.notices import SparingNotices
from tunnelmgr_sixinfour.protocol41.path_mtu import PathMtu
from tunnelmgr_sixinfour.provider.update import EndpointUpdate


class State(Enum):
    """
    opening -> waiting -> established <-> silent
       ^          |            |            |
       +----------+------------+------------+-- no-route, or no channel       any -> stopped
    """

    NO_ROUTE = "no-route"
    """This host has no IPv4 address to send from."""
    OPENING = "opening"
    WAITING = "waiting"
    """Sending; the far end has not been heard."""
    ESTABLISHED = "established"
    SILENT = "silent"
    """The far end was heard, and is not any more."""
    STOPPED = "stopped"


class SixInFourTunnel(Tunnel):
    """This end. While the far end is not heard everything passes through here, so that its first packet is noticed."""

    def __init__(self, settings: SixInFourSettings, random: Random) -> None:
        super().__init__()
        self._settings = settings
        self._random = random
        self._state = State.OPENING
        self._network = Network()
        self._channel = RawChannel(settings.local, settings.ttl, self.outbox)
        self._path_mtu = PathMtu(settings.static_mtu)
        self._rounds = Rounds(settings, self._path_mtu, random)
        self._evidence = Evidence(settings.remote, settings.far)
        self._errors = ErrorAnswers(settings.address.ip, ERROR_ANSWERS, self.outbox)
        self._notices = SparingNotices(self.outbox)
        self._icmp = IcmpJudge(settings.remote, self._path_mtu, self._evidence, self._errors, self._notices, self.outbox)
        self._link_local: IPv6Address | None = None
        """Made of the first IPv4 address this end has; then the device keeps it."""
        self._sides = sides_of(settings, None)
        self._update = EndpointUpdate(settings.update, self.outbox) if settings.update is not None else None
        self._up: HostConfig | None = None
        """What Up was said with last; None after PeerSilent or Down, or before."""
        self._configured = False
        """Whether Up was said and no Down since."""
        self._complaint: Verdict | None = None
        self._up_by: float | None = None
        self._received_at: float | None = None
        self._sent_at: float | None = None
        self._closing: Effect | None = None

    # -- the network --------------------------------------------------------------------------------------------------

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        if self._update is not None:
            self._update.recall(memory, now)
        self._network = network
        self._follow_network(now)

    def network_changed(self, network: Network, now: float) -> None:
        before = self._channel.local
        moved = self._channel.address_in(network) != before
        if moved or network.resumed:
            self._path_mtu.search_again()  # first: a channel without DF would have fragments prove large sizes
            self._evidence.clear()
        self._network = network
        self._follow_network(now)
        if moved and self._channel.local is not None:
            self.outbox.say(Notice("6in4.address", f"this end is at {self._channel.local}, was {before or 'nowhere'}"))
        if moved or network.resumed:
            self._probe_soon(now)
        if not moved and self._update is not None:  # where it moved to is told once the channel there is open
            self._update.network_changed(now)

    def _follow_network(self, now: float) -> None:
        if self._state is State.STOPPED:
            return
        self._seek_channel()
        local = self._channel.local
        if local is None:
            self._enter(State.NO_ROUTE)
            self._rounds.stop()
            self._complain(Verdict("this host has no IPv4 address to send from", "connect it to a network with IPv4"))
            return
        if self._state is State.NO_ROUTE:
            self._enter(State.OPENING)
        if self._link_local is None:
            self._link_local = link_local_for(local, self._random)
            self._sides = sides_of(self._settings, self._link_local)

    def _seek_channel(self) -> None:
        """Have the channel that this network and the path MTU want."""
        if self._channel.want(self._network, dont_fragment=self._path_mtu.dont_fragment):
            self._rounds.stop()  # answers would come to the old one; the new one, once open, begins another

    def _enter(self, state: State) -> None:
        """Be in another state. The data plane carries in one of them alone."""
        if self._state is State.ESTABLISHED and state is not State.ESTABLISHED:
            for path in paths_of(self._settings, self._channel.name):
                self.outbox.say(PathDown(path.prefix))
        self._state = state

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if effect is self._closing:
            self.outbox.say(Stopped())
        elif self._update is not None and self._update.effect_done(effect, result, now):
            self._probe_soon(now)  # the far end may answer from here on
        elif self._channel.effect_done(effect, result, now):
            if self._channel.is_open:
                self._opened(now)
            else:
                self._could_not_open()

    def _opened(self, now: float) -> None:
        if self._update is not None and self._channel.local is not None:
            self._update.located(self._channel.local, now)
        if self._state is State.ESTABLISHED:
            self._say_paths()  # the far end knows or will be told where we are; the paths go on over the new channel
        else:
            self._enter(State.WAITING)
            self._rounds.start_over()
        if self._settings.keepalive is None:
            self._heard()
            self._say_up()
            return
        if not self._configured:
            self._complaint, self._up_by = None, now + UP_PATIENCE
        self._probe_soon(now)

    def _could_not_open(self) -> None:
        down = self._channel.complaint
        if down is None:
            return
        self._enter(State.OPENING)
        verdict = Verdict(down.reason, down.hint)
        if verdict != self._complaint:
            self.outbox.say(down)
        self._up, self._up_by, self._complaint, self._configured = None, None, verdict, False

    # -- packets ------------------------------------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        local = self._channel.local
        if datagram.channel != self._channel.name or local is None:
            self.outbox.drop(Drop.OLD_CHANNEL)
            return
        try:
            arrived = decapsulate(datagram, local, self._settings.remote, self._sides, self._settings.outer_tos.inherited)
        except Refused as refused:
            self._evidence.arrived |= datagram.remote.address == self._settings.remote
            self.outbox.drop(refused.drop)
            if refused.drop is Drop.ECN:
                self._tell_of_marks(datagram, now)
            return
        self._evidence.arrived = True
        self._received_at = now
        if arrived.suspicious:
            self.outbox.count("suspicious-ecn")
            self._tell_of_marks(datagram, now)
        self._arrived(arrived, now)

    def _tell_of_marks(self, datagram: Datagram, now: float) -> None:
        if self._settings.log_ecn:
            outer, inner = (Ecn(octet & ECN).name for octet in (datagram.tos, traffic_class(datagram.data)))
            marks = f"{outer} outside, {inner} inside"
            self._notices.say("6in4.ecn", f"no honest path from {self._settings.remote} marks packets {marks}", now)

    def _arrived(self, arrived: Arrived, now: float) -> None:
        packet = arrived.packet
        size = self._rounds.take(packet, now)
        if size is not None:
            self._answered(size, now)
            return
        if self._state in {State.WAITING, State.SILENT}:
            self._rounds.insist(now)
            self._advance(now)
        answer = answer_to(packet, self._sides.own, router=self._settings.forward)
        if answer is None and not self._configured:
            answer = echo_reply_to(packet, self._settings.address.ip)  # the host cannot yet: it has no address
        if answer is not None:
            self._send(answer.serialize(), now)
        elif is_discovery(packet):
            self.outbox.drop(Drop.DISCOVERY)
        else:
            self.outbox.deliver(arrived.data)

    def receive_packet(self, packet: bytes, now: float) -> None:
        local = self._channel.local
        if not self._channel.is_open or local is None:
            self.outbox.drop(Drop.NOT_OPEN)
            return
        try:
            check_outward(packet, local, self._settings.remote, self._sides, self._path_mtu.tunnel_mtu)
        except Refused as refused:
            self.outbox.drop(refused.drop)
            self._tell_of(refused.drop, packet, now)
        else:
            self._send(packet, now)

    def _tell_of(self, drop: Drop, packet: bytes, now: float) -> None:
        """Tell who can do something about a packet of this side that was not sent."""
        if drop is Drop.DESTINATION:
            self._errors.unreachable(packet, now)
        elif drop is Drop.TOO_BIG:
            self._errors.too_big(packet, self._path_mtu.tunnel_mtu, now)
        elif drop is Drop.RECURSION:
            remote = self._settings.remote
            text = f"the route to {remote} leads through this tunnel: give {remote} one by another interface"
            self._notices.say("6in4.recursion", text, now)

    def _send(self, packet: bytes, now: float) -> None:
        self._sent_at = now
        tos = self._settings.outer_tos.outer(traffic_class(packet))
        self.outbox.count("packets-sent")
        self.outbox.send(Datagram(self._channel.name, packet, Endpoint(self._settings.remote, 0), tos=tos))

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        if not isinstance(event, IcmpReceived):
            self.outbox.counters["channel-errors"] += 1
        elif self._icmp.judge(event, self._sides, now) is News.MTU:
            self._follow_mtu()

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        self._rounds.used(uses)
        for use in uses:
            if use.received_at is not None and use.packets_received:
                self._received_at = max(use.received_at, self._received_at or use.received_at)
            if use.sent_at is not None:
                self._sent_at = max(use.sent_at, self._sent_at or use.sent_at)

    # -- is the far end there -----------------------------------------------------------------------------------------

    def _probe_soon(self, now: float) -> None:
        self._rounds.hasten(now)
        self._advance(now)

    def _advance(self, now: float) -> None:
        """End the round that has ended, begin the one that is due."""
        found = self._rounds.end(now)
        if found is not None:
            self._judge(found, now)
        if self._channel.is_open:
            for packet in self._rounds.begin(now, heard=self._state is State.ESTABLISHED):
                self._send(packet, now)

    def _judge(self, found: Found, now: float) -> None:
        if not found.losses:
            self._heard()
        elif found.losses >= KEEPALIVE_LOSSES or self._evidence.is_refused(now):
            self._fell_silent(now)
        if found.black_hole:
            text = f"large packets to {self._settings.remote} vanish: MTU {self._path_mtu.tunnel_mtu}"
            self.outbox.say(Notice("6in4.black-hole", text))
            self._follow_mtu()

    def _answered(self, size: int, now: float) -> None:
        if size == SMALL:
            self._heard()
        self._follow_mtu()
        self._advance(now)

    def _heard(self) -> None:
        self._evidence.clear()
        if self._update is not None:
            self._update.heard()
        if self._state in {State.WAITING, State.SILENT}:
            self._enter(State.ESTABLISHED)
            self._say_paths()
            if self._complaint is not None:
                self._say_up()

    def _fell_silent(self, now: float) -> None:
        if self._channel.local is None:
            return
        if self._update is not None:
            self._update.silent(now)
        if self._state is State.ESTABLISHED:
            self._enter(State.SILENT)
        self._complain(self._evidence.verdict(self._channel.local, now))

    def _follow_mtu(self) -> None:
        """The MTU or DF may be another: tell the host, or open another channel."""
        self._seek_channel()
        known = self._state is State.ESTABLISHED and self._path_mtu.settled
        if self._up is not None or (self._up_by is not None and known):
            self._say_up()

    # -- what is said -------------------------------------------------------------------------------------------------

    def _say_up(self) -> None:
        """Say how this host shall be configured, if that is news."""
        self._up_by = None
        config = host_config(self._settings, self._link_local, self._path_mtu.tunnel_mtu)
        if config == self._up:
            return
        first = not self._configured
        self._up, self._complaint, self._configured = config, None, True
        details = {"remote": str(self._settings.remote), "local": str(self._channel.local)}
        self.outbox.say(Up(config, details, probe=(self._settings.far,)))
        if first:
            self._say_paths()

    def _complain(self, verdict: Verdict) -> None:
        """Say why nothing passes. Routers listen, whoever calls: theirs is no failure."""
        if verdict == self._complaint:
            return
        if not self._configured and self._channel.local is None:
            self.outbox.say(Down(verdict.reason, verdict.hint))
        elif self._settings.faces_the_internet:
            if not self._configured:
                self._say_up()
            self._up = None
            self.outbox.say(PeerSilent(verdict.reason, verdict.hint))
        self._complaint, self._up_by = verdict, None

    def _say_paths(self) -> None:
        """Let the data plane carry, as soon as there is somebody at either end to take it."""
        if self._state is not State.ESTABLISHED or not self._configured:
            return
        for path in paths_of(self._settings, self._channel.name):
            self.outbox.say(path)

    # -- time and the rest --------------------------------------------------------------------------------------------

    def handle_timeout(self, now: float) -> None:
        if self._update is not None:
            self._update.handle_timeout(now)
        self._channel.handle_timeout(now)
        if self._path_mtu.handle_timeout(now):
            self._follow_mtu()
            self._probe_soon(now)
        if self._up_by is not None and now >= self._up_by:
            self._say_up()
        self._advance(now)

    def next_timeout(self) -> float | None:
        if self._state is State.STOPPED:
            return None
        return earliest(
            self._channel.next_timeout(),
            self._path_mtu.next_timeout(),
            self._update.next_timeout() if self._update is not None else None,
            self._up_by,
            self._rounds.ends_at,
            self._rounds.due_at if self._channel.is_open else None,
        )

    def status(self, now: float) -> TunnelStatus:
        local = self._channel.local
        facts: dict[str, Fact] = {
            "remote": str(self._settings.remote),
            "local": None if local is None else str(local),
            "behind_nat": None if local is None else is_behind_nat(local),
            "far_address": str(self._settings.far),
            "link_local": None if self._link_local is None else str(self._link_local),
            "round_trip_s": self._rounds.round_trip,
            "path_mtu_bytes": self._path_mtu.path_mtu,
            "dont_fragment": self._path_mtu.dont_fragment,
            "black_hole": self._path_mtu.black_hole,
        }
        if self._update is not None:
            facts["provider"] = self._update.standing
            facts["provider_said"] = self._update.last_answer or None
        received, sent = (None if at is None else now - at for at in (self._received_at, self._sent_at))
        path = "direct" if self._state is State.ESTABLISHED else "none"
        peer = PeerStatus(str(self._settings.far), str(self._settings.remote), path, received, sent)
        return TunnelStatus(self._state.value, facts, (peer,), 1, dict(self.outbox.counters))

    def stop(self, now: float) -> None:
        self._enter(State.STOPPED)
        self._closing = self._channel.close()
        if self._closing is None:
            self.outbox.say(Stopped())
