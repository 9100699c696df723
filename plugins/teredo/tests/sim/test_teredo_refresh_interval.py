"""Interval determination behind NATs that forget mappings after different times."""

import pytest
from tests.teredo_world.internets import TeredoWorld, world

from tunnelmgr.api.effects import CloseChannel, OpenChannel
from tunnelmgr.api.events import Down
from tunnelmgr.lab.simulated import SimulatedHost
from tunnelmgr.lab.vocabulary import Nat
from tunnelmgr_teredo.client.refresh_interval import SECOND
from tunnelmgr_teredo.constants import INTERVAL_FIRST_GUESS, REFRESH_INTERVAL, REFRESH_SHORTEST, SERVICE

__all__ = ["world"]


def found(world: TeredoWorld, mapping_timeout: float) -> SimulatedHost:
    """Let a client find out how long its NAT keeps mappings."""
    client = world.qualified("alice", Nat(mapping_timeout=mapping_timeout), determine_interval=True)
    assert world.internet.run_until(lambda: "teredo.refresh-interval" in client.notices, within=1200)
    return client


@pytest.mark.requirement("T-MA-010")
@pytest.mark.parametrize(
    ("mapping_timeout", "interval"),
    # 60 works, then 90, which is three quarters of 120; 60 fails, 45 works; 60 works, 90 fails, 75 works.
    [(180, 90), (50, 45), (80, 75), (100, 90)],
)
def test_the_interval_found_is_one_that_works_and_close_to_one_that_does_not(
    world: TeredoWorld, mapping_timeout: float, interval: float
) -> None:
    client = found(world, mapping_timeout)
    assert client.status().facts["refresh_interval_s"] == interval
    assert interval < mapping_timeout


@pytest.mark.requirement("T-MA-010")
def test_the_second_port_is_closed_at_the_end_and_used_for_nothing_else(world: TeredoWorld) -> None:
    client = found(world, 180)
    opened = [effect for effect in client.effects if isinstance(effect, OpenChannel)]
    ports = {effect.channel: effect.local.port for effect in opened}
    assert len(set(ports.values())) == len(ports) == len(opened)
    closed = [effect.channel for effect in client.effects if isinstance(effect, CloseChannel)]
    assert (closed.count(SECOND), SERVICE in closed) == (1, False)


@pytest.mark.requirement("T-MA-010", "T-MA-001")
def test_the_longer_interval_saves_solicitations_and_keeps_the_client_reachable(world: TeredoWorld) -> None:
    client = found(world, 180)
    before = client.status().counters["solicitations-sent"]
    world.internet.run(3600)
    assert 3600 / 90 <= client.status().counters["solicitations-sent"] - before <= 3600 / (90 * REFRESH_SHORTEST) + 1
    ping = client.send_ping(world.native_host)
    world.internet.run(2)
    assert ping.answered
    assert not [event for event in client.events if isinstance(event, Down)]


@pytest.mark.requirement("T-MA-010")
def test_a_server_that_dies_meanwhile_leaves_the_interval_that_always_works(world: TeredoWorld) -> None:
    client = world.qualified("alice", Nat(), determine_interval=True)
    world.server.silent = True
    world.internet.run(INTERVAL_FIRST_GUESS)
    world.server.silent = False
    assert world.internet.run_until(lambda: client.up, within=60)
    assert client.status().facts["refresh_interval_s"] == REFRESH_INTERVAL


@pytest.mark.requirement("T-MA-010")
def test_it_is_off_by_default(world: TeredoWorld) -> None:
    client = world.qualified("alice", Nat())
    world.internet.run(1000)
    assert SECOND not in [effect.channel for effect in client.effects if isinstance(effect, OpenChannel)]
