"""A tunnel to many: outer addresses follow from inner ones, as 6to4 and 6rd have it."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv6Interface, IPv6Network

from tunnelmgr.api.datagrams import ChannelEvent, Datagram, IcmpReceived
from tunnelmgr.api.effects import Effect, EffectResult, FailureCode
from tunnelmgr.api.errors import ExitCode, TunnelError, WireError
from tunnelmgr.api.events import EVERYWHERE, Down, Event, PathDown, PathUp, Stopped, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets import Icmpv4Type, IPv6Packet, traffic_class
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr_sixinfour.channel import RawChannel
from tunnelmgr_sixinfour.constants import (
    DERIVED_PATH_VALIDITY,
    DERIVED_PATHS_MAX,
    SIXTOFOUR_PREFIX,
    TUNNEL_MTU_MIN,
)
from tunnelmgr_sixinfour.decapsulation import let_in, open_envelope
from tunnelmgr_sixinfour.domain import Domain, Site
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.errors_to_host import ErrorsToHost
from tunnelmgr_sixinfour.neighbours import is_discovery
from tunnelmgr_sixinfour.nesting import is_nested_too_deep
from tunnelmgr_sixinfour.settings import EnvelopeSettings


class State(Enum):
    """no-address <-> opening -> carrying -> stopped; another address leads back to opening."""

    NO_ADDRESS = "no-address"
    """This host has no IPv4 address that makes a prefix."""
    OPENING = "opening"
    CARRYING = "carrying"
    STOPPED = "stopped"


class DerivedTunnel:
    """One site of a domain. DF stays clear: what is known of one path says nothing of the others."""

    def __init__(self, settings: EnvelopeSettings, domain: Domain, name: str) -> None:
        self._settings = settings
        self._domain = domain
        self._name = name
        self._mtu = settings.static_mtu or TUNNEL_MTU_MIN
        self._state = State.OPENING
        self._outbox = Outbox()
        self._channel = RawChannel(settings.local, settings.ttl, self._outbox)
        self._site: Site | None = None
        self._errors: ErrorsToHost | None = None
        self._paths: OrderedDict[IPv6Network, float] = OrderedDict()
        """Sites with a path of their own, and when it was said last; the longest unsaid first."""
        self._complaint = ""
        self._closing: Effect | None = None

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self._follow(network)

    def network_changed(self, network: Network, now: float) -> None:
        if self._state is not State.STOPPED:
            self._follow(network)

    def _follow(self, network: Network) -> None:
        local = self._settings.local or network.source
        site = self._domain.site(local) if local is not None else None
        if site is None:
            self._without_address(local)
            return
        self._complaint = ""
        if self._channel.want(network, dont_fragment=False):
            self._state = State.OPENING
            if self._site is not None:
                self._take_back_paths()
            self._site, self._errors = site, ErrorsToHost(site.address, self._outbox)

    def _without_address(self, local: IPv4Address | None) -> None:
        self._state = State.NO_ADDRESS
        reason = f"{self._name} needs a public IPv4 address, and this host has {local or 'none'}"
        if reason != self._complaint:
            self._complaint = reason
            if self._site is not None:
                self._take_back_paths()
            self._channel.close()
            self._site = None
            self._outbox.say(Down(reason, hint="use teredo, which works behind NATs"))

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if effect is self._closing:
            self._outbox.say(Stopped())
        elif self._channel.effect_done(effect, result, now) and self._site is not None:
            if self._channel.is_open:
                self._state = State.CARRYING
                self._say_up(self._site)
            elif self._channel.failure is not None:
                forbidden = self._channel.failure.code is FailureCode.NO_PERMISSION
                code = ExitCode.NO_PERMISSION if forbidden else ExitCode.NO_ANSWER
                hint = "raw sockets need the capability CAP_NET_RAW; run it as root" if forbidden else "check `local`"
                self._outbox.say(Down(self._channel.failure.text, hint, code, permanent=forbidden))

    def _say_up(self, site: Site) -> None:
        if self._domain.gateway is not None:
            ingress = (self._domain.prefix, SIXTOFOUR_PREFIX, site.prefix)
            self._say_path(EVERYWHERE, self._domain.gateway, None, site, ingress)
            # A path that is never valid keeps its prefix for the Tunnel: other sites are not behind the gateway.
            self._say_path(self._domain.prefix, self._domain.gateway, 0.0, site, ())
        config = HostConfig(
            addresses=(IPv6Interface(site.address),),
            routes=(self._domain.prefix,),
            default_route=self._domain.gateway is not None,
            mtu=self._mtu,
            delegated=(site.prefix,),
        )
        gateway = {} if self._domain.gateway is None else {"relay": str(self._domain.gateway)}
        self._outbox.say(Up(config, {"prefix": str(site.prefix), "local": str(self._channel.local), **gateway}))

    def _say_path(
        self, prefix: IPv6Network, remote: IPv4Address, valid_for: float | None, site: Site, ingress: tuple[IPv6Network, ...]
    ) -> None:
        tos = self._settings.outer_tos
        path = PathUp(prefix, Endpoint(remote, 0), self._channel.name, valid_for, ingress, local=site.prefix, tos=tos)
        self._outbox.say(path)

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        try:
            self._outbox.deliver(self._decapsulate(datagram))
        except Refused as refused:
            self._outbox.drop(refused.drop)

    def _decapsulate(self, datagram: Datagram) -> bytes:
        if self._site is None or datagram.channel != self._channel.name:
            raise Refused(Drop.OLD_CHANNEL)
        if datagram.local is not None and datagram.local.address != self._channel.local:
            raise Refused(Drop.OUTER_DESTINATION)
        packet = open_envelope(datagram)
        if packet.source.is_link_local or packet.source.is_site_local or packet.source.is_unspecified:
            raise Refused(Drop.SOURCE)
        if is_discovery(packet):
            raise Refused(Drop.DISCOVERY)
        self._domain.check_inward(packet, datagram.remote.address, self._site)
        arrived = let_in(packet, datagram, self._settings.outer_tos.inherited)
        self._outbox.counters["suspicious-ecn"] += arrived.suspicious
        return arrived.data

    def receive_packet(self, packet: bytes, now: float) -> None:
        try:
            remote = self._remote_of(packet, now)
        except Refused as refused:
            self._outbox.drop(refused.drop)
            return
        value, inherited = self._settings.outer_tos
        tos = traffic_class(packet) & inherited | value & ~inherited
        self._outbox.count("packets-sent")
        self._outbox.send(Datagram(self._channel.name, packet, Endpoint(remote, 0), tos=tos))

    def _remote_of(self, data: bytes, now: float) -> IPv4Address:
        """Return where a packet of this site goes; raises Refused when it may not."""
        site, errors = self._site, self._errors
        if site is None or errors is None or not self._channel.is_open:
            raise Refused(Drop.NOT_OPEN)
        try:
            packet = IPv6Packet.parse(data)
        except WireError:
            raise Refused(Drop.MALFORMED) from None
        if packet.source not in site.prefix:
            raise Refused(Drop.SOURCE)
        destination = packet.destination
        if destination.is_multicast or destination.is_link_local or destination in site.prefix:
            errors.unreachable(data, now)  # the null route of RFC 5969 section 7.1.1: nothing ours goes round and round
            raise Refused(Drop.DESTINATION)
        if is_nested_too_deep(packet):
            raise Refused(Drop.NESTED)
        if len(data) > self._mtu:
            errors.too_big(data, self._mtu, now)
            raise Refused(Drop.TOO_BIG)
        other = self._domain.site_of(destination)
        if other is not None:
            self._remember_path(*other, site, now)
            return other[1]
        if self._domain.gateway is None:
            errors.unreachable(data, now)
            raise Refused(Drop.NO_REMOTE)
        return self._domain.gateway

    def _remember_path(self, prefix: IPv6Network, remote: IPv4Address, site: Site, now: float) -> None:
        """Let the data plane carry to another site, for as long as it answers."""
        said_at = self._paths.get(prefix)
        if said_at is not None and now - said_at < DERIVED_PATH_VALIDITY / 2:
            return
        self._paths[prefix] = now
        self._paths.move_to_end(prefix)
        self._say_path(prefix, remote, DERIVED_PATH_VALIDITY, site, ())
        if len(self._paths) > DERIVED_PATHS_MAX:
            self._outbox.say(PathDown(self._paths.popitem(last=False)[0]))

    def _take_back_paths(self) -> None:
        by_gateway = () if self._domain.gateway is None else (self._domain.prefix, EVERYWHERE)
        for prefix in (*self._paths, *by_gateway):
            self._outbox.say(PathDown(prefix))
        self._paths.clear()

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        if not isinstance(event, IcmpReceived) or self._errors is None:
            self._outbox.counters["channel-errors"] += 1
        elif event.type in {Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4Type.TIME_EXCEEDED}:
            self._outbox.counters["icmp-unreachable"] += 1
            self._errors.unreachable(event.quote, now)

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        """What is carried needs no care here: a path that lapses leads back to `receive_packet`."""

    def handle_timeout(self, now: float) -> None:
        self._channel.handle_timeout(now)

    def next_timeout(self) -> float | None:
        return self._channel.next_timeout

    def datagrams_to_send(self) -> list[Datagram]:
        return self._outbox.drain_datagrams()

    def packets_to_deliver(self) -> list[bytes]:
        return self._outbox.drain_packets()

    def events(self) -> list[Event]:
        return self._outbox.drain_events()

    def status(self, now: float) -> TunnelStatus:
        facts: dict[str, Fact] = {
            "prefix": None if self._site is None else str(self._site.prefix),
            "local": None if self._channel.local is None else str(self._channel.local),
            "relay": None if self._domain.gateway is None else str(self._domain.gateway),
            "sites with a path": len(self._paths),
        }
        return TunnelStatus(self._state.value, facts, counters=dict(self._outbox.counters))

    def command(self, name: str, arguments: Mapping[str, Fact], now: float) -> Mapping[str, object]:
        raise TunnelError(f"{self._name} has no command {name!r}")

    def stop(self, now: float) -> None:
        self._state = State.STOPPED
        if self._site is not None:
            self._take_back_paths()
        self._closing = self._channel.close()
        if self._closing is None:
            self._outbox.say(Stopped())
