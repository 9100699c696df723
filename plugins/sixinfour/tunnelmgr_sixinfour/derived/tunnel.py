"""A tunnel to many: outer addresses follow from inner ones, as 6to4 and 6rd have it."""

from collections.abc import Callable, Mapping
from enum import Enum
from ipaddress import IPv4Address
from random import Random

from tunnelmgr.api.datagrams import Datagram, IcmpReceived
from tunnelmgr.api.effects import Effect, EffectResult
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.events import Down, Notice, PeerSilent
from tunnelmgr.api.network import Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.icmpv4 import Icmpv4Type
from tunnelmgr.api.packets.ipv6 import IPv6Packet, with_hop_limit
from tunnelmgr.api.status import Fact, TunnelStatus
from tunnelmgr.api.tunnel import earliest
from tunnelmgr_sixinfour.constants import KEEPALIVE_LOSSES, TUNNEL_MTU_MIN
from tunnelmgr_sixinfour.derived.domain import DerivedSite, Domain
from tunnelmgr_sixinfour.derived.residence import Residence
from tunnelmgr_sixinfour.derived.sixrd_learning import Learner
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.encapsulation import let_in, open_envelope
from tunnelmgr_sixinfour.protocol41.neighbours import is_discovery
from tunnelmgr_sixinfour.protocol41.nesting import is_nested_too_deep
from tunnelmgr_sixinfour.protocol41.path_mtu import PathMtu
from tunnelmgr_sixinfour.protocol41.rounds import Rounds
from tunnelmgr_sixinfour.protocol41.settings import EnvelopeSettings
from tunnelmgr_sixinfour.protocol41.tunnel import Protocol41Tunnel

_MUTE = "never sent back what we send to ourselves: name a host in `network.probe` to know whether packets flow"
_SILENT_HINT = "check that this network leads to it; other customers of the provider are reached all the same"


class SiteState(Enum):
    """
    learning -> opening -> asking -> carrying <-> silent       any -> stopped
                   ^----- another address, or none: no-address
    """

    NO_ADDRESS = "no-address"
    """This host has no IPv4 address that makes a prefix."""
    LEARNING = "learning"
    """Which domain this is, is not known."""
    OPENING = "opening"
    ASKING = "asking"
    """Whether the gateway sends packets back is being found out."""
    CARRYING = "carrying"
    SILENT = "silent"
    """The gateway sent packets back and does not any more. Other sites are reached all the same."""
    STOPPED = "stopped"


