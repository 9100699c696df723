"""Several methods on a fake host: which one runs, when it gives way, and what is left behind. On a virtual clock."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from random import Random

import pytest

from tests.process.stage import GENEROUS, TARGET, until
from tests.process.virtual_time import run
from tests.scripted_tunnel import ScriptedTransport, ScriptedTunnel
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Down, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import DefaultRoute, Network
from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.api.transport import Fit, Suitability
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr.core.choosing.choice import Survey
from tunnelmgr.core.choosing.method_status import MethodState
from tunnelmgr.core.condition import Code, State
from tunnelmgr.core.profiles.profile import Method, NetworkSettings, Profile
from tunnelmgr.core.profiles.when import When
from tunnelmgr.core.running.lifecycle import Lifecycle
from tunnelmgr.core.running.probe import Pace, ProbeResult
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.host.fake import FakeHost
from tunnelmgr.host.items import Address, Route, Rule, Unreachable

HOME = Network(default_route=DefaultRoute("eth0", IPv4Address("192.168.1.1")), source=IPv4Address("192.168.1.2"))
ELSEWHERE = Network(default_route=DefaultRoute("wlan0", IPv4Address("10.0.0.1")), source=IPv4Address("10.0.0.9"))
NOWHERE = Network()
DEFAULT = IPv6Network("::/0")
MAIN = 254  # the number of the main routing table
LOST = "packets stopped: 2001:db8::1 does not answer through the tunnel (0 of 4 probes)"
PACKET = b"\x60" + bytes(39)


class Carrier(ScriptedTransport):
    """A method that is up as soon as it starts, and carries packets while `works` says so."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(ScriptedTunnel())
        self.type_name = name  # type: ignore[misc]  # a class variable of every real transport
        self.address = IPv6Interface(f"2001:db8:{number}::2/64")
        self.works: Callable[[], bool] = lambda: True
        self.fit = Suitability(Fit.GOOD, f"{name} says so")
        self.made: list[ScriptedTunnel] = []
        self.crashes = False

    def suits(self, report: NetworkReport) -> Suitability:
        if report.network.default_route is None:
            return Suitability(Fit.UNSUITABLE, "there is no IPv4 default route")
        return self.fit

    def tunnel(self, random: Random) -> Tunnel:
        if self.crashes:
            raise ZeroDivisionError("seven over nothing")
        made = ScriptedTunnel(Up(HostConfig(addresses=(self.address,), default_route=True)))
        self.made.append(made)
        return made


class World:
    """A profile of several carriers, running."""

    def __init__(self, folder: Path, names: Sequence[str], conditions: dict[str, When], *, patient: bool = False) -> None:
        self.folder = folder
        self.host = FakeHost(HOME)
        self.untouched = dict(self.host.items)
        self.carriers = {name: Carrier(name, number) for number, name in enumerate(names, 1)}
        self.silent: set[int] = set()
        self.nat = NatKind.PORT_RESTRICTED
        self.surveys = 0
        self.story: list[str] = []
        self.states: list[State] = []
        methods = tuple(Method(name, "client", carrier, conditions.get(name), 1) for name, carrier in self.carriers.items())
        profile = Profile("home", folder / "home.yaml", methods, "tm-home", NetworkSettings(probe=(TARGET,)))
        self.life = Lifecycle(
            profile,
            self.host,
            Runtime(folder, folder),
            lambda progress: self.story.append(progress.text),
            prober=self.probe,
            detect=self.detect,
            patient=patient,
        )
        self.life.subscribe(lambda condition: self.states.append(condition.state))

    async def probe(self, device: str, source: IPv6Address, targets: Sequence[IPv6Address], pace: Pace) -> ProbeResult:
        carrier = next(one for one in self.carriers.values() if one.address.ip == source)
        if carrier.works():
            await asyncio.sleep(0.04)
            return ProbeResult(targets[0], pace.enough, pace.enough, 0.04)
        await asyncio.sleep(pace.probes * pace.interval)
        return ProbeResult(targets[0], pace.probes, 0, None)

    async def detect(self, profile: Profile, network: Network) -> Survey:
        self.surveys += 1
        await asyncio.sleep(0.5)
        report = NetworkReport(network, nat=self.nat, native_ipv6=network.native_ipv6)
        return Survey(report, frozenset(self.silent), close=True)

    @property
    def method(self) -> str:
        return self.life.snapshot().method

    def runs(self, name: str) -> bool:
        snapshot = self.life.snapshot()
        return snapshot.method == name and snapshot.condition.state is State.UP

    def traffic(self) -> None:
        """This host sends a packet into the tunnel, if its default route leads there."""
        tun = self.host.tuns.get("tm-home")
        if tun is not None and self.default_route:
            with contextlib.suppress(OSError):
                tun.outside.send(PACKET)

    @property
    def default_route(self) -> bool:
        return any(
            isinstance(item, Route) and (item.prefix, item.table) == (DEFAULT, MAIN) for item in self.host.items.values()
        )

    @property
    def source_rule(self) -> bool:
        return any(isinstance(item, Rule) for item in self.host.items.values())

    @property
    def barred(self) -> bool:
        """Whether whoever does not bind to the device is told that there is no way."""
        return any(isinstance(item, Unreachable) and item.prefix == DEFAULT for item in self.host.items.values())

    def has(self, name: str) -> bool:
        """Whether the tunnel of this method is configured."""
        address = self.carriers[name].address
        return any(isinstance(item, Address) and item.interface == address for item in self.host.items.values())

    @property
    def clean(self) -> bool:
        return self.host.items == self.untouched and not self.host.tuns and not list(self.folder.glob("*.journal"))


