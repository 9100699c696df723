"""A tunnel to many: outer addresses follow from inner ones, as 6to4 and 6rd have it."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv6Interface
from random import Random

from tunnelmgr.api.datagrams import ChannelEvent, Datagram, IcmpReceived
from tunnelmgr.api.effects import Effect, EffectResult
from tunnelmgr.api.error_answers import ErrorAnswers
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.events import Down, Notice, PeerSilent, Stopped, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets import Icmpv4Type, Icmpv4UnreachableCode, IPv6Packet, IPv6Quote, traffic_class, with_hop_limit
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr.api.tunnel import Tunnel, earliest
from tunnelmgr_sixinfour.configured.settings import EnvelopeSettings
from tunnelmgr_sixinfour.constants import ERROR_ANSWERS, OVERHEAD, TUNNEL_MTU_MIN
from tunnelmgr_sixinfour.derived.domain import Domain, DomainSource, Site
from tunnelmgr_sixinfour.derived.place import Place
from tunnelmgr_sixinfour.derived.relay_watch import RelayWatch, Standing
from tunnelmgr_sixinfour.derived.site_paths import SitePaths
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.channel import RawChannel
from tunnelmgr_sixinfour.protocol41.decapsulation import let_in, open_envelope
from tunnelmgr_sixinfour.protocol41.neighbours import is_discovery
from tunnelmgr_sixinfour.protocol41.nesting import is_nested_too_deep

_MUTE = "never sent back what we send to ourselves: name a host in `network.probe` to know whether packets flow"
_SILENT_HINT = "check that this network leads to it; other customers of the provider are reached all the same"


class State(Enum):
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


class DerivedTunnel(Tunnel):
    """One site of a domain, or its gateway. What is known of one path says nothing of the others."""

    def __init__(
        self,
        settings: EnvelopeSettings,
        name: str,
        random: Random,
        domain: Domain | None,
        learning: Callable[[Outbox], DomainSource] | None = None,
    ) -> None:
        super().__init__()
        """`learning` makes what finds the domain where it is not given."""
        self._settings = settings
        self._name = name
        self._random = random
        self._domain = domain
        self._mtu = settings.static_mtu or TUNNEL_MTU_MIN
        self._state = State.OPENING
        self._network = Network()
        self._source = learning(self.outbox) if learning is not None else None
        self._channel = RawChannel(settings.local, settings.ttl, self.outbox)
        self._place: Place | None = None
        self._configured = False
        """Whether Up was said and no Down since."""
        self._doubted = False
        """Whether PeerSilent was said since."""
        self._answering: IPv4Address | None = None
        """The gateway that sent packets back last, wherever we were."""
        self._complaint = ""
        self._closing: Effect | None = None

    # -- the network --------------------------------------------------------------------------------------------------

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self.network_changed(network, now)

    def network_changed(self, network: Network, now: float) -> None:
        if self._state is State.STOPPED:
            return
        self._network = network
        if self._source is not None:
            self._source.want(self._local, now)
            if network.resumed:
                self._source.ask(now)
        self._follow()
        if network.resumed and self._place is not None and self._place.watch is not None:
            self._place.watch.hasten(now)

    @property
    def _local(self) -> IPv4Address | None:
        return self._settings.local or self._network.source

    def _follow(self) -> None:
        """Be what domain and address make of this host."""
        if self._source is not None and self._source.domain is not self._domain:
            self._leave()
            self._domain = self._source.domain
        local, domain = self._local, self._domain
        if local is None:
            self._without_prefix(State.NO_ADDRESS, "this host has no IPv4 address", "connect it to a network with IPv4")
        elif domain is None:
            self._still_learning()
        elif (site := domain.site(local)) is None:
            reason = f"{self._name} needs a public IPv4 address, and this host has {local}"
            self._without_prefix(State.NO_ADDRESS, reason, "use teredo, which works behind NATs")
        elif self._channel.want(self._network, dont_fragment=domain.dont_fragment):
            self._enter(domain, site)

    def _still_learning(self) -> None:
        trouble = self._source.trouble if self._source is not None else None
        if trouble is None:
            self._state = State.LEARNING
            if self._configured and not self._doubted:
                self._say_silent(f"this host is at {self._local} now, and whether there is 6rd is being asked", "")
        else:
            self._without_prefix(State.LEARNING, trouble.reason, trouble.hint)

    def _enter(self, domain: Domain, site: Site) -> None:
        """Be at a new address: all that was known of the old one is void."""
        if self._place is not None:
            self._place.paths.take_back()
        self._state, self._complaint = State.OPENING, ""
        self._place = Place(
            domain,
            site,
            SitePaths(site, domain, self._channel, self._settings.outer_tos, self.outbox),
            ErrorAnswers(site.address, ERROR_ANSWERS, self.outbox),
            ErrorAnswers(site.address, ERROR_ANSWERS, self.outbox, to="sites", by=self._send_to_site),
        )

    def _without_prefix(self, state: State, reason: str, hint: str) -> None:
        self._state = state
        if reason != self._complaint:
            self._leave()
            self._say_down(Down(reason, hint))

    def _leave(self) -> None:
        """Have no prefix any more."""
        if self._place is not None:
            self._place.paths.take_back()
        self._place = None
        self._channel.close()

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if effect is self._closing:
            self.outbox.say(Stopped())
        elif self._source is not None and self._source.effect_done(effect, result, now):
            self._follow()
        elif self._channel.effect_done(effect, result, now) and self._place is not None:
            if self._channel.is_open:
                self._opened(self._place, now)
            elif (down := self._channel.complaint) is not None and down.reason != self._complaint:
                self._say_down(down)

    def _opened(self, place: Place, now: float) -> None:
        interval = place.domain.gateway_echo
        if interval is None:
            self._state = State.CARRYING
            self._say_up(place)
            return
        self._state = State.ASKING
        known = self._answering is not None and self._answering == place.domain.gateway
        place.watch = RelayWatch(place.site.address, interval, self._random, now, has_answered=known)
        if self._configured:  # the old address is of no use to anybody
            doubted = self._doubted and known
            self._say_up(place)
            if doubted:
                self._say_silent(f"border relay {place.domain.gateway} has not answered yet", _SILENT_HINT)
        self._ask_gateway(now)

    # -- is the gateway there -----------------------------------------------------------------------------------------

    def _ask_gateway(self, now: float) -> None:
        """Ask what is due, and say what came of it."""
        place = self._place
        if place is None or place.watch is None or place.domain.gateway is None or not self._channel.is_open:
            return
        for packet in place.watch.advance(now):
            self._send(packet, place.domain.gateway)
        if place.watch.standing is Standing.ANSWERS and self._state is not State.CARRYING:
            self._state, self._answering = State.CARRYING, place.domain.gateway
            self._say_up(place)
        elif place.watch.standing is Standing.MUTE and self._state is State.ASKING:
            self._state = State.CARRYING
            self.outbox.say(Notice("6rd.mute-relay", f"border relay {place.domain.gateway} {_MUTE}"))
            self._say_up(place)
        elif place.watch.standing is Standing.SILENT and self._state is not State.SILENT:
            self._state = State.SILENT
            if not self._configured:
                self._say_up(place)
            self._say_silent(f"border relay {place.domain.gateway} sends nothing back any more", _SILENT_HINT)
            if self._source is not None:
                self._source.ask(now)  # the provider may have another one by now

    # -- what is said -------------------------------------------------------------------------------------------------

    def _say_up(self, place: Place) -> None:
        """Say how this host shall be configured, and which paths there are from the beginning."""
        site, domain = place.site, place.domain
        config = HostConfig(
            addresses=(IPv6Interface(site.address),),
            routes=(domain.prefix,),
            default_route=domain.gateway is not None,
            mtu=self._mtu,
            delegated=() if domain.is_gateway else (site.prefix,),
            delegated_with=None if domain.is_gateway else self._channel.local,
            listening=domain.is_gateway,
            forwarding=domain.is_gateway,
        )
        relay = {} if domain.gateway is None else {"relay": str(domain.gateway)}
        self._configured, self._doubted, self._complaint = True, False, ""
        place.paths.begin()
        self.outbox.say(Up(config, {"prefix": str(site.prefix), "local": str(self._channel.local), **relay}))

    def _say_silent(self, reason: str, hint: str) -> None:
        self._doubted = True
        self.outbox.say(PeerSilent(reason, hint))

    def _say_down(self, down: Down) -> None:
        self._configured, self._doubted, self._complaint = False, False, down.reason
        self.outbox.say(down)

    # -- packets ------------------------------------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        news = self._source.receive(datagram, now) if self._source is not None else None
        if news is not None:
            self._follow()
            return
        try:
            self._decapsulate(datagram, now)
        except Refused as refused:
            self.outbox.drop(refused.drop)

    def _decapsulate(self, datagram: Datagram, now: float) -> None:
        place = self._place
        if place is None or datagram.channel != self._channel.name:
            raise Refused(Drop.OLD_CHANNEL)
        if datagram.local is not None and datagram.local.address != self._channel.local:
            raise Refused(Drop.OUTER_DESTINATION)
        packet = open_envelope(datagram)
        if packet.source.is_link_local or packet.source.is_site_local or packet.source.is_unspecified:
            raise Refused(Drop.SOURCE)
        if is_discovery(packet):
            raise Refused(Drop.DISCOVERY)
        outer = datagram.remote.address
        if place.watch is not None and outer == place.domain.gateway and place.watch.take(packet, now):
            self._ask_gateway(now)
            return
        place.domain.check_inward(packet, outer, place.site)
        arrived = let_in(packet, datagram, self._settings.outer_tos.inherited)
        self.outbox.counters["suspicious-ecn"] += arrived.suspicious
        if (
            place.domain.is_gateway
            and packet.destination in place.domain.prefix
            and packet.destination != place.site.address
        ):
            self._turn_round(place, packet, arrived.data, now)
        else:
            self.outbox.deliver(arrived.data)

    def _turn_round(self, place: Place, packet: IPv6Packet, data: bytes, now: float) -> None:
        """Send on what came from one site for another, or for itself, which asks in this way whether we are there."""
        if packet.hop_limit <= 1:
            place.errors_back.expired(data, now)
            raise Refused(Drop.HOP_LIMIT)
        other = place.domain.site_of(packet.destination)
        if other is not None:
            self._send(with_hop_limit(data, packet.hop_limit - 1), other[1])

    def _send_to_site(self, packet: bytes) -> None:
        other = self._place.domain.site_of(IPv6Packet.parse(packet).destination) if self._place is not None else None
        if other is not None:
            self._send(packet, other[1])

    def receive_packet(self, packet: bytes, now: float) -> None:
        try:
            self._send(packet, self._remote_of(packet, now))
        except Refused as refused:
            self.outbox.drop(refused.drop)

    def _send(self, packet: bytes, remote: IPv4Address) -> None:
        tos = self._settings.outer_tos.outer(traffic_class(packet))
        self.outbox.count("packets-sent")
        self.outbox.send(Datagram(self._channel.name, packet, Endpoint(remote, 0), tos=tos))

    def _remote_of(self, data: bytes, now: float) -> IPv4Address:
        """Return where a packet of this side goes; raises Refused when it may not."""
        place = self._place
        if place is None or not self._channel.is_open:
            raise Refused(Drop.NOT_OPEN)
        try:
            packet = IPv6Packet.parse(data)
        except WireError:
            raise Refused(Drop.MALFORMED) from None
        remote, destination = place.remote_of(packet), packet.destination
        if destination.is_multicast or destination.is_link_local or destination in place.site.prefix:
            # The null route of RFC 5969 section 7.1.1: nothing ours goes round and round.
            place.errors.unreachable(data, now)
            raise Refused(Drop.DESTINATION)
        if is_nested_too_deep(packet):
            raise Refused(Drop.NESTED)
        if len(data) > self._mtu:
            place.errors.too_big(data, self._mtu, now)
            raise Refused(Drop.TOO_BIG)
        if remote is None:
            place.errors.unreachable(data, now)
            raise Refused(Drop.NO_REMOTE)
        place.paths.remember(destination, now)
        return remote

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        if not isinstance(event, IcmpReceived) or self._place is None:
            self.outbox.counters["channel-errors"] += 1
            return
        if event.type not in {Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4Type.TIME_EXCEEDED}:
            return
        self.outbox.counters["icmp-unreachable"] += 1
        try:  # whoever forges ICMP must not have us write to whom he likes
            if self._place.remote_of(IPv6Quote.parse(event.quote).packet) != event.remote.address:
                return
        except WireError:
            return
        if (event.type, event.code) == (Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4UnreachableCode.FRAGMENTATION_NEEDED):
            self._place.errors.too_big(event.quote, max(TUNNEL_MTU_MIN, event.mtu - OVERHEAD), now)
        else:
            self._place.errors.unreachable(event.quote, now)

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        """What is carried needs no care here: a path that lapses leads back to `receive_packet`."""

    # -- time and the rest --------------------------------------------------------------------------------------------

    def handle_timeout(self, now: float) -> None:
        if self._source is not None and self._source.handle_timeout(now):
            self._follow()
        self._channel.handle_timeout(now)
        self._ask_gateway(now)

    def next_timeout(self) -> float | None:
        watch = self._place.watch if self._place is not None and self._channel.is_open else None
        return earliest(
            self._channel.next_timeout(),
            self._source.next_timeout() if self._source is not None else None,
            watch.next_timeout() if watch is not None else None,
        )

    def status(self, now: float) -> TunnelStatus:
        place, local = self._place, self._channel.local
        facts: dict[str, Fact] = {
            "prefix": None if place is None else str(place.site.prefix),
            "local": None if local is None else str(local),
            "relay": None if self._domain is None or self._domain.gateway is None else str(self._domain.gateway),
        }
        if place is not None:
            facts["sites_written_to"] = place.paths.recent(now)
            if place.watch is not None:
                facts["round_trip_s"] = place.watch.round_trip
        return TunnelStatus(self._state.value, facts, counters=dict(self.outbox.counters))

    def stop(self, now: float) -> None:
        self._state = State.STOPPED
        if self._source is not None:
            self._source.close()
        if self._place is not None:
            self._place.paths.take_back()
            self._place = None
        self._closing = self._channel.close()
        if self._closing is None:
            self.outbox.say(Stopped())
