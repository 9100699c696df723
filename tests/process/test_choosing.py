"""Which of several methods a profile lives by: the first that suits and works, and what is said of the others."""

import asyncio
from pathlib import Path

import pytest

from tests.process.stage import GENEROUS, Stage, ending, until, up
from tests.process.virtual_time import run
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Down
from tunnelmgr.api.network import Network
from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.core.choosing.choice import Survey
from tunnelmgr.core.condition import State
from tunnelmgr.core.profiles.profile import NetworkSettings, Profile
from tunnelmgr.core.profiles.when import When


def test_the_next_method_is_tried_when_one_fails_for_good(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, network=NetworkSettings(), methods=2)
        stage.tunnel.outbox.say(Down("nobody home", permanent=True))
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
        stage.tunnel.outbox.say(Down("no answer from 192.0.2.1:3544"))
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
            tunnel.outbox.say(Down(f"failure {number}", code=ExitCode.REFUSED, permanent=True))

    _, error = run(ending(tmp_path, disturb, methods=2))
    assert (error.message, error.exit_code) == ("failure 1", ExitCode.REFUSED)
