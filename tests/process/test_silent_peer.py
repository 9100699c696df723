"""A far end that does not answer: what was configured stays, the default route goes, the state says why."""

from pathlib import Path

from tests.process.stage import ADDRESS, TARGET, living, until, up
from tests.process.virtual_time import run
from tunnelmgr.api.events import PeerSilent
from tunnelmgr.core.condition import Code, State
from tunnelmgr.host.items import Address

SILENT = PeerSilent("192.0.2.80 does not answer (3 echo requests)", hint="start the tunnel there")


def test_a_peer_not_heard_yet_is_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, probe=(TARGET,)) as stage:
            stage.say(up())
            await until(lambda: stage.prober.asked)
            stage.say(SILENT)
            await until(lambda: State.WAITING_FOR_PEER in stage.states)
            condition = stage.life.snapshot().condition
            assert (condition.reason, condition.hint) == (SILENT.reason, SILENT.hint)
            assert stage.has(Address, interface=ADDRESS)
            assert State.UP not in stage.states
            stage.say(up())
            stage.prober.results.put_nowait(True)
            await until(lambda: State.UP in stage.states)
            assert stage.default_route

    run(story())


def test_a_peer_not_heard_any_more_costs_the_default_route_and_nothing_else(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(up())
            await until(lambda: State.UP in stage.states)
            stage.say(SILENT)
            await until(lambda: State.IMPAIRED in stage.states)
            assert stage.has(Address, interface=ADDRESS)
            assert not stage.default_route
            stage.say(up())
            await until(lambda: stage.states[-1] is State.UP)
            assert stage.default_route

    run(story())


def test_a_peer_that_speaks_again_while_nobody_answers_through_the_tunnel_is_no_first_start(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, probe=(TARGET,)) as stage:
            stage.prober.results.put_nowait(True)
            stage.say(up())
            await until(lambda: State.UP in stage.states)
            stage.say(SILENT)
            await until(lambda: stage.states[-1] is State.IMPAIRED)
            stage.prober.results.put_nowait(False)
            stage.say(up())
            await until(lambda: stage.life.snapshot().condition.code is Code.PACKETS_STOPPED)
            assert State.STARTING not in stage.states[stage.states.index(State.UP) :]

    run(story())
