"""A profile's life on a fake host with a scripted Tunnel: what is configured when, what is said, what is left."""

import asyncio
import contextlib
import errno
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from tests.process.virtual_time import run
from tests.scripted_tunnel import ScriptedTransport, ScriptedTunnel
from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Down, Event, Notice, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.api.status import PeerStatus, TunnelStatus
from tunnelmgr.core.lifecycle import Lifecycle
from tunnelmgr.core.probe import Pace, ProbeResult
from tunnelmgr.core.profile import DatapathWish, DefaultRouteWish, LanSettings, Method, NetworkSettings, Profile
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.core.scout import Detect
from tunnelmgr.core.snapshot import State
from tunnelmgr.core.survey import Survey
from tunnelmgr.core.when import When
from tunnelmgr.host.fake import FakeHost
from tunnelmgr.host.items import Address, Firewall, Item, Resolvers, Route, Rule, Unreachable
from tunnelmgr.host.resolvers import ResolverHelper

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
        self.life.subscribe(lambda state, _: self.states.append(state))
        self.untouched = dict(self.host.items)

    def say(self, *events: Event, tunnel: ScriptedTunnel | None = None) -> None:
        """Let the Tunnel say something: asking for status makes the pump turn."""
        (tunnel or self.tunnel).say += events
        self.life.snapshot()

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
    await until(lambda: stage.has(Firewall) or running.done())
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


@pytest.mark.requirement("T-SE-004")
def test_the_firewall_stands_before_the_tunnel_is_up_and_everything_is_there_when_it_is(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            assert not stage.has(Address)
            stage.say(Notice("scripted.nat", "NAT port-restricted"), up())
            await until(lambda: State.UP in stage.states)
            assert stage.has(Address, interface=ADDRESS)
            assert stage.has(Rule, source=IPv6Network(ADDRESS.ip))
            assert stage.default_route
            assert stage.story == [
                "starting, scripted, as scripted",
                "NAT port-restricted",
                "tm-home 2001:0:c000:201:0:efff:3fff:fdfe  MTU 1280, default route, inbound closed",
                "reach beyond the server not proven",
            ]
            snapshot = stage.life.snapshot()
            assert (snapshot.state, snapshot.default_route, snapshot.mtu) == (State.UP, True, 1280)

    run(story())


def test_the_far_end_is_asked_before_slow_modules_are_imported(tmp_path: Path) -> None:
    """`Host.prepare` is where pyroute2 is imported; importing the host itself must not do it."""

    class ObservantHost(FakeHost):
        async def prepare(self) -> None:
            with contextlib.suppress(BlockingIOError):
                heard.append(far.recv(2048))

    heard: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.setblocking(False)

        async def story() -> None:
            stage = Stage(tmp_path, network=NetworkSettings(), methods=1, host=ObservantHost())
            service = OpenChannel("service", ChannelKind.UDP)
            stage.tunnel.say.append(service)
            remote = Endpoint(IPv4Address("127.0.0.1"), far.getsockname()[1])
            stage.tunnel.on_answer = lambda effect, result: stage.tunnel.to_send.append(
                Datagram("service", b"solicitation", remote)
            )
            running = asyncio.create_task(stage.life.run())
            await until(lambda: stage.has(Firewall))
            stage.life.stop()
            await running

        run(story())
    assert heard == [b"solicitation"]
    importing = "import sys, tunnelmgr.host.linux.host, tunnelmgr.core.lifecycle; print('pyroute2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", importing], capture_output=True, text=True).stdout == "False\n"


def test_the_default_route_and_the_word_up_wait_for_an_answered_probe(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, probe=(TARGET,)) as stage:
            stage.say(up())
            await until(lambda: stage.prober.asked == [ADDRESS.ip])
            assert stage.has(Rule, source=IPv6Network(ADDRESS.ip)), "the probe leaves by the source rule"
            assert stage.has(Unreachable, prefix=DEFAULT), "and nothing else does"
            assert not stage.default_route
            stage.prober.results.put_nowait(False)
            await until(lambda: any("2001:db8::1 does not answer" in line for line in stage.story))
            assert not stage.default_route
            assert State.UP not in stage.states
            stage.tunnel.status = lambda now: TunnelStatus(  # type: ignore[method-assign]
                "scripted", peers=(PeerStatus(str(TARGET), "198.51.100.1:3545", "relay"),)
            )
            stage.prober.results.put_nowait(True)
            await until(lambda: State.UP in stage.states)
            assert stage.default_route
            assert not stage.has(Unreachable)
            assert stage.story[-1] == "carries packets: 2 of 2 probes, 41 ms, via relay 198.51.100.1"

    run(story())