class DerivedTunnel(Protocol41Tunnel):
    """One site of a domain, or its gateway. What is known of one path says nothing of the others.

    What the data plane carries needs no care: a path that lapses leads back to `receive_packet`.
    """

    def __init__(
        self,
        settings: EnvelopeSettings,
        name: str,
        random: Random,
        domain: Domain | None,
        learning: Callable[[Outbox], Learner] | None = None,
    ) -> None:
        """`learning` makes what finds the domain where it is not given."""
        super().__init__(settings)
        self._name = name
        self._random = random
        self._domain = domain
        self._mtu = settings.static_mtu or TUNNEL_MTU_MIN
        self._state = SiteState.OPENING
        self._source = learning(self.outbox) if learning is not None else None
        self._here: Residence | None = None
        self._configured = False
        """Whether Up was said and no Down since."""
        self._doubted = False
        """Whether PeerSilent was said since."""
        self._answering: IPv4Address | None = None
        """The gateway that sent packets back last, wherever we were."""
        self._complaint = ""

    # -- the network --------------------------------------------------------------------------------------------------

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self.network_changed(network, now)

    def network_changed(self, network: Network, now: float) -> None:
        if self._state is SiteState.STOPPED:
            return
        self._network = network
        if self._source is not None:
            self._source.want(network, self._channel.address_in(network), now)
            if network.resumed:
                self._source.ask(now)
        self._follow()
        if network.resumed and self._here is not None and self._here.watch is not None:
            self._here.watch.hasten(now)

    def _follow(self) -> None:
        """Be what domain and address make of this host."""
        if self._source is not None and self._source.domain is not self._domain:
            self._leave()
            self._domain = self._source.domain
        local, domain = self._channel.address_in(self._network), self._domain
        if local is None:
            self._without_prefix(SiteState.NO_ADDRESS, "this host has no IPv4 address", "connect it to a network with IPv4")
        elif domain is None:
            self._still_learning(local)
        elif (site := domain.site(local)) is None:
            reason = f"{self._name} needs a public IPv4 address, and this host has {local}"
            self._without_prefix(SiteState.NO_ADDRESS, reason, "use teredo, which works behind NATs")
        elif self._channel.want(self._network, dont_fragment=domain.dont_fragment):
            self._enter(domain, site)

    def _still_learning(self, local: IPv4Address) -> None:
        trouble = self._source.trouble if self._source is not None else None
        if trouble is None:
            self._state = SiteState.LEARNING
            if self._configured and not self._doubted:
                self._say_silent(f"this host is at {local} now, and whether there is 6rd is being asked", "")
        else:
            self._without_prefix(SiteState.LEARNING, trouble.reason, trouble.hint)

    def _enter(self, domain: Domain, site: DerivedSite) -> None:
        """Be at a new address: all that was known of the old one is void."""
        if self._here is not None:
            self._here.take_back()
        self._state, self._complaint = SiteState.OPENING, ""
        self._here = Residence(domain, site, self._channel, self._tos, self.outbox, self._send_to_site)

    def _without_prefix(self, state: SiteState, reason: str, hint: str) -> None:
        self._state = state
        self._leave()
        self._say_down(Down(reason, hint))

    def _leave(self) -> None:
        """Have no prefix any more."""
        if self._here is not None:
            self._here.take_back()
        self._here = None
        self._channel.close()

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if self._source is not None and self._source.effect_done(effect, result, now):
            self._follow()
        else:
            super().effect_done(effect, result, now)

    def _could_not_open(self, down: Down) -> None:
        self._say_down(down)

    def _opened(self, now: float) -> None:
        here = self._here
        if here is None:
            return
        interval = here.domain.gateway_echo
        if interval is None:
            self._state = SiteState.CARRYING
            self._say_up(here)
            return
        self._state = SiteState.ASKING
        known = self._answering is not None and self._answering == here.domain.gateway
        here.watch = Rounds(here.site.address, here.site.address, interval, PathMtu(self._mtu), self._random)
        here.watch.hasten(now)
        if self._configured:  # the old address is of no use to anybody
            doubted = self._doubted and known
            self._say_up(here)
            if doubted:
                self._say_silent(f"border relay {here.domain.gateway} has not answered yet", _SILENT_HINT)
        self._ask_gateway(now)

    # -- is the gateway there -----------------------------------------------------------------------------------------
    # Packets from this host to itself, which the gateway sends back, tell (RFC 5969 section 8). Neighbour unreachability
    # detection would do the same, but is for links whose every neighbour may be asked all the time.

    def _ask_gateway(self, now: float) -> None:
        """Ask what is due, and say what came of it."""
        here = self._here
        if here is None or here.watch is None or here.domain.gateway is None or not self._channel.is_open:
            return
        gateway = here.domain.gateway
        found = here.watch.end(now)
        if found is not None:
            self._judge(here, gateway, found.losses, now)
        heard = self._state is SiteState.CARRYING and self._answering == gateway
        for packet in here.watch.begin(now, heard=heard):
            self._send(packet, gateway)

    def _judge(self, here: Residence, gateway: IPv4Address, losses: int, now: float) -> None:
        """Draw the conclusions from what the gateway sent back, or did not.

        Linux as a border relay sends nothing back (packet_is_spoofed in net/ipv6/sit.c), and works.
        """
        if not losses:
            self._answering = gateway
            if self._state is not SiteState.CARRYING:
                self._state = SiteState.CARRYING
                self._say_up(here)
        elif losses < KEEPALIVE_LOSSES:
            return
        elif self._answering != gateway:
            if self._state is SiteState.ASKING:
                self._state = SiteState.CARRYING
                self.outbox.say(Notice("6rd.mute-relay", f"border relay {gateway} {_MUTE}"))
                self._say_up(here)
        elif self._state is not SiteState.SILENT:
            self._state = SiteState.SILENT
            if not self._configured:
                self._say_up(here)
            self._say_silent(f"border relay {gateway} sends nothing back any more", _SILENT_HINT)
            if self._source is not None:
                self._source.ask(now)  # the provider may have another one by now

    # -- what is said -------------------------------------------------------------------------------------------------

    def _say_up(self, here: Residence) -> None:
        """Say how to configure this host, and which paths there are from the beginning."""
        self._configured, self._doubted, self._complaint = True, False, ""
        here.begin()
        self.outbox.say(here.up(self._channel.local, self._mtu))

    def _say_silent(self, reason: str, hint: str) -> None:
        self._doubted = True
        self.outbox.say(PeerSilent(reason, hint))

    def _say_down(self, down: Down) -> None:
        """Say why there is no tunnel, unless that was said."""
        if down.reason != self._complaint:
            self._configured, self._doubted, self._complaint = False, False, down.reason
            self.outbox.say(down)

    # -- packets ------------------------------------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        news = self._source.receive(datagram, now) if self._source is not None else None
        if news is None:
            super().receive_datagram(datagram, now)
        else:
            self._follow()

    def _receive(self, datagram: Datagram, local: IPv4Address, now: float) -> None:
        here = self._here
        if here is None:
            raise Refused(Drop.OLD_CHANNEL)
        if datagram.local is not None and datagram.local.address != local:
            raise Refused(Drop.OUTER_DESTINATION)
        packet = open_envelope(datagram)
        if packet.source.is_link_local or packet.source.is_site_local or packet.source.is_unspecified:
            raise Refused(Drop.SOURCE)
        if is_discovery(packet):
            raise Refused(Drop.DISCOVERY)
        outer = datagram.remote.address
        if here.watch is not None and outer == here.domain.gateway and here.watch.take(packet, now) is not None:
            self._ask_gateway(now)
            return
        here.domain.check_inward(packet, outer, here.site)
        arrived = let_in(packet, datagram, self._tos.inherited)
        if arrived.suspicious:
            self.outbox.count("suspicious-ecn")
        if here.leads_on(packet.destination):
            self._turn_round(here, packet, arrived.data, now)
        else:
            self.outbox.deliver(arrived.data)

    def _turn_round(self, here: Residence, packet: IPv6Packet, data: bytes, now: float) -> None:
        """Send on what came from one site for another, or for itself, which asks in this way whether we are there."""
        if packet.hop_limit <= 1:
            here.errors_back.expired(data, now)
            raise Refused(Drop.HOP_LIMIT)
        self._send_to_site(with_hop_limit(data, packet.hop_limit - 1))

    def _send_to_site(self, packet: bytes) -> None:
        other = self._here.domain.site_of(IPv6Packet.parse(packet).destination) if self._here is not None else None
        if other is not None:
            self._send(packet, other[1])

    def _transmit(self, data: bytes, local: IPv4Address, now: float) -> None:
        here = self._here
        if here is None:
            raise Refused(Drop.NOT_OPEN)
        try:
            packet = IPv6Packet.parse(data)
        except WireError:
            raise Refused(Drop.MALFORMED) from None
        remote, destination = here.remote_of(packet), packet.destination
        if destination.is_multicast or destination.is_link_local or destination in here.site.prefix:
            # The null route of RFC 5969 section 7.1.1: nothing ours goes round and round.
            here.errors.unreachable(data, now)
            raise Refused(Drop.DESTINATION)
        if is_nested_too_deep(packet):
            raise Refused(Drop.NESTED)
        if len(data) > self._mtu:
            here.errors.too_big(data, self._mtu, now)
            raise Refused(Drop.TOO_BIG)
        if remote is None:
            here.errors.unreachable(data, now)
            raise Refused(Drop.NO_REMOTE)
        here.remember(destination, now)
        self._send(data, remote)

    def _judge_icmp(self, event: IcmpReceived, now: float) -> None:
        if self._here is None:
            self.outbox.count("channel-errors")
        elif event.type in {Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4Type.TIME_EXCEEDED}:
            self.outbox.count("icmp-unreachable")
            self._here.pass_on(event, now)

    # -- time and the rest --------------------------------------------------------------------------------------------

    def handle_timeout(self, now: float) -> None:
        if self._source is not None and self._source.handle_timeout(now):
            self._follow()
        self._channel.handle_timeout(now)
        self._ask_gateway(now)

    def next_timeout(self) -> float | None:
        watch = self._here.watch if self._here is not None and self._channel.is_open else None
        return earliest(
            self._channel.next_timeout(),
            self._source.next_timeout() if self._source is not None else None,
            watch.next_timeout() if watch is not None else None,
        )

    def status(self, now: float) -> TunnelStatus:
        here, local = self._here, self._channel.local
        facts: dict[str, Fact] = {
            "prefix": None if here is None else str(here.site.prefix),
            "local": None if local is None else str(local),
            "relay": None if self._domain is None or self._domain.gateway is None else str(self._domain.gateway),
        }
        if here is not None:
            facts["sites_written_to"] = here.recent(now)
            if here.watch is not None:
                facts["round_trip_s"] = here.watch.round_trip
        return TunnelStatus(self._state.value, facts, counters=dict(self.outbox.counters))

    def stop(self, now: float) -> None:
        self._state = SiteState.STOPPED
        if self._source is not None:
            self._source.close()
        if self._here is not None:
            self._here.take_back()
            self._here = None
        super().stop(now)
