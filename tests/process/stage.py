"""A profile's life on a fake host with scripted Tunnels, for a test to watch and to disturb."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from tests.scripted_tunnel import ScriptedTransport, ScriptedTunnel
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Event, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Network
from tunnelmgr.core.choosing.scout import Detect
from tunnelmgr.core.condition import State
from tunnelmgr.core.profiles.profile import DatapathWish, DefaultRouteWish, LanSettings, Method, NetworkSettings, Profile
from tunnelmgr.core.profiles.when import When
from tunnelmgr.core.running.lifecycle import Lifecycle
from tunnelmgr.core.running.probe import Pace, ProbeResult
from tunnelmgr.core.running.snapshot import Running
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.host.fake import FakeHost
from tunnelmgr.host.items import Item, Purpose, Route, Table

ADDRESS = IPv6Interface("2001:0:c000:201:0:efff:3fff:fdfe/32")
OTHER = IPv6Interface("2001:0:c000:201:0:dfff:3fff:fdfe/32")
TARGET = IPv6Address("2001:db8::1")
DEFAULT = IPv6Network("::/0")
NO_LAN = LanSettings()
GENEROUS = 60.0


def up(address: IPv6Interface = ADDRESS) -> Up:
    return Up(HostConfig(addresses=(address,), default_route=True))


class Prober:
    """Answers probes when it is told to."""

    def __init__(self) -> None:
        self.results: asyncio.Queue[bool] = asyncio.Queue()
        self.asked: list[IPv6Address] = []
        self.error: OSError | None = None

    async def __call__(self, device: str, source: IPv6Address, targets: Sequence[IPv6Address], pace: Pace) -> ProbeResult:
        self.asked.append(source)
        if self.error:
            raise self.error
        answered = await self.results.get()
        return ProbeResult(targets[0], pace.probes, pace.enough if answered else 0, 0.041 if answered else None)


class Stage:
    """A life to watch and to disturb."""

    def __init__(
        self,
        folder: Path,
        *,
        network: NetworkSettings,
        methods: int,
        datapath: DatapathWish = DatapathWish.AUTO,
        lan: LanSettings = NO_LAN,
        host: FakeHost | None = None,
        when: When | None = None,
        detect: Detect | None = None,
    ) -> None:
        self.host = host or FakeHost()
        self.tunnels = [ScriptedTunnel() for _ in range(methods)]
        self.tunnel = self.tunnels[0]
        self.prober = Prober()
        self.story: list[str] = []
        self.states: list[State] = []
        profile = Profile(
            name="home",
            file=folder / "home.yaml",
            methods=tuple(Method("scripted", "client", ScriptedTransport(tunnel), when, 1) for tunnel in self.tunnels),
            device="tm-home",
            network=network,
            datapath=datapath,
            lan=lan,
        )
        self.life = Lifecycle(
            profile,
            self.host,
            Runtime(folder, folder),
            lambda progress: self.story.append(progress.text),
            prober=self.prober,
            detect=detect,
        )
        self.life.subscribe(lambda condition: self.states.append(condition.state))
        self.untouched = dict(self.host.items)

    def say(self, *events: Event, tunnel: ScriptedTunnel | None = None) -> None:
        """Let the Tunnel say something: asking for status makes the pump turn."""
        (tunnel or self.tunnel).outbox.say(*events)
        self.life.snapshot()

    @property
    def running(self) -> Running:
        """What the running method says of itself."""
        running = self.life.snapshot().running
        assert running
        return running

    def has(self, kind: type[Item], **fields: object) -> bool:
        return any(
            isinstance(item, kind) and all(getattr(item, name) == value for name, value in fields.items())
            for item in self.host.items.values()
        )

    @property
    def default_route(self) -> bool:
        return self.has(Route, prefix=DEFAULT, table=254)

    @property
    def clean(self) -> bool:
        return self.host.items == self.untouched and not self.host.tuns


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(GENEROUS):
        while not condition():
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def living(
    folder: Path,
    *,
    probe: tuple[IPv6Address, ...] = (),
    default_route: DefaultRouteWish = DefaultRouteWish.IF_NO_NATIVE,
    native_ipv6: bool | None = None,
    methods: int = 1,
    lan: LanSettings = NO_LAN,
    host: FakeHost | None = None,
    dns: bool = False,
) -> AsyncIterator[Stage]:
    """A profile that runs, stopped at the end with nothing left behind."""
    network = NetworkSettings(probe=probe, default_route=default_route, dns=dns)
    stage = Stage(folder, network=network, methods=methods, lan=lan, host=host)
    stage.host.outer = Network(native_ipv6=native_ipv6)
    running = asyncio.create_task(stage.life.run())
    await until(lambda: stage.has(Table, purpose=Purpose.INBOUND) or running.done())
    yield stage
    stage.life.stop()
    async with asyncio.timeout(GENEROUS):
        assert await running is ExitCode.DONE
    assert stage.clean
    assert not (folder / "home.journal").exists()


async def ending(folder: Path, disturb: Callable[[Stage], None], *, methods: int = 1) -> tuple[Stage, TunnelError]:
    """A profile that fails for good, with nothing left behind."""
    stage = Stage(folder, network=NetworkSettings(), methods=methods)
    disturb(stage)
    async with asyncio.timeout(GENEROUS):
        with pytest.raises(TunnelError) as caught:
            await stage.life.run()
    assert stage.clean
    return stage, caught.value