def test_resolvers_of_the_far_end_are_asked_while_packets_flow(tmp_path: Path) -> None:
    offer = Up(HostConfig(addresses=(ADDRESS,), dns=(TARGET,)))

    async def story() -> None:
        async with living(tmp_path, probe=(TARGET,), dns=True) as stage:
            stage.host.helper = ResolverHelper.RESOLVECTL
            stage.say(offer)
            await until(lambda: stage.prober.asked)
            assert not stage.has(Resolvers)
            stage.prober.results.put_nowait(True)
            await until(lambda: State.UP in stage.states)
            assert stage.has(Resolvers, servers=(TARGET,))
            assert stage.life.snapshot().resolvers == (str(TARGET),)
            stage.say(Down("no answer"))
            await until(lambda: stage.states[-1] is State.DOWN)
            assert not stage.has(Resolvers)

    asyncio.run(story())


def test_resolvers_nobody_minds_are_a_warning_in_story_and_status(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, dns=True) as stage:
            stage.say(Up(HostConfig(addresses=(ADDRESS,), dns=(TARGET,))))
            await until(lambda: State.UP in stage.states)
            assert "neither does systemd-resolved run nor is resolvconf installed" in stage.story[-1]
            assert "resolvers of the far end (2001:db8::1) are not used" in stage.life.snapshot().shortfall

    asyncio.run(story())


def test_a_tunnel_that_goes_down_loses_its_addresses_and_gets_them_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(up())
            await until(lambda: State.UP in stage.states)
            stage.say(Down("no answer from 192.0.2.1:3544", hint="check it"))
            await until(lambda: stage.states[-1] is State.DOWN)
            assert not stage.has(Address)
            assert not stage.has(Rule)
            assert not stage.default_route
            assert stage.has(Firewall)
            snapshot = stage.life.snapshot()
            assert (snapshot.reason, snapshot.hint) == ("no answer from 192.0.2.1:3544", "check it")
            stage.say(up(OTHER))
            await until(lambda: stage.states[-1] is State.UP)
            assert stage.has(Address, interface=OTHER)

    run(story())


def test_a_new_address_replaces_the_old_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(up())
            await until(lambda: stage.has(Address, interface=ADDRESS))
            stage.say(up(OTHER))
            await until(lambda: stage.has(Address, interface=OTHER))
            await until(lambda: not stage.has(Address, interface=ADDRESS))
            added = stage.host.history.index(f"ip -6 address add {OTHER} dev tm-home nodad")
            removed = stage.host.history.index(f"ip -6 address delete {ADDRESS} dev tm-home")
            assert added < removed

    run(story())


