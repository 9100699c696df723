"""A Tunnel that does what a test tells it and keeps what it hears, on real sockets and on simulated ones."""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Interface
from pathlib import Path
from random import Random
from typing import ClassVar

from tunnelmgr.api.datagrams import ChannelEvent, ChannelKind, Datagram
from tunnelmgr.api.effects import Effect, EffectResult, OpenChannel
from tunnelmgr.api.events import Event, Stopped, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr.api.transport import Fit, Service, Suitability, Transport
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr.lab.simulated import SimulatedHost


def say_goodbye(tunnel: "ScriptedTunnel") -> None:
    """Stop as a Tunnel should."""
    tunnel.outbox.say(Stopped())


def say_nothing(_: "ScriptedTunnel") -> None:
    """Leave whoever waits for the end waiting."""


class ScriptedTunnel(Tunnel):
    """What is put into its outbox leaves at the next turn; `on_answer` and `on_stop` may add to it."""

    def __init__(self, *first_words: Event) -> None:
        super().__init__()
        self.outbox.say(*first_words)
        self.wake_at: float | None = None
        self.on_answer: Callable[[Effect, EffectResult], None] = lambda effect, result: None
        self.on_stop: Callable[[ScriptedTunnel], None] = say_goodbye
        self.datagrams: list[Datagram] = []
        self.datagrams_at: list[float] = []
        self.packets: list[bytes] = []
        self.channel_events: list[ChannelEvent] = []
        self.answers: list[tuple[Effect, EffectResult]] = []
        self.answers_at: list[float] = []
        self.uses: list[PathUse] = []
        self.networks: list[Network] = []
        self.memory: Mapping[str, bytes] = {}
        self.woken_at: list[float] = []

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self.networks.append(network)
        self.memory = memory

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        self.datagrams.append(datagram)
        self.datagrams_at.append(now)

    def receive_packet(self, packet: bytes, now: float) -> None:
        self.packets.append(packet)

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        self.channel_events.append(event)

    def network_changed(self, network: Network, now: float) -> None:
        self.networks.append(network)

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        self.uses.extend(uses)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        self.answers.append((effect, result))
        self.answers_at.append(now)
        self.on_answer(effect, result)

    def handle_timeout(self, now: float) -> None:
        if self.wake_at is not None and now >= self.wake_at:
            self.wake_at = None
            self.woken_at.append(now)

    def next_timeout(self) -> float | None:
        return self.wake_at

    def status(self, now: float) -> TunnelStatus:
        return TunnelStatus("scripted", counters={"heard": len(self.datagrams)})

    def command(self, name: str, arguments: Mapping[str, Fact], now: float) -> Mapping[str, object]:
        """Turn the pump, so that what the test has put into the outbox goes out."""
        return {"name": name, **arguments}

    def stop(self, now: float) -> None:
        self.on_stop(self)

    @property
    def payloads(self) -> list[bytes]:
        return [datagram.data for datagram in self.datagrams]


class NoSettings(Settings):
    """Nothing to set."""


class ScriptedTransport(Transport):
    """Hands out one Tunnel made beforehand."""

    type_name: ClassVar[str] = "scripted"
    summary: ClassVar[str] = "does what a test tells it"
    roles: ClassVar[Mapping[str, type[Settings]]] = {"client": NoSettings}

    def __init__(self, tunnel: Tunnel, services: Mapping[str, Callable[[Path], Service]] | None = None) -> None:
        self._tunnel = tunnel
        self._services = services or {}

    def describe(self) -> str:
        return "as scripted"

    def suits(self, report: NetworkReport) -> Suitability:
        return Suitability(Fit.GOOD, "tests suit everywhere")

    def tunnel(self, random: Random) -> Tunnel:
        return self._tunnel

    def services(self) -> Mapping[str, Callable[[Path], Service]]:
        return self._services


# On simulated hosts.


def endpoint(text: str) -> Endpoint:
    address, _, port = text.partition(":")
    return Endpoint(IPv4Address(address), int(port or 0))


def udp(port: int = 4000, address: str = "0.0.0.0", channel: str = "udp") -> OpenChannel:  # noqa: S104 - nothing is bound
    return OpenChannel(channel, ChannelKind.UDP, Endpoint(IPv4Address(address), port))


def listener() -> ScriptedTunnel:
    """A tunnel with UDP port 4000 open."""
    return ScriptedTunnel(udp())


def up(*addresses: str, mtu: int = 1280, default_route: bool = False) -> Up:
    interfaces = tuple(IPv6Interface(address) for address in addresses)
    return Up(HostConfig(addresses=interfaces, mtu=mtu, default_route=default_route))


def script(host: SimulatedHost) -> ScriptedTunnel:
    """The Tunnel of a host that was added with a ScriptedTunnel."""
    assert isinstance(host.tunnel, ScriptedTunnel)
    return host.tunnel


def say(host: SimulatedHost, *events: Event) -> None:
    """Let the host's Tunnel say something now."""
    script(host).outbox.say(*events)
    host.command("turn")


def send(
    host: SimulatedHost, data: bytes, remote: str, channel: str = "udp", *, local: str = "", ttl: int | None = None
) -> None:
    """Let the host's Tunnel send a datagram now."""
    source = endpoint(local) if local else None
    script(host).outbox.send(Datagram(channel, data, endpoint(remote), source, ttl=ttl))
    host.command("turn")


def member() -> ScriptedTunnel:
    """A tunnel with UDP port 4000 open and in the group 224.0.0.253 at port 3544."""
    group = endpoint("224.0.0.253:3544")
    joined = OpenChannel("group", ChannelKind.MULTICAST, Endpoint(IPv4Address(0), group.port), group=group.address)
    return ScriptedTunnel(udp(), joined)