@contextlib.asynccontextmanager
async def world(folder: Path, *names: str, **conditions: When) -> AsyncIterator[World]:
    """A profile that is up by its first method, and leaves nothing behind at the end."""
    made = World(folder, names, conditions)
    running = asyncio.create_task(made.life.run())
    await until(lambda: made.runs(names[0]) or running.done())
    yield made
    made.life.stop()
    async with asyncio.timeout(GENEROUS):
        assert await running is ExitCode.DONE
    assert made.clean


def now() -> float:
    return asyncio.get_running_loop().time()


async def carry_traffic(world: World, seconds: float) -> None:
    """Send a packet every half second, to which nobody answers: the scripted tunnels swallow them."""
    for _ in range(int(2 * seconds)):
        world.traffic()
        await asyncio.sleep(0.5)


def test_while_traffic_flows_the_next_method_carries_within_ten_seconds(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "first", "second") as home:
            sending = asyncio.create_task(carry_traffic(home, 60))
            await asyncio.sleep(1)
            broke_at, home.carriers["first"].works = now(), lambda: False
            await until(lambda: home.runs("second"))
            assert now() - broke_at < 10.0
            assert (
                "first: packets stopped: 2001:db8::1 does not answer through the tunnel (0 of 4 probes); trying second"
                in home.story
            )
            assert home.has("second")
            assert not home.has("first")
            sending.cancel()

    run(story())


def test_an_idle_link_fails_over_within_forty_seconds(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "first", "second") as home:
            broke_at, home.carriers["first"].works = now(), lambda: False
            await until(lambda: home.runs("second"))
            assert now() - broke_at < 40.0

    run(story())


def test_the_only_method_loses_its_default_route_at_once_and_keeps_its_address(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "only") as home:
            home.carriers["only"].works = lambda: False
            await until(lambda: home.states[-1] is State.IMPAIRED)
            snapshot = home.life.snapshot()
            assert snapshot.condition.reason == LOST
            assert not home.default_route
            assert home.has("only")
            assert home.source_rule, "what has the tunnel's address never leaves by another way"
            assert home.barred
            home.carriers["only"].works = lambda: True
            await until(lambda: home.states[-1] is State.UP)
            assert home.default_route
            assert not home.barred

    run(story())


def test_what_was_lost_stays_impaired_while_nobody_answers_also_with_another_mtu(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "only") as home:
            only = home.carriers["only"]
            only.works = lambda: False
            await until(lambda: home.states[-1] is State.IMPAIRED)
            for minute in (1, 2):
                await asyncio.sleep(60)
                later = home.life.snapshot()
                assert (later.condition.state, later.condition.code) == (State.IMPAIRED, Code.PACKETS_STOPPED)
                assert later.since > 59 * minute
                assert minute > 1 or home.story.count(LOST) == 1, "and is told once"
                only.made[0].outbox.say(Up(HostConfig(addresses=(only.address,), default_route=True, mtu=1400)))
                home.life.snapshot()  # which makes the pump turn
            assert State.STARTING not in home.states[home.states.index(State.IMPAIRED) :]

    run(story())


def test_a_tunnel_is_barred_while_nothing_passes_and_not_while_its_default_route_only_waits(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "only") as home:
            only = home.carriers["only"]
            for _ in range(4):  # which makes the next hold-down 80 s
                only.works = lambda: False
                await until(lambda: home.barred)
                only.works = lambda: True
                await until(lambda: home.runs("only"))
            only.works = lambda: False
            await until(lambda: home.barred)
            only.works = lambda: True
            await until(lambda: not home.barred)
            assert not home.default_route
            assert home.story[-1].startswith("packets flow again; the default route waits")
            told = len(home.story)
            only.works, broke_at = (lambda: False), now()
            await until(lambda: home.barred)
            assert home.life.snapshot().condition.code is Code.PACKETS_STOPPED, "as on one that is up"
            assert now() - broke_at < 40.0, "as on an idle link that is up"
            only.works = lambda: True
            await until(lambda: home.runs("only"))
            assert len(home.story) - told <= 6, home.story[told:]

    run(story())


