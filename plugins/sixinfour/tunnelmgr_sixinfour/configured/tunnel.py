"""One end of a configured tunnel (RFC 4213): the verbs, and the states they lead through."""

from collections.abc import Mapping, Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from random import Random

from tunnelmgr.api.addresses import is_behind_nat
from tunnelmgr.api.datagrams import Datagram, IcmpReceived
from tunnelmgr.api.effects import Effect, EffectResult
from tunnelmgr.api.error_answers import ErrorAnswers
from tunnelmgr.api.events import Down, PathDown
from tunnelmgr.api.network import Network
from tunnelmgr.api.status import Fact, PathUse, PeerStatus, TunnelStatus
from tunnelmgr.api.tunnel import earliest
from tunnelmgr_sixinfour.configured.announcements import Announcements
from tunnelmgr_sixinfour.configured.evidence import FarEndEvidence
from tunnelmgr_sixinfour.configured.routing import host_config, paths_of
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings
from tunnelmgr_sixinfour.configured.sides import Sides
from tunnelmgr_sixinfour.constants import ERROR_ANSWERS, KEEPALIVE_LOSSES, UP_PATIENCE
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.addresses import link_local_for
from tunnelmgr_sixinfour.protocol41.diagnosis import Diagnosis, SparingNotices
from tunnelmgr_sixinfour.protocol41.encapsulation import Arrived
from tunnelmgr_sixinfour.protocol41.neighbours import answer_to, is_discovery
from tunnelmgr_sixinfour.protocol41.path_mtu import PathMtu
from tunnelmgr_sixinfour.protocol41.rounds import SMALL, Found, Rounds
from tunnelmgr_sixinfour.protocol41.tunnel import Protocol41Tunnel
from tunnelmgr_sixinfour.provider.update import EndpointUpdate


class PeerState(Enum):
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


