"""Somebody else takes away what a profile put on its host."""

import asyncio
import errno
from dataclasses import replace
from pathlib import Path

import pytest

from tests.process.stage import ADDRESS, DEFAULT, TARGET, Stage, living, until, up
from tests.process.virtual_time import run
from tunnelmgr.api.events import Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.core.condition import Code, State
from tunnelmgr.core.running.lifecycle import STANDING_BACK
from tunnelmgr.daemon.health import Severity, symptoms
from tunnelmgr.host.disturbance import REMEMBERED, ROUNDS_MAX, ROUNDS_WITHIN
from tunnelmgr.host.items import Address, Item, LinkUp, Mtu, Purpose, Resolvers, Route, Rule, Sysctl, Table
from tunnelmgr.host.resolvers import ResolverHelper


def found(stage: Stage, kind: type[Item], **fields: object) -> Item:
    return next(
        item
        for item in stage.host.items.values()
        if isinstance(item, kind) and all(getattr(item, name) == value for name, value in fields.items())
    )


def told(stage: Stage) -> list[tuple[Code, str, str]]:
    """The symptoms that are more than a note."""
    return [(one.code, one.text, one.hint) for one in symptoms(stage.life.snapshot()) if one.severity is not Severity.NOTE]


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        (Table, {"purpose": Purpose.INBOUND}, "nft table ip6 tunnelmgr_home"),
        (Sysctl, {"path": "net/ipv6/conf/tm-home/accept_ra"}, "sysctl net/ipv6/conf/tm-home/accept_ra=0"),
        (Mtu, {}, "ip link dev tm-home mtu 1280"),
        (LinkUp, {}, "ip link dev tm-home up"),
        (Address, {}, f"ip -6 address {ADDRESS} dev tm-home nodad"),
        (Rule, {"priority": 7201}, f"ip -6 rule from {ADDRESS.ip}/128 lookup"),
        (Route, {"prefix": DEFAULT, "table": 254}, "ip -6 route default dev tm-home proto 116 metric 1029"),
    ],
)
def test_what_is_taken_away_is_put_back_and_said(
    tmp_path: Path, kind: type[Item], fields: dict[str, object], words: str
) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.host.suspected = ("a stranger",)
            stage.say(up())
            await until(lambda: State.UP in stage.states)
            assert told(stage) == []
            item = found(stage, kind, **fields)
            for _ in range(2):
                stage.host.take_away(item)
                await until(lambda: item in stage.host.items.values())
                await asyncio.sleep(1)
            [(code, text, hint)] = told(stage)
            assert code is Code.TAKEN_AWAY
            assert f"taken away by somebody: {words}" in text
            assert text.endswith("; put back 2 times")
            assert hint == "it could be a stranger"
            assert sum("put back" in line for line in stage.story) == 2
            await asyncio.sleep(REMEMBERED + 1)
            assert told(stage) == []

    run(story())


def test_what_we_change_ourselves_is_nobody_elses_doing(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.host.failures["sysctl"] = errno.EROFS
            for _ in range(3):
                stage.say(up())
                await asyncio.sleep(1)
                stage.host.change_network(stage.host.outer)
                await asyncio.sleep(1)
            assert told(stage) == []

    run(story())


def test_whoever_takes_it_away_for_ever_gets_a_host_without_the_tunnel(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(up())
            await until(lambda: State.UP in stage.states)
            table = found(stage, Table, purpose=Purpose.INBOUND)
            for _ in range(ROUNDS_MAX):
                stage.host.take_away(table)
                await until(lambda: table in stage.host.items.values())
            stage.host.take_away(table)
            await until(lambda: stage.life.snapshot().condition.state is State.DOWN)
            assert stage.clean, "nothing is left of it, no address above all"
            [(code, text, hint)] = told(stage)
            assert code is Code.CONTESTED
            assert "nft table ip6 tunnelmgr_home; put back 5 times within 60 s" in text
            assert "nothing that is known to do so runs here" in hint
            await asyncio.sleep(STANDING_BACK - 1)
            assert stage.clean
            await until(lambda: table in stage.host.items.values())

    run(story())


def test_what_is_taken_away_now_and_then_is_put_back_for_ever(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(up())
            await until(lambda: State.UP in stage.states)
            table = found(stage, Table, purpose=Purpose.INBOUND)
            for _ in range(4 * ROUNDS_MAX):
                stage.host.take_away(table)
                await until(lambda: table in stage.host.items.values())
                await asyncio.sleep(ROUNDS_WITHIN / ROUNDS_MAX)
            assert State.DOWN not in stage.states

    run(story())


def test_status_tells_what_is_and_not_what_was_wished(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(up())
            await until(lambda: State.UP in stage.states)
            assert (stage.running.default_route, stage.running.firewall_stands) == (True, True)
            table, route = found(stage, Table, purpose=Purpose.INBOUND), found(stage, Route, prefix=DEFAULT, table=254)
            del stage.host.items[table.key], stage.host.items[route.key]  # nobody has been told yet
            assert (stage.running.default_route, stage.running.firewall_stands) == (False, False)
            assert isinstance(route, Route)
            stage.host.items["other"] = replace(route, device="tm-work", metric=1)
            assert stage.running.way_out == "tm-work"
            del stage.host.items["other"]

    run(story())


def test_what_the_tunnel_works_without_is_left_to_whoever_takes_it_away(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, dns=True) as stage:
            stage.host.helper = ResolverHelper.RESOLVCONF
            stage.host.suspected = ("NetworkManager",)
            stage.say(Up(HostConfig(addresses=(ADDRESS,), dns=(TARGET,))))
            await until(lambda: stage.has(Resolvers))
            resolvers = found(stage, Resolvers)
            for _ in range(ROUNDS_MAX):
                stage.host.take_away(resolvers)
                await until(lambda: stage.has(Resolvers))
            stage.host.take_away(resolvers)
            await asyncio.sleep(1)
            assert not stage.has(Resolvers)
            assert stage.life.snapshot().condition.state is State.UP
            assert (Code.RESOLVERS, "it could be NetworkManager") in [(code, hint) for code, _, hint in told(stage)]

    run(story())
