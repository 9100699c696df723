"""What goes wrong, and how a client gets over it by itself, with exact times where the protocol fixes them."""

import pytest
from tests.teredo_world.bench import SERVER_GIVEN_UP
from tests.teredo_world.internets import LINK, SECOND_SERVER, SERVER, TeredoWorld, teredo_world, world

from tunnelmgr.api.events import Down, Notice, PathDown, PathUp, Up
from tunnelmgr.lab.simulated import SimulatedHost
from tunnelmgr.lab.vocabulary import Link, NatKind
from tunnelmgr_teredo.constants import (
    REFRESH_INTERVAL,
    REFRESH_SHORTEST,
    RESTART_DELAY,
    RESTART_SPREAD,
    SECONDARY_PATIENCE,
    SOLICITATION_TIMEOUT,
)

__all__ = ["world"]


def downs(host: SimulatedHost) -> list[Down]:
    return [event for event in host.events if isinstance(event, Down)]


def ups(host: SimulatedHost) -> list[Up]:
    return [event for event in host.events if isinstance(event, Up)]


def pings(world: TeredoWorld, host: SimulatedHost, seconds: int) -> int:
    """Ping the native host every second; return how many of the pings were answered."""
    sent = []
    for _ in range(seconds):
        if host.up:
            sent.append(host.send_ping(world.native_host))
        world.internet.run(1)
    return sum(ping.answered for ping in sent)


@pytest.mark.requirement("T-CL-007", "T-CL-022")
def test_where_no_udp_passes_this_is_said_when_the_server_is_given_up(world: TeredoWorld) -> None:
    alice = world.client("alice", NatKind.UDP_BLOCKED)
    assert world.internet.run_until(lambda: bool(downs(alice)), within=20)
    assert world.internet.now == pytest.approx(SERVER_GIVEN_UP)
    assert downs(alice)[0].reason == "no answer from 192.0.2.1:3544 (3 tries)"
    assert not downs(alice)[0].permanent


@pytest.mark.requirement("T-CL-007", "T-CL-006")
@pytest.mark.parametrize(("lost", "timeouts"), [({0}, 1), ({0, 2}, 2), ({0, 1}, 1)])
def test_a_lost_solicitation_costs_one_timeout(lost: set[int], timeouts: int) -> None:
    world = teredo_world()
    alice = world.client("alice", NatKind.PORT_RESTRICTED)
    assert alice.site is not None
    alice.site.outer.set_links(up=Link(delay=0.025, loss=frozenset(lost)))
    assert world.internet.run_until(lambda: alice.up, within=15)
    assert alice.up_at == pytest.approx(timeouts * SOLICITATION_TIMEOUT + 0.1)


@pytest.mark.requirement("T-MA-009", "T-CL-022", "T-CL-023")
def test_a_server_that_dies_ends_the_tunnel_and_its_return_brings_it_back(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    address = alice.ipv6_address
    world.server.silent = True
    assert world.internet.run_until(lambda: not alice.up, within=60)
    soonest = REFRESH_INTERVAL * REFRESH_SHORTEST
    assert soonest <= world.internet.now - SERVER_GIVEN_UP - 0.1 <= REFRESH_INTERVAL
    world.internet.run(30)
    world.server.silent = False
    back = world.internet.now
    assert world.internet.run_until(lambda: alice.up, within=60), "no pauses of 100 seconds"
    assert world.internet.now - back <= 4 * RESTART_DELAY * (1 + RESTART_SPREAD) + SERVER_GIVEN_UP + 0.1
    assert alice.ipv6_address == address, "nothing changed but the server"
    assert pings(world, alice, 5) == 5


@pytest.mark.requirement("T-CL-022", "T-CL-029")
def test_the_second_server_is_used_when_the_first_is_dead() -> None:
    world = teredo_world()
    world.add_server(SECOND_SERVER)
    world.server.silent = True
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED, server=[SERVER, SECOND_SERVER])
    assert alice.up_at == pytest.approx(SERVER_GIVEN_UP + 0.1)
    assert alice.status().facts["server"] == SECOND_SERVER
    assert "teredo.next-server" in alice.notices
    assert not downs(alice)


