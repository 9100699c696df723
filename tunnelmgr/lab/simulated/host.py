"""A simulated Linux host: the Outside of one Tunnel's pump, between its IPv4 sockets and its IPv6."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from random import Random

from tunnelmgr.api.datagrams import ChannelEvent, Datagram
from tunnelmgr.api.effects import Cancel, Effect, EffectResult
from tunnelmgr.api.events import Down, Event, Notice, PathDown, PathUp, PeerSilent, Stopped, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import DefaultRoute, Endpoint, LocalAddress, Network
from tunnelmgr.api.pump import Pump
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr.api.transport import Service
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr.dataplane.table import ForwardingTable, ecn_is_plain
from tunnelmgr.lab.simulated.clock import HostClock
from tunnelmgr.lab.simulated.echo import PING_SIZE, SentPing
from tunnelmgr.lab.simulated.effects import Directory, SimulatedEffects
from tunnelmgr.lab.simulated.inner import InnerStack
from tunnelmgr.lab.simulated.ipv6 import HasIpv6Address, Received, target_of
from tunnelmgr.lab.simulated.outer import INTERFACE, OuterStack
from tunnelmgr.lab.simulated.segment import World
from tunnelmgr.lab.simulated.site import Site
from tunnelmgr.lab.vocabulary import Link

TunnelFactory = Callable[[Random], Tunnel]
"""What `Transport.tunnel` is: makes a Tunnel with nothing but this randomness."""


class SimulatedHost:
    """One host with one Tunnel. Made by `Internet.add`."""

    def __init__(
        self,
        name: str,
        world: World,
        directory: Directory,
        factory: TunnelFactory,
        services: Mapping[str, Service],
        *,
        data_plane: bool,
    ) -> None:
        self.name = name
        self.memory: dict[str, bytes] = {}
        """What its Tunnels asked to be remembered."""
        self.events: list[Event] = []
        """Everything its Tunnels said but effects, in order."""
        self.effects: list[Effect] = []
        """Everything they asked for."""
        self.up_at: float | None = None
        """Instant of the first Up since the tunnel was down; seconds on the internet's clock."""
        self.running = False
        self._world = world
        self._say = partial(world.ladder.said, name)
        self._factory = factory
        self._data_plane = data_plane
        self._table = ForwardingTable()
        self._clock = HostClock(world.clock, name)
        self._carrier: str | None = None
        self.outer = OuterStack(name, world, self._arrived, self._stream_arrived, self._changed)
        self.inner = InnerStack(name, world, self._into_tunnel)
        self._effects = SimulatedEffects(world.clock, directory, self.outer, self.inner, self.memory, services, self._answer)
        self.pump = Pump(factory(world.random), self)

    # What a test looks at.

    @property
    def tunnel(self) -> Tunnel:
        return self.pump.tunnel

    @property
    def up(self) -> bool:
        return self.inner.config is not None

    @property
    def config(self) -> HostConfig | None:
        """What the latest Up wishes; None while the tunnel is down."""
        return self.inner.config

    @property
    def site(self) -> Site | None:
        return self.outer.site

    @property
    def address(self) -> IPv4Address:
        """Its own IPv4 address, as it sees it. Raises IndexError while it has none."""
        return self.outer.addresses[0]

    @property
    def public_address(self) -> IPv4Address:
        """Its address as the backbone sees it, unless a NAT on the way drops everything."""
        return self.site.public_address if self.site is not None else self.address

    @property
    def ipv6_address(self) -> IPv6Address:
        """The address to ping. Raises IndexError while there is none."""
        return self.inner.addresses[0]

    @property
    def received(self) -> list[Received]:
        """All IPv6 packets that reached it, in order."""
        return self.inner.received

    @property
    def pings_answered(self) -> int:
        return self.inner.pinger.answered

    @property
    def notices(self) -> list[str]:
        """The codes of the notices said, in order."""
        return [event.code for event in self.events if isinstance(event, Notice)]

    def received_from(self, other: HasIpv6Address) -> list[Received]:
        """What came from the other's IPv6 address, whatever the way."""
        return [one for one in self.received if one.packet.source == other.ipv6_address]

    def received_directly_from(self, other: "SimulatedHost") -> bool:
        """Whether a packet of the other's came in a datagram the other sent itself, through no relay or server."""
        return any(one.carrier == other.name and one.packet.source in other.inner.addresses for one in self.received)

    def status(self) -> TunnelStatus:
        return self.tunnel.status(self.now())

    def network(self, *, resumed: bool = False) -> Network:
        """Return what this host knows of its network."""
        prefix = self.site.lan.prefixlen if self.site is not None else 32
        addresses = tuple(LocalAddress(INTERFACE, IPv4Interface((one, prefix))) for one in self.outer.addresses)
        source = self.outer.source
        gateway = self.site.router if self.site is not None else None
        route = DefaultRoute(INTERFACE, gateway) if source is not None else None
        native = next(iter(self.inner.native_addresses), None)
        return Network(addresses, route, source, self.inner.native is not None, resumed, native)

    # What a test does.

    def send_ping(self, to: IPv6Address | HasIpv6Address, size: int = PING_SIZE) -> SentPing:
        """Send an echo request with `size` bytes of data; the answer shows in what is returned.

        Raises ValueError while this host has no address to send from.
        """
        target = target_of(to)
        ping, packet = self.inner.pinger.ask(self.inner.source_for(target), target, size, self._world.clock.now)
        self.send_packet(packet)
        return ping

    def send_packet(self, packet: bytes) -> None:
        """Send an IPv6 packet of this host, into the tunnel or not as its routes say."""
        self.inner.send(packet)

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
        """End the program without a word. The host stays, and the kernel closes its streams."""
        self._say("is killed")
        self._end()

    def restart(self) -> None:
        """Start a new Tunnel, killing one that runs; it is told what the old one wished to be remembered."""
        if self.running:
            self.kill()
        self.pump = Pump(self._factory(self._world.random), self)
        self.start()

    def suspend(self) -> None:
        """Sleep: what arrives is lost, no timer runs."""
        self._say("falls asleep")
        self._clock.fall_asleep()
        self.outer.asleep = self.inner.asleep = True

    def resume(self) -> None:
        """Wake up, and tell the Tunnel. A host that does not sleep stays as it is."""
        if not self._clock.asleep:
            return
        self._say("wakes up")
        self._clock.awake()
        self.outer.asleep = self.inner.asleep = False
        if self.running:
            self.pump.network_changed(self.network(resumed=True))

    def change_address(self, address: IPv4Address | str) -> None:
        """Get another IPv4 address on the same network, and tell the Tunnel."""
        self.outer.plug.addresses[:] = [IPv4Address(address)]
        self.tell_network()

    def lose_default_route(self) -> None:
        """Lose the way to the internet, and tell the Tunnel."""
        self.outer.has_default_route = False
        self.tell_network()

    def restore_default_route(self) -> None:
        """Find the way to the internet again, and tell the Tunnel."""
        self.outer.has_default_route = True
        self.tell_network()

    def set_links(self, up: Link | None = None, down: Link | None = None) -> None:
        """Replace what its own link does to packets, counted from 0 again. None leaves a direction alone."""
        self.outer.plug.set_links(up, down)

    def tell_network(self) -> None:
        """Tell the Tunnel what its network looks like."""
        self._say(f"is at {', '.join(map(str, self.outer.addresses)) or 'no address'}")
        if self._is_awake:
            self.pump.network_changed(self.network())

    # The Outside of the pump.

    def now(self) -> float:
        return self._clock.now()

    def on_event(self, event: Event) -> None:
        if isinstance(event, Cancel):
            self._effects.cancel(event.effect)
        elif isinstance(event, Up | Down | PeerSilent | PathUp | PathDown | Notice | Stopped):
            self.events.append(event)
            self._obey(event)
        else:
            self.effects.append(event)
            self._effects.begin(event)

    def send(self, datagrams: Sequence[Datagram]) -> None:
        for datagram in datagrams:
            self.outer.send(datagram)

    def deliver(self, packets: Sequence[bytes]) -> None:
        for packet in packets:
            self.inner.receive(packet, self._carrier)

    def path_uses(self) -> Sequence[PathUse]:
        return self._table.uses()

    def wake_at(self, instant: float | None) -> None:
        self._clock.wake_at(instant if self._is_awake else None, self.pump.wake)

    @property
    def _is_awake(self) -> bool:
        return self.running and not self._clock.asleep

    def _obey(self, event: Up | Down | PeerSilent | PathUp | PathDown | Notice | Stopped) -> None:
        match event:
            case Up(config):
                self.up_at = self._world.clock.now if self.up_at is None else self.up_at
                self.inner.config = config
                self._say(f"up: {', '.join(map(str, config.addresses))}")
            case Down(reason):
                self.inner.config = self.up_at = None
                self._say(f"down: {reason}")
            case PeerSilent(reason):
                self._say(f"peer silent: {reason}")
            case PathUp(prefix, remote):
                self._say(f"path {prefix} via {remote}")
                if self._data_plane:
                    self._table.add(event, self.now())
            case PathDown(prefix):
                self._say(f"path {prefix} gone")
                self._table.remove(prefix)
            case Notice(code, text):
                self._say(f"{code}: {text}")
            case Stopped():
                self._say("stopped")
                pump = self.pump
                # What the Tunnel says with its last breath is still sent.
                self._world.clock.after(0.0, lambda: self._end() if self.pump is pump else None)

    def _end(self) -> None:
        self.running = False
        self.inner.config = self.up_at = None
        self._clock.wake_at(None, self.pump.wake)
        self._effects.cancel_all()
        self.outer.close_all()
        self._table.clear()

    def _later(self, give: Callable[[], None]) -> None:
        """Give the Tunnel an input when whatever is going on has ended."""
        pump = self.pump
        self._world.clock.after(0.0, lambda: give() if self._is_awake and self.pump is pump else None)

    def _answer(self, effect: Effect, result: EffectResult) -> None:
        self._later(lambda: self.pump.effect_done(effect, result))

    def _changed(self, event: ChannelEvent) -> None:
        self._later(lambda: self.pump.channel_changed(event))

    def _stream_arrived(self, datagram: Datagram) -> None:
        self._later(lambda: self.pump.datagrams_received([datagram]))

    def _arrived(self, datagram: Datagram, origin: str) -> None:
        self._carrier = origin
        if not self._carried_in(datagram):
            self.pump.datagrams_received([datagram])
        self._carrier = None

    # The data plane.

    def _carried_in(self, datagram: Datagram) -> bool:
        """Let the forwarding table take a datagram in; False gives it to the Tunnel."""
        remote = (str(datagram.remote.address), datagram.remote.port)
        if not ecn_is_plain(datagram.data, datagram.tos):
            return False
        path = self._table.inward(datagram.channel, datagram.data, remote, self.now())
        if path is not None:
            self.inner.receive(path.marked(datagram.data, datagram.tos), self._carrier)
        return path is not None

    def _into_tunnel(self, packet: bytes) -> None:
        if not self._is_awake:
            return
        path = self._table.outward(packet, self.now())
        if path is None:
            self._later(lambda: self.pump.packets_received([packet]))
        else:
            remote = Endpoint(IPv4Address(path.remote[0]), path.remote[1])
            self.outer.send(Datagram(path.channel, packet, remote, tos=path.outer_tos(packet)))
