"""A Tunnel that does what a test tells it and keeps what it hears, on real sockets and on simulated ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

from tunnelmgr.api.datagrams import ChannelEvent, Datagram
from tunnelmgr.api.effects import Effect, EffectResult
from tunnelmgr.api.events import Event, Stopped
from tunnelmgr.api.network import Network
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr.api.transport import Fit, Service, Suitability, Transport
from tunnelmgr.api.tunnel import Tunnel


def say_goodbye(tunnel: "ScriptedTunnel") -> None:
    """Stop as a Tunnel should."""
    tunnel.say.append(Stopped())


def say_nothing(_: "ScriptedTunnel") -> None:
    """Leave whoever waits for the end waiting."""


@dataclass
class ScriptedTunnel:
    """What is put into `say`, `to_send`, `to_deliver` leaves at the next turn; `on_answer` and `on_stop` may add to it."""

    say: list[Event] = field(default_factory=list)
    to_send: list[Datagram] = field(default_factory=list)
    to_deliver: list[bytes] = field(default_factory=list)
    wake_at: float | None = None
    on_answer: Callable[[Effect, EffectResult], None] = lambda effect, result: None
    on_stop: Callable[["ScriptedTunnel"], None] = say_goodbye
    datagrams: list[Datagram] = field(default_factory=list)
    datagrams_at: list[float] = field(default_factory=list)
    packets: list[bytes] = field(default_factory=list)
    channel_events: list[ChannelEvent] = field(default_factory=list)
    answers: list[tuple[Effect, EffectResult]] = field(default_factory=list)
    answers_at: list[float] = field(default_factory=list)
    uses: list[PathUse] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)
    memory: Mapping[str, bytes] = field(default_factory=dict)
    woken_at: list[float] = field(default_factory=list)

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

    def datagrams_to_send(self) -> list[Datagram]:
        drained, self.to_send = self.to_send, []
        return drained

    def packets_to_deliver(self) -> list[bytes]:
        drained, self.to_deliver = self.to_deliver, []
        return drained

    def events(self) -> list[Event]:
        drained, self.say = self.say, []
        return drained

    def status(self, now: float) -> TunnelStatus:
        return TunnelStatus("scripted", counters={"heard": len(self.datagrams)})

    def command(self, name: str, arguments: Mapping[str, Fact], now: float) -> Mapping[str, object]:
        """Turn the pump, so that what the test has put into the lists goes out."""
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

    def __init__(self, tunnel: Tunnel, services: Mapping[str, Callable[[], Service]] | None = None) -> None:
        self._tunnel = tunnel
        self._services = services or {}

    def describe(self) -> str:
        return "as scripted"

    def suits(self, report: NetworkReport) -> Suitability:
        return Suitability(Fit.GOOD, "tests suit everywhere")

    def tunnel(self, random: Random) -> Tunnel:
        return self._tunnel

    def services(self) -> Mapping[str, Callable[[], Service]]:
        return self._services
