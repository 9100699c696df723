"""A driver with a scripted Tunnel, to be driven by tests."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from tests.process.stage import until
from tests.scripted_tunnel import ScriptedTransport, ScriptedTunnel
from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.effects import Done, Effect, EffectResult, OpenChannel
from tunnelmgr.api.events import Event
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.transport import Service
from tunnelmgr.core.driving.driver import Driver
from tunnelmgr.core.driving.memory import Memory


class Bench:
    """A driver, its Tunnel and what it reported."""

    def __init__(self, folder: Path, services: dict[str, Callable[[Path], Service]] | None = None) -> None:
        self.tunnel = ScriptedTunnel()
        self.events: list[Event] = []
        self.crashes: list[Exception] = []
        self.lost: list[OSError] = []
        self.memory = Memory(folder / "bench.memory")
        self.driver = Driver(
            ScriptedTransport(self.tunnel, services),
            self.memory,
            on_news=lambda _: None,
            on_crash=self.crashes.append,
            on_device_lost=self.lost.append,
            watch=self.events.append,
        )

    def say(self, *events: Event) -> None:
        """Let the Tunnel say something: any input makes the pump turn."""
        self.tunnel.outbox.say(*events)
        self.driver.status()

    def send(self, *datagrams: Datagram) -> None:
        self.tunnel.outbox.send(*datagrams)
        self.driver.status()

    async def answer(self, effect: Effect) -> EffectResult:
        self.say(effect)
        await until(lambda: any(asked is effect for asked, _ in self.tunnel.answers))
        return next(result for asked, result in self.tunnel.answers if asked is effect)

    async def open(self, wish: OpenChannel) -> Endpoint:
        result = await self.answer(wish)
        assert isinstance(result, Done), result
        assert isinstance(result.value, Endpoint)
        return result.value


@contextlib.asynccontextmanager
async def bench(folder: Path, services: dict[str, Callable[[Path], Service]] | None = None) -> AsyncIterator[Bench]:
    made = Bench(folder, services)
    made.driver.start(Network())
    try:
        yield made
    finally:
        await made.driver.stop()
        await made.driver.close()