@pytest.mark.requirement("S-SE-003")
def test_native_ipv6_takes_the_default_route_and_leaves_the_source_rule(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(up())
            await until(lambda: stage.default_route)
            stage.host.change_network(Network(native_ipv6=True))
            await until(lambda: not stage.default_route)
            assert stage.has(Rule, source=IPv6Network(ADDRESS.ip))
            assert stage.tunnel.networks[-1] == Network(native_ipv6=True)
            stage.host.change_network(Network(native_ipv6=False))
            await until(lambda: stage.default_route)

    run(story())


@pytest.mark.parametrize(
    ("wish", "native", "expected"),
    [
        (DefaultRouteWish.IF_NO_NATIVE, True, False),
        (DefaultRouteWish.IF_NO_NATIVE, False, True),
        (DefaultRouteWish.ALWAYS, True, True),
        (DefaultRouteWish.NEVER, False, False),
    ],
)
def test_the_profile_decides_on_the_default_route(
    tmp_path: Path, wish: DefaultRouteWish, native: bool, expected: bool
) -> None:
    async def story() -> None:
        async with living(tmp_path, default_route=wish, native_ipv6=native) as stage:
            stage.say(up())
            await until(lambda: State.UP in stage.states)
            assert stage.default_route is expected

    run(story())


def test_one_that_listens_is_up_without_a_probe(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, probe=(TARGET,)) as stage:
            stage.say(Up(HostConfig(listening=True)))
            await until(lambda: State.UP in stage.states)
            assert not stage.prober.asked
            assert not stage.default_route

    run(story())


def test_a_permanent_failure_ends_with_its_reason_and_code(tmp_path: Path) -> None:
    def disturb(stage: Stage) -> None:
        stage.tunnel.say.append(Down("login refused for me", "check the password", ExitCode.NO_PERMISSION, permanent=True))

    _, error = run(ending(tmp_path, disturb))
    assert (error.message, error.hint, error.exit_code) == ("login refused for me", "check the password", 77)


@pytest.mark.requirement("T-SE-001")
def test_a_tunnel_that_raises_ends_as_a_bug_of_its_plugin(tmp_path: Path) -> None:
    def disturb(stage: Stage) -> None:
        def crash(now: float, network: Network, memory: object) -> None:
            raise ZeroDivisionError("seven over nothing")

        stage.tunnel.start = crash  # type: ignore[method-assign]

    _, error = run(ending(tmp_path, disturb))
    assert error.exit_code is ExitCode.BUG
    assert "the scripted plugin crashed: ZeroDivisionError: seven over nothing" in error.message
    assert isinstance(error.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    "beginning",
    ["nft add", "ip link set dev tm-home mtu", "ip link set dev tm-home up", "ip -6 address add", "ip -6 rule add"],
)
def test_a_host_that_refuses_a_change_is_left_as_it_was(tmp_path: Path, beginning: str) -> None:
    def disturb(stage: Stage) -> None:
        stage.host.failures[beginning] = errno.EPERM
        stage.tunnel.say.append(up())

    _, error = run(ending(tmp_path, disturb))
    assert beginning.split()[0] in str(error)


def test_missing_nft_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    def disturb(stage: Stage) -> None:
        stage.host.has_nft = False

    stage, error = run(ending(tmp_path, disturb))
    assert "nft" in error.message
    assert not stage.tunnel.networks, "the Tunnel was never started"


def test_the_next_method_is_tried_when_one_fails_for_good(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, network=NetworkSettings(), methods=2)
        stage.tunnel.say.append(Down("nobody home", permanent=True))
        running = asyncio.create_task(stage.life.run())
        await until(lambda: stage.tunnels[1].networks)
        stage.say(up(), tunnel=stage.tunnels[1])
        await until(lambda: State.UP in stage.states)
        assert "scripted: nobody home; trying scripted" in stage.story
        stage.life.stop()
        await running
        assert stage.clean

    run(story())


def test_a_method_that_carries_nothing_gives_way_to_the_next(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, network=NetworkSettings(), methods=2)
        stage.tunnel.say.append(Down("no answer from 192.0.2.1:3544"))
        running = asyncio.create_task(stage.life.run())
        await until(lambda: stage.tunnels[1].networks)
        failed = "scripted: no packets flowed for 15 s: no answer from 192.0.2.1:3544; trying scripted"
        assert failed in stage.story
        stage.say(up(), tunnel=stage.tunnels[1])
        await until(lambda: State.UP in stage.states)
        await asyncio.sleep(20)
        assert stage.states[-1] is State.UP, "a method that carries is not hurried"
        stage.life.stop()
        await running
        assert stage.clean

    run(story())


def test_when_no_method_carries_they_are_tried_again_in_turn(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, network=NetworkSettings(), methods=2)
        running = asyncio.create_task(stage.life.run())
        await until(lambda: len(stage.tunnel.networks) == 2)
        assert stage.states[:2] == [State.DOWN, State.STARTING]
        stage.life.stop()
        await running
        assert stage.clean

    run(story())


def test_no_method_that_suits_ends_with_every_reason(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, network=NetworkSettings(), methods=2, when=When(native_ipv6=True))
        stage.host.outer = Network(native_ipv6=False)
        with pytest.raises(TunnelError) as caught:
            await stage.life.run()
        assert caught.value.exit_code is ExitCode.NO_ANSWER
        assert caught.value.message.count("scripted: `when: {native_ipv6: true}` does not hold") == 2
        assert stage.clean

    run(story())


class Detective:
    """Finds the NAT it is told, or never ends."""

    def __init__(self, nat: NatKind | None = None) -> None:
        self.asked = 0
        self.cancelled = False
        self._nat = nat

    async def __call__(self, profile: Profile, network: Network) -> Survey:
        self.asked += 1
        try:
            if self._nat is None:
                await asyncio.Event().wait()
            return Survey(NetworkReport(network, nat=self._nat), close=True)
        except asyncio.CancelledError:
            self.cancelled = True
            raise


def test_a_condition_on_the_nat_is_judged_by_what_detection_finds(tmp_path: Path) -> None:
    async def story() -> None:
        detective = Detective(NatKind.PORT_RESTRICTED)
        when = When(nat=frozenset({NatKind.SYMMETRIC}))
        stage = Stage(tmp_path, network=NetworkSettings(), methods=1, when=when, detect=detective)
        with pytest.raises(TunnelError) as caught:
            await stage.life.run()
        assert "scripted: `when: {nat: symmetric}` does not hold: the NAT is port-restricted" in caught.value.message
        assert detective.asked == 1
        assert stage.story[0].startswith("looking at the network")
        assert stage.clean

    run(story())


def test_what_this_host_knows_by_itself_nobody_is_asked(tmp_path: Path) -> None:
    async def story() -> None:
        detective = Detective(NatKind.SYMMETRIC)
        when = When(native_ipv6=True)
        stage = Stage(tmp_path, network=NetworkSettings(), methods=1, when=when, detect=detective)
        stage.host.outer = Network(native_ipv6=False)
        with pytest.raises(TunnelError):
            await stage.life.run()
        assert detective.asked == 0

    run(story())


def test_a_stop_does_not_wait_for_detection(tmp_path: Path) -> None:
    async def story() -> None:
        detective = Detective()
        when = When(nat=frozenset({NatKind.SYMMETRIC}))
        stage = Stage(tmp_path, network=NetworkSettings(), methods=2, when=when, detect=detective)
        running = asyncio.create_task(stage.life.run())
        await until(lambda: detective.asked)
        stage.life.stop()
        async with asyncio.timeout(GENEROUS):
            assert await running is ExitCode.DONE
        assert detective.cancelled
        assert stage.clean

    run(story())


def test_the_last_method_s_failure_is_the_profile_s(tmp_path: Path) -> None:
    def disturb(stage: Stage) -> None:
        for number, tunnel in enumerate(stage.tunnels):
            tunnel.say.append(Down(f"failure {number}", code=ExitCode.REFUSED, permanent=True))

    _, error = run(ending(tmp_path, disturb, methods=2))
    assert (error.message, error.exit_code) == ("failure 1", ExitCode.REFUSED)


def test_a_second_life_of_the_same_name_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path):
            second = Stage(tmp_path, network=NetworkSettings(), methods=1)
            with pytest.raises(TunnelError, match="home"):
                await second.life.run()

    run(story())