@pytest.mark.requirement("T-CL-022", "T-CL-029")
def test_every_address_of_a_server_s_name_is_tried_in_order() -> None:
    world = teredo_world()
    world.add_server(SECOND_SERVER)
    world.server.silent = True
    world.internet.name("teredo.example", "198.51.100.99", SERVER, SECOND_SERVER)
    alice = world.client("alice", NatKind.PORT_RESTRICTED, server="teredo.example")
    assert world.internet.run_until(lambda: alice.up, within=3 * SERVER_GIVEN_UP)
    assert str(alice.status().facts["server"]) == f"teredo.example ({SECOND_SERVER})"
    assert not downs(alice)


@pytest.mark.requirement("T-CL-022", "T-CL-029", "T-MA-009")
def test_a_server_that_dies_is_replaced_by_another_address_of_its_name() -> None:
    world = teredo_world()
    world.add_server(SECOND_SERVER)
    world.internet.name("teredo.example", SERVER, SECOND_SERVER)
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED, server="teredo.example")
    world.server.silent = True
    assert world.internet.run_until(lambda: not alice.up, within=60)
    lost = world.internet.now
    assert world.internet.run_until(lambda: alice.up, within=20)
    assert world.internet.now - lost == pytest.approx(0.1)


def test_the_second_address_of_a_server_is_no_server_of_its_own_while_there_is_another() -> None:
    world = teredo_world()
    world.internet.name("teredo.example", "192.0.2.2", SERVER)
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED, server="teredo.example")
    assert str(alice.status().facts["server"]) == f"teredo.example ({SERVER})"


@pytest.mark.requirement("T-CL-029")
def test_the_server_that_worked_is_the_first_one_tried_after_a_restart() -> None:
    world = teredo_world()
    world.add_server(SECOND_SERVER)
    world.server.silent = True
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED, server=[SERVER, SECOND_SERVER])
    restarted = world.internet.now
    alice.restart()
    assert world.internet.run_until(lambda: alice.up, within=20)
    assert world.internet.now - restarted == pytest.approx(0.1)


@pytest.mark.requirement("T-CL-022", "T-CL-029", "T-MA-009")
def test_a_server_that_dies_is_replaced_without_a_pause() -> None:
    world = teredo_world()
    world.add_server(SECOND_SERVER)
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED, server=[SERVER, SECOND_SERVER])
    world.server.silent = True
    assert world.internet.run_until(lambda: not alice.up, within=60)
    lost = world.internet.now
    assert world.internet.run_until(lambda: alice.up, within=20)
    assert world.internet.now - lost == pytest.approx(0.1)
    assert pings(world, alice, 3) == 3


@pytest.mark.requirement("T-CL-020")
def test_a_dead_second_address_costs_a_moment_and_the_name_of_the_nat() -> None:
    world = teredo_world()
    world.server.silent_secondary = True
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    assert alice.up_at == pytest.approx(0.1 + SECONDARY_PATIENCE)
    assert alice.status().facts["nat"] == "unknown"
    world.internet.run(SERVER_GIVEN_UP + 1)
    assert "teredo.secondary-silent" in alice.notices
    assert alice.up


