"""Clients behind every kind of NAT meet, or fail cleanly; the grid is that of docs/protocols/nat-lab.md section 2."""

from itertools import product

import pytest
from tests.teredo_world.internets import TeredoWorld, teredo_world

from tunnelmgr.lab.simulated import SimulatedHost
from tunnelmgr.lab.vocabulary import Link, NatKind
from tunnelmgr_teredo.client.contacts import CONTACT_TIME, ROUND_TIME

OPEN = [NatKind.NONE, NatKind.FULL_CONE, NatKind.ADDRESS_RESTRICTED]
RESTRICTED = [NatKind.PORT_RESTRICTED, NatKind.PORT_RESTRICTED_OPEN_BOX]
SYMMETRIC = [NatKind.SYMMETRIC, NatKind.SYMMETRIC_SEQUENTIAL, NatKind.SYMMETRIC_PORT_PRESERVING]


def _words(kind: NatKind) -> str:
    return kind.value


def meet(world: TeredoWorld, first: SimulatedHost, second: SimulatedHost) -> tuple[int, int]:
    """Let the first client ping the second 24 times, half a second apart; return how many were answered, each way."""
    for _ in range(24):
        first.send_ping(second)
        world.internet.run(0.5)
    there = first.pings_answered
    for _ in range(4):
        second.send_ping(first)
        world.internet.run(0.5)
    world.internet.run(2)
    return there, second.pings_answered


@pytest.mark.requirement("T-TX-005", "T-RX-004", "T-RX-013")
@pytest.mark.parametrize(("row", "column"), list(product(OPEN + RESTRICTED, repeat=2)), ids=_words)
@pytest.mark.parametrize("symmetric", [True, False], ids=["RFC 6081", "RFC 4380"])
def test_clients_behind_cone_and_restricted_nats_meet_and_lose_nothing(
    row: NatKind, column: NatKind, symmetric: bool
) -> None:
    world = teredo_world()
    extensions = {"symmetric": symmetric}
    alice, bob = world.qualified("alice", row, extensions=extensions), world.qualified("bob", column, extensions=extensions)
    assert meet(world, alice, bob) == (24, 4)
    assert alice.received_directly_from(bob)


@pytest.mark.requirement("T-TX-005")
@pytest.mark.parametrize(("row", "column"), list(product(RESTRICTED, repeat=2)), ids=_words)
@pytest.mark.parametrize("delay", [0.001, 0.010, 0.060, 0.200], ids=lambda delay: f"{delay * 1000:.0f} ms")
def test_the_race_is_won_whatever_the_links_take(row: NatKind, column: NatKind, delay: float) -> None:
    world = teredo_world()
    alice = world.qualified("alice", row, link=Link(delay=delay))
    bob = world.qualified("bob", column, link=Link(delay=0.003))
    assert meet(world, alice, bob) == (24, 4)


@pytest.mark.requirement("T-TX-005")
@pytest.mark.parametrize("row", RESTRICTED, ids=_words)
def test_the_race_is_won_against_a_peer_that_takes_its_time(row: NatKind) -> None:
    """A busy host, or one whose radio sleeps: its first packet to us leaves long after ours would have been there."""
    world = teredo_world()
    slow = Link(delay=0.025, late=frozenset(range(1000)), late_by=0.3)
    alice = world.qualified("alice", row)
    bob = world.qualified("bob", NatKind.PORT_RESTRICTED_OPEN_BOX)
    bob.outer.plug.set_links(up=slow)
    assert meet(world, alice, bob) == (24, 4)


@pytest.mark.requirement("T-TX-005", "T-RX-004")
def test_first_contact_takes_one_way_over_the_server_and_the_direct_one_back() -> None:
    world = teredo_world()
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    bob = world.qualified("bob", NatKind.PORT_RESTRICTED)
    ping = alice.send_ping(bob)
    world.internet.run(1)
    assert ping.round_trip == pytest.approx(0.1 + 0.05 + 0.1)


@pytest.mark.requirement("T-EX-001", "T-EX-002", "T-EX-004", "T-EX-005")
@pytest.mark.parametrize(("row", "column"), [*product(OPEN, SYMMETRIC), *product(SYMMETRIC, OPEN)], ids=_words)
def test_a_symmetric_nat_meets_every_nat_that_does_not_filter_by_port(row: NatKind, column: NatKind) -> None:
    world = teredo_world()
    alice, bob = world.qualified("alice", row), world.qualified("bob", column)
    assert meet(world, alice, bob) == (24, 4)
    assert alice.received_directly_from(bob)


@pytest.mark.requirement("T-EX-005")
@pytest.mark.parametrize(("row", "column"), [*product(SYMMETRIC, OPEN), *product(OPEN, SYMMETRIC)], ids=_words)
def test_contact_with_a_symmetric_nat_waits_for_no_timeout(row: NatKind, column: NatKind) -> None:
    """There by the server, back by the other server, the proof and its answer: then the packet and the reply."""
    world = teredo_world()
    alice, bob = world.qualified("alice", row), world.qualified("bob", column)
    ping = alice.send_ping(bob)
    world.internet.run(ROUND_TIME)
    assert ping.round_trip is not None
    assert ping.round_trip <= 2 * 0.1 + 2 * 0.05 + 0.1 + 0.001


@pytest.mark.requirement("T-EX-026", "T-CL-019")
@pytest.mark.parametrize("row", SYMMETRIC, ids=_words)
def test_without_the_extension_a_symmetric_nat_reaches_native_hosts_only(row: NatKind) -> None:
    world = teredo_world()
    off = {"symmetric": False}
    alice, bob = world.qualified("alice", row, extensions=off), world.qualified("bob", NatKind.FULL_CONE, extensions=off)
    to_bob, to_native = alice.send_ping(bob), alice.send_ping(world.native_host)
    world.internet.run(CONTACT_TIME + 1)
    assert (to_bob.answered, to_native.answered) == (False, True)


@pytest.mark.requirement("T-TX-014", "T-CL-019")
@pytest.mark.parametrize(("row", "column"), list(product(SYMMETRIC, RESTRICTED)), ids=_words)
def test_symmetric_and_port_restricted_clients_fail_cleanly(row: NatKind, column: NatKind) -> None:
    world = teredo_world()
    alice, bob = world.qualified("alice", row), world.qualified("bob", column)
    alice.send_ping(bob)
    world.internet.run(CONTACT_TIME + 1)
    assert [received.packet.payload[:2] for received in alice.received] == [b"\x01\x03"], "address unreachable"


@pytest.mark.requirement("T-TX-005")
@pytest.mark.parametrize(
    ("loser", "lost"),
    [("alice", 0), ("alice", 1), ("bob", 0), ("bob", 1)],
    ids=["opener", "question", "answer", "question back"],
)
def test_a_lost_bubble_costs_one_round_at_most(loser: str, lost: int) -> None:
    world = teredo_world()
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    bob = world.qualified("bob", NatKind.PORT_RESTRICTED)
    site = {"alice": alice, "bob": bob}[loser].site
    assert site is not None
    site.outer.set_links(up=Link(delay=0.025, loss=frozenset({lost})))
    ping = alice.send_ping(bob)
    world.internet.run(ROUND_TIME + 1)
    assert ping.round_trip is not None
    assert ping.round_trip < ROUND_TIME + 0.5