class SixInFourTunnel(Protocol41Tunnel):
    """This end. While the far end is not heard everything passes through here, so that its first packet is noticed."""

    def __init__(self, settings: SixInFourSettings, random: Random) -> None:
        super().__init__(settings)
        self._settings = settings
        self._random = random
        self._state = PeerState.OPENING
        self._path_mtu = PathMtu(settings.static_mtu)
        self._rounds = Rounds(settings.address.ip, settings.far, settings.keepalive, self._path_mtu, random)
        self._sides = Sides(settings)
        self._errors = ErrorAnswers(settings.address.ip, ERROR_ANSWERS, self.outbox)
        notices = SparingNotices(self.outbox)
        self._evidence = FarEndEvidence(settings, self._sides, self._path_mtu, self._errors, notices, self.outbox)
        self._said = Announcements(settings, notices, self.outbox)
        self._link_local: IPv6Address | None = None
        """Made of the first IPv4 address this end has; then the device keeps it."""
        self._update = EndpointUpdate(settings.update, self.outbox) if settings.update is not None else None
        self._up_by: float | None = None
        """When Up is said at latest, the far end heard or not."""
        self._received_at: float | None = None
        self._sent_at: float | None = None

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
            self._said.moved(before, self._channel.local)
        if moved or network.resumed:
            self._probe_soon(now)
        if not moved and self._update is not None:  # where it moved to is told once the channel there is open
            self._update.network_changed(now)

    def _follow_network(self, now: float) -> None:
        if self._state is PeerState.STOPPED:
            return
        self._seek_channel()
        local = self._channel.local
        if local is None:
            self._enter(PeerState.NO_ROUTE)
            self._rounds.stop()
            self._complain(Diagnosis("this host has no IPv4 address to send from", "connect it to a network with IPv4"))
            return
        if self._state is PeerState.NO_ROUTE:
            self._enter(PeerState.OPENING)
        if self._link_local is None:
            self._link_local = link_local_for(local, self._random)
            self._sides.own += (self._link_local,)

    def _seek_channel(self) -> None:
        """Have the channel that this network and the path MTU want."""
        if self._channel.want(self._network, dont_fragment=self._path_mtu.dont_fragment):
            self._rounds.stop()  # answers would come to the old one; the new one, once open, begins another

    def _enter(self, state: PeerState) -> None:
        """Be in another state. The data plane carries in one of them alone."""
        if self._state is PeerState.ESTABLISHED and state is not PeerState.ESTABLISHED:
            for path in paths_of(self._settings, self._channel.name):
                self.outbox.say(PathDown(path.prefix))
        self._state = state

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if self._update is not None and self._update.effect_done(effect, result, now):
            self._probe_soon(now)  # the far end may answer from here on
        else:
            super().effect_done(effect, result, now)

    def _opened(self, now: float) -> None:
        if self._update is not None and self._channel.local is not None:
            self._update.located(self._channel.local, now)
        if self._state is PeerState.ESTABLISHED:
            self._say_paths()  # the far end knows or will be told where we are; the paths go on over the new channel
        else:
            self._enter(PeerState.WAITING)
            self._rounds.start_over()
        if self._settings.keepalive is None:
            self._heard()
            self._say_up()
            return
        if not self._said.configured:
            self._said.complaint, self._up_by = None, now + UP_PATIENCE
        self._probe_soon(now)

    def _could_not_open(self, down: Down) -> None:
        self._enter(PeerState.OPENING)
        self._up_by = None
        self._said.down(down)

    # -- packets ------------------------------------------------------------------------------------------------------

    def _receive(self, datagram: Datagram, local: IPv4Address, now: float) -> None:
        try:
            arrived = self._sides.decapsulate(datagram, local)
        except Refused as refused:
            self._evidence.arrived |= datagram.remote.address == self._settings.remote
            if refused.drop is Drop.ECN:
                self._said.dishonest_marks(datagram, now)
            raise
        self._evidence.arrived = True
        self._received_at = now
        if arrived.suspicious:
            self.outbox.count("suspicious-ecn")
            self._said.dishonest_marks(datagram, now)
        self._arrived(arrived, now)

    def _arrived(self, arrived: Arrived, now: float) -> None:
        packet = arrived.packet
        size = self._rounds.take(packet, now)
        if size is not None:
            self._answered(size, now)
            return
        if self._state in {PeerState.WAITING, PeerState.SILENT}:
            self._rounds.insist(now)
            self._advance(now)
        pinged = None if self._said.configured else self._settings.address.ip  # the host cannot yet: it has no address
        answer = answer_to(packet, self._sides.own, router=self._settings.forward, pinged=pinged)
        if answer is not None:
            self._send_far(answer.serialize(), now)
        elif is_discovery(packet):
            self.outbox.drop(Drop.DISCOVERY)
        else:
            self.outbox.deliver(arrived.data)

    def _transmit(self, data: bytes, local: IPv4Address, now: float) -> None:
        mtu = self._path_mtu.tunnel_mtu
        try:
            self._sides.check_outward(data, local, mtu)
        except Refused as refused:
            if refused.drop is Drop.DESTINATION:
                self._errors.unreachable(data, now)
            elif refused.drop is Drop.TOO_BIG:
                self._errors.too_big(data, mtu, now)
            elif refused.drop is Drop.RECURSION:
                self._said.recursion(now)
            raise
        self._send_far(data, now)

    def _send_far(self, packet: bytes, now: float) -> None:
        self._sent_at = now
        self._send(packet, self._settings.remote)

    def _judge_icmp(self, event: IcmpReceived, now: float) -> None:
        if self._evidence.take(event, now):
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
            for packet in self._rounds.begin(now, heard=self._state is PeerState.ESTABLISHED):
                self._send_far(packet, now)

    def _judge(self, found: Found, now: float) -> None:
        if not found.losses:
            self._heard()
        elif found.losses >= KEEPALIVE_LOSSES or self._evidence.is_refused(now):
            self._fell_silent(now)
        if found.black_hole:
            self._said.black_hole(self._path_mtu.tunnel_mtu)
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
        if self._state in {PeerState.WAITING, PeerState.SILENT}:
            self._enter(PeerState.ESTABLISHED)
            self._say_paths()
            if self._said.complaint is not None:
                self._say_up()

    def _fell_silent(self, now: float) -> None:
        if self._channel.local is None:
            return
        if self._update is not None:
            self._update.silent(now)
        if self._state is PeerState.ESTABLISHED:
            self._enter(PeerState.SILENT)
        self._complain(self._evidence.diagnosis(self._channel.local, now))

    def _follow_mtu(self) -> None:
        """The MTU or DF may be another: tell the host, or open another channel."""
        self._seek_channel()
        known = self._state is PeerState.ESTABLISHED and self._path_mtu.settled
        if self._said.config is not None or (self._up_by is not None and known):
            self._say_up()

    # -- what is said -------------------------------------------------------------------------------------------------

    def _say_up(self) -> None:
        """Say how to configure this host, if that is news."""
        self._up_by = None
        config = host_config(self._settings, self._link_local, self._path_mtu.tunnel_mtu)
        if self._said.up(config, self._channel.local):
            self._say_paths()

    def _complain(self, diagnosis: Diagnosis) -> None:
        """Say why nothing passes. A router only listens, so for it a silent far end is not a failure."""
        if diagnosis == self._said.complaint:
            return
        if not self._said.configured and self._channel.local is None:
            self._said.down(Down(diagnosis.reason, diagnosis.hint))
        elif self._settings.faces_the_internet:
            if not self._said.configured:
                self._say_up()
            self._said.peer_silent(diagnosis)
        self._said.complaint, self._up_by = diagnosis, None

    def _say_paths(self) -> None:
        """Let the data plane carry, as soon as there is somebody at either end to take it."""
        if self._state is not PeerState.ESTABLISHED or not self._said.configured:
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
        if self._state is PeerState.STOPPED:
            return None
        return earliest(
            self._channel.next_timeout(),
            self._path_mtu.next_timeout(),
            self._update.next_timeout() if self._update is not None else None,
            self._up_by,
            self._rounds.next_timeout() if self._channel.is_open else None,
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
            facts |= self._update.facts()
        received, sent = (None if at is None else now - at for at in (self._received_at, self._sent_at))
        path = "direct" if self._state is PeerState.ESTABLISHED else "none"
        peer = PeerStatus(str(self._settings.far), str(self._settings.remote), path, received, sent)
        return TunnelStatus(self._state.value, facts, (peer,), 1, dict(self.outbox.counters))

    def stop(self, now: float) -> None:
        self._enter(PeerState.STOPPED)
        super().stop(now)
