"""Two clients behind one NAT."""

import pytest
from tests.teredo_world.internets import LINK, TeredoWorld, world

from tunnelmgr.api.events import PathUp
from tunnelmgr.lab.simulated import SimulatedHost
from tunnelmgr.lab.vocabulary import Link, Nat, NatKind
from tunnelmgr_teredo.client.contacts import CONTACT_TIME

__all__ = ["world"]


def neighbours(
    world: TeredoWorld, nat: Nat | NatKind, *, local_discovery: bool = False
) -> tuple[SimulatedHost, SimulatedHost]:
    home = world.internet.site(nat, name="home", link=LINK)
    alice = world.qualified("alice", home, link=Link(), local_discovery=local_discovery)
    return alice, world.qualified("bob", home, link=Link(), local_discovery=local_discovery)


@pytest.mark.requirement("T-LD-002", "T-LD-007", "T-RX-014", "T-RX-015", "T-TX-004")
def test_neighbours_that_discover_each_other_talk_on_their_link(world: TeredoWorld) -> None:
    alice, bob = neighbours(world, NatKind.PORT_RESTRICTED, local_discovery=True)
    world.internet.run(1)
    pings = [alice.send_ping(bob), bob.send_ping(alice)]
    world.internet.run(3)
    assert all(ping.answered for ping in pings)
    path = next(event for event in alice.events if isinstance(event, PathUp))
    assert path.remote.address == bob.address, "its address at home"
    later = alice.send_ping(bob)
    world.internet.run(1)
    assert later.round_trip == pytest.approx(0), "a LAN takes no time"


@pytest.mark.requirement("T-LD-008", "T-TX-004")
def test_neighbours_find_each_other_again_after_a_silence(world: TeredoWorld) -> None:
    alice, bob = neighbours(world, NatKind.PORT_RESTRICTED, local_discovery=True)
    for _ in range(5):
        world.internet.run(100)
        ping = alice.send_ping(bob)
        world.internet.run(3)
        assert ping.answered


@pytest.mark.requirement("T-LD-001", "T-TX-014")
def test_without_discovery_a_nat_that_does_not_hairpin_keeps_neighbours_apart_and_says_so(world: TeredoWorld) -> None:
    alice, bob = neighbours(world, NatKind.PORT_RESTRICTED)
    alice.send_ping(bob)
    world.internet.run(CONTACT_TIME + 1)
    assert [received.packet.payload[:2] for received in alice.received] == [b"\x01\x03"], "address unreachable"


@pytest.mark.requirement("T-TX-005")
def test_a_nat_that_hairpins_joins_neighbours_without_discovery(world: TeredoWorld) -> None:
    alice, bob = neighbours(world, Nat(hairpinning=True))
    pings = [alice.send_ping(bob), bob.send_ping(alice)]
    world.internet.run(5)
    assert all(ping.answered for ping in pings)