def test_a_better_method_is_gone_back_to_when_its_far_end_answers_and_not_before(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "first", "second") as home:
            home.carriers["first"].works = lambda: False
            home.silent = {0}
            await until(lambda: home.runs("second"))
            await asyncio.sleep(300)
            assert home.runs("second")
            assert home.surveys >= 2, "it was looked at"
            assert len(home.carriers["second"].made) == 1, "what carried was left alone meanwhile"
            home.carriers["first"].works, home.silent = lambda: True, set()
            async with asyncio.timeout(2000):
                while not home.runs("first"):
                    await asyncio.sleep(1)
            assert "second gives way: first is to be had, which the profile prefers" in home.story

    run(story())


def test_a_link_that_fails_every_twenty_seconds_for_an_hour_does_not_make_it_flap(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "first", "second") as home:
            began_at = now()
            home.carriers["first"].works = lambda: (now() - began_at) % 40.0 < 20.0
            sending = asyncio.create_task(carry_traffic(home, 3600))
            up = 0
            for _ in range(3600):
                await asyncio.sleep(1)
                up += home.life.snapshot().condition.state is State.UP and home.default_route
            made = sum(len(carrier.made) for carrier in home.carriers.values())
            assert made <= 16, home.story
            assert up >= 0.95 * 3600
            sending.cancel()

    run(story())


def test_both_methods_dead_for_an_hour_are_tried_in_turn_and_the_first_to_work_is_taken(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "first", "second") as home:
            for carrier in home.carriers.values():
                carrier.works = lambda: False
            await asyncio.sleep(3600)
            tries = [len(carrier.made) for carrier in home.carriers.values()]
            assert min(tries) >= 30
            assert max(tries) <= 150
            home.carriers["second"].works = lambda: True
            async with asyncio.timeout(120):
                while not home.runs("second"):
                    await asyncio.sleep(0.1)

    run(story())


def test_another_address_on_the_way_tears_nothing_down(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "first", "second") as home:
            home.host.change_network(ELSEWHERE)
            await asyncio.sleep(10)
            assert home.runs("first")
            assert len(home.carriers["first"].made) == 1
            assert home.carriers["first"].made[0].networks[-1] == ELSEWHERE
            deleted = [line for line in home.host.history if "address delete" in line]
            assert deleted == []

    run(story())


def test_a_swarm_of_changes_is_one_look(tmp_path: Path) -> None:
    async def story() -> None:
        conditions = {"first": When(nat=frozenset({NatKind.PORT_RESTRICTED}))}
        async with world(tmp_path, "first", "second", **conditions) as home:
            before = home.surveys
            for last in range(10, 20):
                home.host.change_network(replace(ELSEWHERE, source=IPv4Address(f"10.0.0.{last}")))
                await asyncio.sleep(0.05)
            await asyncio.sleep(20)
            assert home.surveys == before + 1
            assert home.runs("first")

    run(story())


def test_on_a_network_that_rules_it_out_a_method_gives_way(tmp_path: Path) -> None:
    async def story() -> None:
        conditions = {"first": When(nat=frozenset({NatKind.PORT_RESTRICTED}))}
        async with world(tmp_path, "first", "second", **conditions) as home:
            home.nat = NatKind.SYMMETRIC
            home.host.change_network(ELSEWHERE)
            await until(lambda: home.runs("second"))
            refusal = "`when: {nat: port-restricted}` does not hold: the NAT is symmetric"
            assert f"first does not suit: {refusal}" in home.story
            assert "first gives way: it does not suit any more" in home.story
            first, second = home.life.snapshot().methods
            assert (first.state, first.reason) == (MethodState.REFUSED, refusal)
            assert second.state is MethodState.RUNNING
            home.nat = NatKind.PORT_RESTRICTED
            home.host.change_network(HOME)
            await until(lambda: home.runs("first"))

    run(story())


def test_without_a_network_it_waits_and_comes_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "first", "second") as home:
            for carrier in home.carriers.values():
                carrier.works = lambda: home.host.outer.default_route is not None
            home.host.change_network(NOWHERE)
            await asyncio.sleep(600)
            assert home.states[-1] is not State.UP
            assert not home.default_route
            home.host.change_network(HOME)
            await until(lambda: home.states[-1] is State.UP)

    run(story())


