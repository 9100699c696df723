"""A simulated Linux host: the Outside of one Tunnel's pump, with sockets, timers, a TUN device and IPv6 of its own."""

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Network
from random import Random

from tunnelmgr.api.datagrams import ChannelEvent, ChannelFailed, ChannelKind, Datagram, IcmpReceived
from tunnelmgr.api.effects import (
    Ask,
    Cancel,
    CloseChannel,
    Effect,
    EffectResult,
    Failed,
    FailureCode,
    Fetch,
    MapPort,
    OpenChannel,
    Remember,
    Resolve,
    UnmapPort,
)
from tunnelmgr.api.events import Down, Event, Notice, PathDown, PathUp, Stopped, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import DefaultRoute, Endpoint, LocalAddress, Network
from tunnelmgr.api.packets import IpProtocol, IPv6Packet, PacketTooBig, icmpv6_error
from tunnelmgr.api.pump import Pump
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr.api.transport import Service
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr.dataplane.table import ForwardingTable
from tunnelmgr.lab.simulated.channels import UNSPECIFIED, Channel, Channels
from tunnelmgr.lab.simulated.clock import Alarm
from tunnelmgr.lab.simulated.echo import PING_SIZE, Ping, Pinger
from tunnelmgr.lab.simulated.effects import Directory, Effects
from tunnelmgr.lab.simulated.ipv6 import HasIpv6Address, Ipv6Plug, forwarded
from tunnelmgr.lab.simulated.packet import (
    DEFAULT_TTL,
    PORT_UNREACHABLE,
    PROTOCOL_UNREACHABLE,
    IcmpError,
    OuterPacket,
    icmp_error,
)
from tunnelmgr.lab.simulated.segment import Plug, Segment, World
from tunnelmgr.lab.simulated.site import Site
from tunnelmgr.lab.simulated.streams import Streams
from tunnelmgr.lab.vocabulary import Link

INTERFACE = "eth0"
QUOTE_MAX = 520  # bytes of payload an ICMP error brings back; Linux routers fill 576 bytes
WAKES_MAX = 1000  # wake-ups at one instant before a Tunnel is held to be in a loop

TunnelFactory = Callable[[Random], Tunnel]
"""What `Transport.tunnel` is: makes a Tunnel with nothing but this randomness."""


@dataclass(frozen=True, slots=True)
class Received:
    """An IPv6 packet the tunnel brought to a host."""

    at: float
    packet: IPv6Packet
    carrier: str | None
    """The host that sent the datagram it came in; None when a Tunnel made it up."""