def test_a_datapath_this_version_lacks_is_said_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, network=NetworkSettings(), methods=1, datapath=DatapathWish.EBPF)
        with pytest.raises(TunnelError, match="ebpf") as caught:
            await stage.life.run()
        assert caught.value.exit_code is ExitCode.INVALID

    run(story())


def test_a_probe_that_cannot_be_sent_is_a_reason_and_not_the_end(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, probe=(TARGET,)) as stage:
            stage.prober.error = OSError(errno.ENETUNREACH, "Network is unreachable")
            stage.say(up())
            await until(lambda: stage.states)
            assert stage.story[-1] == "probes cannot be sent through the tunnel: Network is unreachable"
            stage.prober.error = None
            stage.prober.results.put_nowait(True)
            await until(lambda: State.UP in stage.states)

    run(story())


def test_a_device_that_was_removed_is_made_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(up())
            await until(lambda: State.UP in stage.states)
            tun = stage.host.tuns["tm-home"]
            tun.outside.close()
            await until(lambda: stage.host.tuns.get("tm-home") not in {None, tun})
            assert State.DOWN in stage.states

    run(story())


def test_packets_the_host_writes_reach_the_tunnel(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            packet = b"\x60" + bytes(39)
            stage.host.tuns["tm-home"].outside.send(packet)
            await until(lambda: stage.tunnel.packets == [packet])
            stage.tunnel.to_deliver.append(packet)
            stage.tunnel.to_send.append(Datagram("nowhere", b"", Endpoint(IPv4Address("127.0.0.1"), 9)))
            stage.life.snapshot()
            assert stage.host.tuns["tm-home"].outside.recv(2048) == packet
            assert stage.life.snapshot().counters["dropped-no-channel"] == 1

    run(story())