def test_where_no_condition_holds_any_more_it_is_down_and_says_why(tmp_path: Path) -> None:
    async def story() -> None:
        only = When(interface=("eth*",))
        async with world(tmp_path, "first", "second", first=only, second=only) as home:
            home.host.change_network(ELSEWHERE)
            await until(lambda: home.states[-1] is State.DOWN)
            snapshot = home.life.snapshot()
            assert "suits this network: first: `when: {interface: eth*}` does not hold" in snapshot.condition.reason
            assert home.life.failure is ExitCode.NO_ANSWER
            assert not home.host.tuns
            home.host.change_network(HOME)
            await until(lambda: home.runs("first"))

    run(story())


def test_who_is_patient_waits_for_a_network_that_suits_from_the_beginning(tmp_path: Path) -> None:
    async def story() -> None:
        only = When(interface=("eth*",))
        home = World(tmp_path, ("first", "second"), {"first": only, "second": only}, patient=True)
        home.host.change_network(ELSEWHERE)
        living = asyncio.create_task(home.life.run())
        await until(lambda: home.states[-1:] == [State.DOWN])
        assert "no method of" in home.life.snapshot().condition.reason
        home.host.change_network(NOWHERE)
        await asyncio.sleep(600)
        assert not living.done()
        home.host.change_network(HOME)
        await until(lambda: home.runs("first"))
        home.life.stop()
        await living

    run(story())


def test_native_ipv6_moves_the_default_route_and_nothing_else(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "first", "second") as home:
            home.host.change_network(replace(HOME, native_ipv6=True))
            await until(lambda: not home.default_route)
            await asyncio.sleep(60)
            assert home.runs("first")
            assert home.source_rule
            home.host.change_network(replace(HOME, native_ipv6=False))
            await until(lambda: home.default_route)
            assert len(home.carriers["first"].made) == 1

    run(story())


def test_a_plugin_that_crashes_during_a_switch_leaves_nothing_and_the_next_has_its_turn(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "first", "second", "third") as home:
            home.carriers["second"].crashes = True
            home.carriers["first"].works = lambda: False
            await until(lambda: home.runs("third"))
            assert any("second plugin crashed: ZeroDivisionError" in line for line in home.story), home.story

    run(story())


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.01, 0.02, 0.05, 0.3, 1.0, 5.0])
def test_a_stop_during_a_switch_leaves_nothing(tmp_path: Path, moment: float) -> None:
    async def story() -> None:
        async with world(tmp_path, "first", "second") as home:
            home.carriers["second"].works = lambda: False
            home.carriers["first"].made[0].outbox.say(Down("login refused", code=ExitCode.NO_PERMISSION, permanent=True))
            home.life.snapshot()
            await asyncio.sleep(moment)

    run(story())


def test_a_crash_is_not_the_end_while_another_method_has_only_to_wait(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "first", "second") as home:
            home.carriers["first"].works = lambda: False
            home.carriers["second"].crashes = True
            await until(lambda: any("plugin crashed" in one.reason for one in home.life.snapshot().methods))
            await asyncio.sleep(120)
            home.carriers["first"].works = lambda: True
            async with asyncio.timeout(120):  # pauses grow to a minute, and a quarter more
                while not home.runs("first"):
                    await asyncio.sleep(0.1)

    run(story())


def test_a_method_beyond_hope_is_the_end_only_when_it_is_the_last(tmp_path: Path) -> None:
    async def story() -> None:
        refused = Down("login refused", code=ExitCode.NO_PERMISSION, permanent=True)
        home = World(tmp_path, ("first", "second"), {})
        running = asyncio.create_task(home.life.run())
        await until(lambda: home.runs("first"))
        home.carriers["first"].made[0].outbox.say(refused)
        await until(lambda: home.runs("second"))
        home.carriers["second"].made[0].outbox.say(refused)
        home.life.snapshot()
        with pytest.raises(TunnelError) as caught:
            await running
        assert caught.value.exit_code is ExitCode.NO_PERMISSION
        assert home.clean

    run(story())


def test_a_far_end_that_wants_too_much_is_left_before_anything_is_touched(tmp_path: Path) -> None:
    async def story() -> None:
        home = World(tmp_path, ["greedy", "modest"], {})
        greedy = home.carriers["greedy"]
        wishes = HostConfig(addresses=(greedy.address,), delegated=(IPv6Network("2002::/16"),), far_end="broker b.test")
        greedy.tunnel = lambda random: ScriptedTunnel(Up(wishes))  # type: ignore[method-assign]  # as a real one is made
        running = asyncio.create_task(home.life.run())
        await until(lambda: home.runs("modest") or running.done())
        assert not any("2002:" in line or str(greedy.address.ip) in line for line in home.host.history)
        assert any("greedy: broker b.test asks for the prefix 2002::/16" in line for line in home.story)
        home.life.stop()
        await running

    run(story())