class SimulatedHost:
    """One host with one Tunnel. Made by `Internet.add`."""

    def __init__(
        self,
        name: str,
        world: World,
        directory: Directory,
        factory: TunnelFactory,
        services: Mapping[str, Service],
        table: ForwardingTable | None,
    ) -> None:
        self.name = name
        self.memory: dict[str, bytes] = {}
        self.events: list[Event] = []
        """Everything its Tunnels said but effects, in order."""
        self.effects: list[Effect] = []
        self.received: list[Received] = []
        self.config: HostConfig | None = None
        """What the latest Up wishes; None while the tunnel is down."""
        self.up_at: float | None = None
        """Instant of the first Up since the tunnel was last down or started."""
        self.running = False
        self.native: Ipv6Plug | None = None
        """Its connection to the IPv6 internet."""
        self.native_addresses: tuple[IPv6Address, ...] = ()
        self.tunnel_routes: tuple[IPv6Network, ...] = ()
        """Prefixes of the IPv6 internet this host is the gateway of."""
        self.site: Site | None = None
        self._world = world
        self._factory = factory
        self._plug: Plug | None = None
        self._has_default_route = True
        self._suspended_at: float | None = None
        self._slept = 0.0  # seconds; the monotonic clock stands still while a host sleeps
        self._alarm: Alarm | None = None
        self._wakes = 0
        self._woken_at = -1.0
        self._carrier: str | None = None
        self._pinger = Pinger()
        self._table = table
        self._channels = Channels(world.random)
        self._streams = Streams(world.clock, world.random, self._emit, self._tell, self._take_stream)
        self._effects = Effects(world.clock, directory, self, services, self._answer)
        self.pump = Pump(factory(world.random), self)

    # What a test looks at.

    @property
    def tunnel(self) -> Tunnel:
        return self.pump.tunnel

    @property
    def up(self) -> bool:
        return self.config is not None

    @property
    def address(self) -> IPv4Address:
        """Its own IPv4 address, as it sees it. Raises AssertionError while it has none."""
        assert self.addresses, f"{self.name} has no IPv4 address"  # noqa: S101 - for tests
        return self.addresses[0]

    @property
    def addresses(self) -> list[IPv4Address]:
        return self._plug.addresses if self._plug is not None else []

    @property
    def ipv6_addresses(self) -> tuple[IPv6Address, ...]:
        configured = self.config.addresses if self.config is not None else ()
        return (*(interface.ip for interface in configured), *self.native_addresses)

    @property
    def ipv6_address(self) -> IPv6Address:
        """The address to ping. Raises AssertionError while there is none."""
        assert self.ipv6_addresses, f"{self.name} has no IPv6 address"  # noqa: S101 - for tests
        return self.ipv6_addresses[0]

    @property
    def pings(self) -> list[Ping]:
        return self._pinger.pings

    @property
    def pings_answered(self) -> int:
        return self._pinger.answered

    @property
    def notices(self) -> list[str]:
        """The codes of the notices said, in order."""
        return [event.code for event in self.events if isinstance(event, Notice)]

    def status(self) -> TunnelStatus:
        return self.tunnel.status(self.now())

    def received_from(self, other: HasIpv6Address) -> list[Received]:
        """What came from the other's IPv6 address, whatever the way."""
        return [one for one in self.received if one.packet.source == other.ipv6_address]

    def received_directly_from(self, other: "SimulatedHost") -> bool:
        """Whether a packet of the other's came in a datagram the other sent itself, through no relay or server."""
        return any(one.carrier == other.name and one.packet.source in other.ipv6_addresses for one in self.received)

    # What a test does.

    def send_ping(self, to: IPv6Address | HasIpv6Address, size: int = PING_SIZE) -> Ping:
        """Send an echo request from this host; the answer shows in the Ping returned."""
        target = to if isinstance(to, IPv6Address) else to.ipv6_address
        ping, packet = self._pinger.ask(self._source_for(target), target, size, self._world.clock.now)
        self.send_packet(packet)
        return ping

    def send_packet(self, packet: bytes) -> None:
        """Send an IPv6 packet of this host, into the tunnel or not as its routes say."""
        self._world.ladder.sent(self._world.clock.now, self.name, packet)
        self._route(packet)

    def command(self, command: str, **arguments: Fact) -> Mapping[str, object]:
        """Run one of the transport's own commands on the running tunnel."""
        return self.pump.command(command, arguments)

    def start(self) -> None:
        """Start the Tunnel; `Internet.add` does."""
        self.running = True
        self._say("starts")
        self.pump.start(self.network(), dict(self.memory))

    def stop(self) -> None:
        """Ask the Tunnel to end in good order."""
        self.pump.stop()

    def kill(self) -> None:
        """End the program without a word. The host stays."""
        self._say("is killed")
        self._end()

    def restart(self) -> None:
        """Start a new Tunnel, killing one that runs; it remembers what the old one wished to be remembered."""
        if self.running:
            self.kill()
        self.pump = Pump(self._factory(self._world.random), self)
        self.start()

    def suspend(self) -> None:
        """Sleep: what arrives is lost, no timer runs."""
        self._say("falls asleep")
        self._suspended_at = self._world.clock.now
        self._disarm()

    def resume(self) -> None:
        """Wake up, and tell the Tunnel."""
        if self._suspended_at is None:
            return
        self._say("wakes up")
        self._slept += self._world.clock.now - self._suspended_at
        self._suspended_at = None
        if self.running:
            self.pump.network_changed(self.network(resumed=True))

    def change_address(self, address: IPv4Address | str) -> None:
        """Get another IPv4 address on the same network, and tell the Tunnel."""
        assert self._plug is not None, f"{self.name} is on no network"  # noqa: S101 - for tests
        self._plug.addresses[:] = [IPv4Address(address)]
        self.tell_network()

    def lose_default_route(self) -> None:
        """Lose the way to the internet, and tell the Tunnel."""
        self._has_default_route = False
        self.tell_network()

    def restore_default_route(self) -> None:
        """Find the way to the internet again, and tell the Tunnel."""
        self._has_default_route = True
        self.tell_network()

    def set_links(self, up: Link | None = None, down: Link | None = None) -> None:
        """Replace what its link does to packets, and count them from 0 again. None leaves a direction alone."""
        assert self._plug is not None, f"{self.name} is on no network"  # noqa: S101 - for tests
        self._plug.set_links(up, down)

    def network(self, *, resumed: bool = False) -> Network:
        """Return what this host knows of its network."""
        prefix = self.site.lan.prefixlen if self.site is not None else 32
        addresses = tuple(LocalAddress(INTERFACE, IPv4Interface((address, prefix))) for address in self.addresses)
        gateway = self.site.router if self.site is not None else None
        source = self._source
        route = DefaultRoute(INTERFACE, gateway) if source is not None else None
        return Network(addresses, route, source, native_ipv6=self.native is not None, resumed=resumed)

    def tell_network(self) -> None:
        """Tell the Tunnel what its network looks like."""
        self._say(f"is at {', '.join(map(str, self.addresses)) or 'no address'}")
        if self.running and self._suspended_at is None:
            self.pump.network_changed(self.network())

    def connect(self, segment: Segment, addresses: list[IPv4Address], link: Link, site: Site | None) -> None:
        """Move the cable to another network; `Internet.move` tells the Tunnel too."""
        if self._plug is not None:
            self._plug.segment.detach(self._plug)
        self._plug = segment.attach(self, addresses, link)
        self.site = site

    # The Outside of the pump.

    def now(self) -> float:
        return self._world.clock.now - self._slept

    def on_event(self, event: Event) -> None:
        if isinstance(event, Cancel):
            self._effects.cancel(event.effect)
        elif isinstance(event, OpenChannel | CloseChannel | Resolve | Fetch | MapPort | UnmapPort | Remember | Ask):
            self.effects.append(event)
            self._effects.begin(event)
        else:
            self.events.append(event)
            self._obey(event)

    def send(self, datagrams: Sequence[Datagram]) -> None:
        for datagram in datagrams:
            self._send(datagram)

    def deliver(self, packets: Sequence[bytes]) -> None:
        for packet in packets:
            self._take_in(packet)

    def path_uses(self) -> Sequence[PathUse]:
        return self._table.uses() if self._table is not None else ()

    def wake_at(self, instant: float | None) -> None:
        self._disarm()
        if instant is not None and self.running and self._suspended_at is None:
            self._alarm = self._world.clock.at(instant + self._slept, self._wake)

    def _wake(self) -> None:
        now = self._world.clock.now
        self._wakes = self._wakes + 1 if now == self._woken_at else 0
        self._woken_at = now
        assert self._wakes < WAKES_MAX, f"{self.name}: woken {WAKES_MAX} times at {now} s"  # noqa: S101 - for tests
        self._carrier = None
        self.pump.wake()

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _obey(self, event: Up | Down | PathUp | PathDown | Notice | Stopped) -> None:
        match event:
            case Up(config):
                self.config = config
                self.up_at = self._world.clock.now if self.up_at is None else self.up_at
                self._say(f"up: {', '.join(map(str, config.addresses))}")
            case Down(reason):
                self.config = self.up_at = None
                self._say(f"down: {reason}")
            case PathUp(prefix, remote):
                self._say(f"path {prefix} via {remote}")
                if self._table is not None:
                    self._table.add(event, self.now())
            case PathDown(prefix):
                self._say(f"path {prefix} gone")
                if self._table is not None:
                    self._table.remove(prefix)
            case Notice(code, text):
                self._say(f"{code}: {text}")
            case Stopped():
                self._say("stopped")
                self._end()

    def _end(self) -> None:
        self.running = False
        self.config = self.up_at = None
        self._disarm()
        self._effects.cancel_all()
        self._channels.clear()
        self._streams.close_all()
        if self._table is not None:
            self._table.clear()

    # Effects.

    def open_channel(self, wish: OpenChannel) -> Endpoint | Failed:
        if wish.kind in {ChannelKind.TCP_CONNECT, ChannelKind.TCP_LISTEN}:
            return self._streams.open(wish, self._source)
        if wish.channel in self._streams:
            return Failed(FailureCode.IN_USE, f"channel {wish.channel} is open already")
        return self._channels.open(wish, self.addresses)

    def close_channel(self, channel: str) -> None:
        self._channels.close(channel)
        self._streams.close(channel)

    def map_port(self, wish: MapPort) -> Endpoint | None:
        if self.site is None:
            return None
        return self.site.map_port(Endpoint(self.address, wish.internal_port), wish.external_port, wish.lifetime)

    def unmap_port(self, wish: UnmapPort) -> None:
        if self.site is not None:
            self.site.unmap_port(Endpoint(self.address, wish.internal_port))

    def is_online(self) -> bool:
        return self._source is not None

    def _answer(self, effect: Effect, result: EffectResult) -> None:
        self._later(lambda: self.pump.effect_done(effect, result))

    def _tell(self, event: ChannelEvent) -> None:
        self._later(lambda: self.pump.channel_changed(event))

    def _later(self, input_: Callable[[], None]) -> None:
        """Give the Tunnel an input when whatever is going on has ended."""

        def give() -> None:
            if self.running and self._suspended_at is None:
                self._carrier = None
                input_()

        self._world.clock.after(0.0, give)

    # Outer packets.

    @property
    def _source(self) -> IPv4Address | None:
        """The address this host uses towards the internet."""
        return self.addresses[0] if self.addresses and self._has_default_route else None

    def _send(self, datagram: Datagram) -> None:
        if datagram.channel in self._streams:
            if not self._streams.send(datagram.channel, datagram.data):
                self._say(f"channel {datagram.channel} is not connected: {len(datagram.data)} bytes lost")
            return
        channel = self._channels.get(datagram.channel)
        if channel is None:
            self._say(f"channel {datagram.channel} is not open: {len(datagram.data)} bytes lost")
            return
        source = self._source_of(datagram, channel)
        if isinstance(source, int):
            self._tell(ChannelFailed(datagram.channel, source, datagram.remote))
            return
        remote = Endpoint(datagram.remote.address, 0) if channel.kind is ChannelKind.RAW41 else datagram.remote
        ttl = datagram.ttl or (1 if remote.address.is_multicast else DEFAULT_TTL)
        local = Endpoint(source, channel.local.port)
        self._emit(OuterPacket(channel.protocol, local, remote, datagram.data, tos=datagram.tos, ttl=ttl))

    def _source_of(self, datagram: Datagram, channel: Channel) -> IPv4Address | int:
        """The address a datagram leaves from, or the errno of why it cannot leave."""
        wished = datagram.local.address if datagram.local is not None else channel.local.address
        if wished != UNSPECIFIED and not wished.is_multicast:
            return wished if wished in self.addresses else errno.EINVAL  # what Linux says of a source that is gone
        if self._source is None and not datagram.remote.address.is_multicast:
            return errno.ENETUNREACH
        return self.addresses[0] if self.addresses else errno.ENETUNREACH

    def _emit(self, packet: OuterPacket) -> None:
        signed = OuterPacket(
            packet.protocol,
            packet.source,
            packet.destination,
            packet.payload,
            self.name,
            packet.tos,
            packet.ttl,
            packet.segment,
            packet.error,
        )
        self._world.ladder.sent(self._world.clock.now, self.name, signed)
        if self._plug is None:
            return
        self._plug.send(signed)
        if packet.destination.address.is_multicast:  # IP_MULTICAST_LOOP is on by default
            self._later(lambda: self._loop_back(signed))

    def receive(self, packet: OuterPacket, plug: Plug) -> None:
        """Take a packet from the network."""
        destination = packet.destination.address
        if self._suspended_at is not None or (destination not in plug.addresses and not destination.is_multicast):
            self._world.ladder.dropped(self._world.clock.now, self.name, packet, "not taken")
            return
        self._world.ladder.received(self._world.clock.now, self.name, packet)
        if packet.error is not None:
            self._take_error(packet, packet.error)
        elif packet.protocol is IpProtocol.TCP:
            self._streams.receive(packet)
        elif not self._take_datagram(packet) and not destination.is_multicast and self._world.icmp_errors:
            kind = PROTOCOL_UNREACHABLE if packet.protocol is IpProtocol.IPV6 else PORT_UNREACHABLE
            self._emit(icmp_error(kind, packet, packet.destination, self.name))

    def _take_datagram(self, packet: OuterPacket) -> bool:
        """Give a datagram to the sockets it is for; False when there are none."""
        takers = self._channels.takers(packet)
        for channel in takers:
            self._carrier = packet.origin
            if not self._carried_in(channel, packet):
                datagram = Datagram(
                    channel.name, packet.payload, packet.source, packet.destination, INTERFACE, packet.tos, packet.ttl
                )
                self.pump.datagrams_received([datagram])
        self._carrier = None
        return bool(takers)

    def _loop_back(self, packet: OuterPacket) -> None:
        self._take_datagram(packet)

    def _take_stream(self, datagram: Datagram) -> None:
        self._later(lambda: self.pump.datagrams_received([datagram]))

    def _take_error(self, packet: OuterPacket, error: IcmpError) -> None:
        for channel in self._channels.senders(error.about):
            reporter, remote = Endpoint(packet.source.address, 0), error.about.destination
            quote = error.about.payload[:QUOTE_MAX]
            self._tell(IcmpReceived(channel.name, error.type, error.code, error.mtu, reporter, remote, quote))

    # The data plane.

    def _carried_in(self, channel: Channel, packet: OuterPacket) -> bool:
        """Let the forwarding table take a datagram in; False gives it to the Tunnel."""
        remote = (str(packet.source.address), packet.source.port)
        if self._table is None or self._table.inward(channel.name, packet.payload, remote, self.now()) is None:
            return False
        self._take_in(packet.payload)
        return True

    def _into_tunnel(self, packet: bytes) -> None:
        if not self.running or self._suspended_at is not None:
            return
        path = self._table.outward(packet, self.now()) if self._table is not None else None
        if path is None:
            self._later(lambda: self.pump.packets_received([packet]))
        else:
            self._send(Datagram(path.channel, packet, Endpoint(IPv4Address(path.remote[0]), path.remote[1])))

    # Inner packets.

    def _take_in(self, packet: bytes) -> None:
        """Do what the kernel does with a packet from the TUN device."""
        parsed = IPv6Packet.parse(packet)
        now = self._world.clock.now
        self._world.ladder.received(now, self.name, packet)
        self.received.append(Received(now, parsed, self._carrier))
        if parsed.destination in self.ipv6_addresses:
            self._take_own(parsed)
        else:
            self._forward(parsed)

    def receive_ipv6(self, packet: bytes) -> None:
        """Take a packet from the IPv6 internet."""
        if self._suspended_at is not None:
            return
        parsed = IPv6Packet.parse(packet)
        self._world.ladder.received(self._world.clock.now, self.name, packet)
        if parsed.destination in self.ipv6_addresses:
            self.received.append(Received(self._world.clock.now, parsed, None))
            self._take_own(parsed)
        else:
            self._forward(parsed)

    def _take_own(self, packet: IPv6Packet) -> None:
        reply = self._pinger.take(packet, self._world.clock.now)
        if reply is not None:
            self.send_packet(reply)

    def _forward(self, packet: IPv6Packet) -> None:
        """Send on what is not for this host: between the tunnel and the IPv6 internet."""
        onward = forwarded(packet)
        if self.native is None or onward is None:
            reason = "not for this host" if self.native is None else "hop limit exceeded"
            self._world.ladder.dropped(self._world.clock.now, self.name, packet.serialize(), reason)
            return
        mtu = self.config.mtu if self.config is not None else None
        whole = onward.serialize()
        if mtu is not None and len(whole) > mtu and self._is_tunnelled(packet.destination):
            answer = icmpv6_error(PacketTooBig(mtu, whole), self.ipv6_address)
            if answer is not None:
                self.send_packet(answer.serialize())
            return
        self._route(whole)

    def _route(self, packet: bytes) -> None:
        if self._is_tunnelled(IPv6Packet.parse(packet).destination):
            self._into_tunnel(packet)
        elif self.native is not None:
            self.native.send(packet)
        else:
            self._world.ladder.dropped(self._world.clock.now, self.name, packet, "no route")

    def _is_tunnelled(self, destination: IPv6Address) -> bool:
        routed = self.tunnel_routes
        if self.config is not None:
            on_link = tuple(interface.network for interface in self.config.addresses)
            routed = (*routed, *on_link, *self.config.routes)
            if self.config.default_route and self.native is None:
                return True
        return any(destination in network for network in routed)

    def _source_for(self, destination: IPv6Address) -> IPv6Address:
        """Choose a source address as RFC 6724 does between a tunnel's and a native one."""
        if not self._is_tunnelled(destination) and self.native_addresses:
            return self.native_addresses[0]
        return self.ipv6_address

    def _say(self, text: str) -> None:
        self._world.ladder.said(self._world.clock.now, self.name, text)