@pytest.mark.requirement("T-MA-005", "T-MA-006", "T-MA-007", "T-CL-032")
def test_a_nat_that_changes_the_mapping_under_load_costs_seconds_and_leaves_no_old_address(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    assert pings(world, alice, 5) == 5
    before = alice.ipv6_address
    assert alice.site is not None
    alice.site.change_address("203.0.113.200")
    changed = world.internet.now
    assert world.internet.run_until(lambda: alice.ipv6_address != before, within=60)
    assert world.internet.now - changed <= REFRESH_INTERVAL + 0.1
    assert [str(interface.ip) for interface in ups(alice)[-1].config.addresses] == [str(alice.ipv6_address)]
    assert not downs(alice), "the new address comes in the same moment"
    gone = {event.prefix for event in alice.events if isinstance(event, PathDown)}
    assert {event.prefix for event in alice.events if isinstance(event, PathUp)} == gone
    assert pings(world, alice, 5) == 5


@pytest.mark.requirement("T-MA-001")
def test_a_nat_that_forgets_its_mappings_is_reminded_by_the_refresh(world: TeredoWorld) -> None:
    alice, bob = world.qualified("alice", NatKind.PORT_RESTRICTED), world.qualified("bob", NatKind.PORT_RESTRICTED)
    assert alice.site is not None
    alice.site.forget_mappings()
    world.internet.run(REFRESH_INTERVAL + 1)
    ping = bob.send_ping(alice)
    world.internet.run(5)
    assert ping.answered


@pytest.mark.requirement("T-CL-030")
def test_another_local_address_is_noticed_at_once(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    assert pings(world, alice, 2) == 2
    world.server.solicited.clear()
    changed_at = world.internet.now
    alice.change_address("192.168.1.77")
    world.internet.run(0.2)
    asked = world.server.solicited[:2]
    assert [channel for _, channel, _ in asked] == ["primary", "secondary"]
    assert [at - changed_at for at, _, _ in asked] == pytest.approx([0.05, 0.05])
    assert pings(world, alice, 5) == 5


@pytest.mark.requirement("T-CL-030", "T-MA-005")
def test_another_network_brings_another_address_in_one_round_trip(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    before = alice.ipv6_address
    elsewhere = world.internet.site(NatKind.SYMMETRIC, lan="172.16.5.0/24", link=LINK)
    world.internet.move(alice, behind=elsewhere)
    moved = world.internet.now
    assert world.internet.run_until(lambda: alice.ipv6_address != before, within=5)
    assert world.internet.now - moved == pytest.approx(0.1)
    world.internet.run(1)
    assert alice.status().facts["nat"] == "symmetric"
    assert pings(world, alice, 5) == 5


@pytest.mark.requirement("T-CL-030")
def test_a_host_that_wakes_up_asks_at_once(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    bob = world.qualified("bob", NatKind.PORT_RESTRICTED)
    assert pings(world, alice, 3) == 3
    alice.send_ping(bob)
    world.internet.run(1)
    alice.suspend()
    world.internet.run(3600)
    alice.resume()
    world.internet.run(0.2)
    assert alice.status().state == "qualified"
    ping = alice.send_ping(bob)
    assert pings(world, alice, 3) == 3
    assert ping.answered, "although the clock of the sleeper says that the path is fresh"


@pytest.mark.requirement("T-CL-030")
def test_a_default_route_that_returns_within_seconds_leaves_the_address(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    address = alice.ipv6_address
    alice.lose_default_route()
    world.internet.run(6)
    alice.restore_default_route()
    world.internet.run(0.2)
    assert alice.status().state == "qualified"
    assert alice.ipv6_address == address


@pytest.mark.requirement("T-CL-030", "T-CL-022")
def test_a_default_route_that_returns_late_is_used_at_once(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    alice.lose_default_route()
    world.internet.run(300)
    assert not alice.up
    alice.restore_default_route()
    world.internet.run(0.2)
    assert alice.up


@pytest.mark.parametrize("seed", range(5))
def test_thirty_percent_loss_slows_a_client_and_does_not_stop_it(seed: int) -> None:
    world = teredo_world(seed)
    alice = world.client("alice", NatKind.PORT_RESTRICTED, link=Link(delay=0.025, loss_rate=0.3))
    assert world.internet.run_until(lambda: alice.up, within=120)
    assert pings(world, alice, 400) > 30
    assert world.internet.run_until(lambda: alice.up, within=60)


def test_duplicates_and_reordering_change_nothing(world: TeredoWorld) -> None:
    crooked = Link(delay=0.025, duplicated=frozenset(range(0, 1000, 2)), late=frozenset(range(0, 1000, 3)), late_by=0.04)
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED, link=crooked)
    bob = world.qualified("bob", NatKind.PORT_RESTRICTED, link=crooked)
    assert pings(world, alice, 20) == 20
    there = [alice.send_ping(bob) for _ in range(8)]
    world.internet.run(5)
    assert all(ping.answered for ping in there)
    assert not downs(alice)
    assert [event.code for event in alice.events if isinstance(event, Notice)] == ["teredo.nat", "teredo.qualified"]


@pytest.mark.requirement("T-CL-003", "T-CL-023")
def test_a_name_that_comes_to_exist_is_found(world: TeredoWorld) -> None:
    alice = world.client("alice", NatKind.PORT_RESTRICTED, server="teredo.example")
    world.internet.run(1)
    assert downs(alice)[0].reason.startswith("server teredo.example")
    world.internet.name("teredo.example", SERVER)
    assert world.internet.run_until(lambda: alice.up, within=10)
    assert alice.status().facts["server"] == f"teredo.example ({SERVER})"


def test_a_stopped_client_says_so_and_is_silent(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    alice.stop()
    world.internet.run(0)
    assert not alice.running
    asked = len(world.server.solicited)
    world.internet.run(100)
    assert len(world.server.solicited) == asked
