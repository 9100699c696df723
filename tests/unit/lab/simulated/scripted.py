"""A Tunnel that says what the test tells it to, and keeps everything it hears with the instant it was told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Interface

from tunnelmgr.api.datagrams import ChannelEvent, ChannelKind, Datagram
from tunnelmgr.api.effects import Effect, EffectResult, OpenChannel
from tunnelmgr.api.events import Event, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr.lab.simulated import SimulatedHost


@dataclass
class ScriptedTunnel:
    """`opening` is said at the start; `on_stop` is what it does then."""

    opening: Sequence[Event] = ()
    on_stop: Callable[["ScriptedTunnel"], None] = lambda tunnel: None
    wake_at: float | None = None
    heard: list[Datagram] = field(default_factory=list)
    heard_at: list[float] = field(default_factory=list)
    packets: list[bytes] = field(default_factory=list)
    changes: list[ChannelEvent] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)
    uses: list[PathUse] = field(default_factory=list)
    answers: list[tuple[Effect, EffectResult]] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)
    woken_at: list[float] = field(default_factory=list)
    memory: Mapping[str, bytes] = field(default_factory=dict)
    saying: list[Event] = field(default_factory=list)
    sending: list[Datagram] = field(default_factory=list)
    delivering: list[bytes] = field(default_factory=list)

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self.memory = memory
        self.networks.append(network)
        self.saying.extend(self.opening)

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        self.heard.append(datagram)
        self.heard_at.append(now)

    def receive_packet(self, packet: bytes, now: float) -> None:
        self.packets.append(packet)

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        self.changes.append(event)

    def network_changed(self, network: Network, now: float) -> None:
        self.networks.append(network)

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        self.uses.extend(uses)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        self.answers.append((effect, result))
        self.answered_at.append(now)

    def handle_timeout(self, now: float) -> None:
        if self.wake_at is not None and now >= self.wake_at:
            self.woken_at.append(now)
            self.wake_at = None

    def next_timeout(self) -> float | None:
        return self.wake_at

    def datagrams_to_send(self) -> list[Datagram]:
        sending, self.sending = self.sending, []
        return sending

    def packets_to_deliver(self) -> list[bytes]:
        delivering, self.delivering = self.delivering, []
        return delivering

    def events(self) -> list[Event]:
        saying, self.saying = self.saying, []
        return saying

    def status(self, now: float) -> TunnelStatus:
        return TunnelStatus("scripted")

    def command(self, name: str, arguments: Mapping[str, Fact], now: float) -> Mapping[str, object]:
        """Turn the pump, so that what the test has put into the lists goes out."""
        return {"name": name, **arguments}

    def stop(self, now: float) -> None:
        self.on_stop(self)

    @property
    def payloads(self) -> list[bytes]:
        return [datagram.data for datagram in self.heard]


def endpoint(text: str) -> Endpoint:
    address, _, port = text.partition(":")
    return Endpoint(IPv4Address(address), int(port or 0))


def udp(port: int = 4000, address: str = "0.0.0.0", channel: str = "udp") -> OpenChannel:  # noqa: S104 - nothing is bound
    return OpenChannel(channel, ChannelKind.UDP, Endpoint(IPv4Address(address), port))


def listener() -> ScriptedTunnel:
    """A tunnel with UDP port 4000 open."""
    return ScriptedTunnel(opening=[udp()])


def up(*addresses: str, mtu: int = 1280, default_route: bool = False) -> Up:
    interfaces = tuple(IPv6Interface(address) for address in addresses)
    return Up(HostConfig(addresses=interfaces, mtu=mtu, default_route=default_route))


def script(host: SimulatedHost) -> ScriptedTunnel:
    """The Tunnel of a host that was added with a ScriptedTunnel."""
    assert isinstance(host.tunnel, ScriptedTunnel)
    return host.tunnel


def say(host: SimulatedHost, *events: Event) -> None:
    """Let the host's Tunnel say something now."""
    script(host).saying.extend(events)
    host.command("turn")


def send(
    host: SimulatedHost, data: bytes, remote: str, channel: str = "udp", *, local: str = "", ttl: int | None = None
) -> None:
    """Let the host's Tunnel send a datagram now."""
    source = endpoint(local) if local else None
    script(host).sending.append(Datagram(channel, data, endpoint(remote), source, ttl=ttl))
    host.command("turn")


def member() -> ScriptedTunnel:
    """A tunnel with UDP port 4000 open and in the group 224.0.0.253 at port 3544."""
    group = endpoint("224.0.0.253:3544")
    joined = OpenChannel("group", ChannelKind.MULTICAST, Endpoint(IPv4Address(0), group.port), group=group.address)
    return ScriptedTunnel(opening=[udp(), joined])
