"""The first day of a client behind an ordinary NAT, with exact times: every link takes 25 ms."""

import pytest
from tests.teredo_world.internets import TeredoWorld, teredo_world, world

from tunnelmgr.api.events import Down, Notice, PathUp, Up
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr_teredo.client.contacts import CONTACT_TIME
from tunnelmgr_teredo.constants import PEER_VALIDITY, REFRESH_INTERVAL, REFRESH_SHORTEST

__all__ = ["world"]

RESTRICTED = ("port-restricted", "address-restricted, port-restricted")
"""The two addresses of one server cannot tell these: the stricter is named."""


@pytest.mark.requirement("T-CL-032", "T-CL-018", "T-CL-021")
def test_the_story_of_the_first_day(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    mapped = alice.status().facts["mapped"]
    nat, qualified, up = alice.events
    assert nat == Notice("teredo.nat", f"NAT port-restricted, you appear as {mapped}")
    assert qualified == Notice("teredo.qualified", "qualified in 0.10 s")
    assert isinstance(up, Up)
    assert alice.up_at == pytest.approx(0.1)


@pytest.mark.requirement("T-CL-021", "T-CL-018", "T-CL-019")
@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (NatKind.NONE, ("none", None)),
        (NatKind.FULL_CONE, ("full-cone", None)),
        (NatKind.ADDRESS_RESTRICTED, RESTRICTED),
        (NatKind.PORT_RESTRICTED, RESTRICTED),
        (NatKind.PORT_RESTRICTED_OPEN_BOX, RESTRICTED),
        (NatKind.SYMMETRIC, ("symmetric", None)),
        (NatKind.SYMMETRIC_SEQUENTIAL, ("symmetric", None)),
        (NatKind.SYMMETRIC_PORT_PRESERVING, ("symmetric", None)),
    ],
)
def test_a_nat_is_named_as_far_as_one_server_can_tell_and_native_hosts_are_reached(
    kind: NatKind, named: tuple[str, str | None]
) -> None:
    world = teredo_world()
    alice = world.qualified("alice", kind)
    pings = []
    for _ in range(50):
        pings.append(alice.send_ping(world.native_host))
        world.internet.run(0.5)
    world.internet.run(1)
    assert sum(ping.answered for ping in pings) == 50, "the first included"
    facts = alice.status().facts
    assert (facts["nat"], facts["nat_candidates"]) == named


@pytest.mark.requirement("T-TX-003", "T-RX-005", "T-RX-011", "T-PE-007")
def test_the_first_ping_takes_the_echo_test_and_the_next_only_the_way(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    first = alice.send_ping(world.native_host)
    world.internet.run(1)
    second = alice.send_ping(world.native_host)
    world.internet.run(1)
    assert second.round_trip == pytest.approx(0.15), "alice - relay - host and back"
    # Test to the host and back to the relay; bubble over the server; answer; reply; then the ping itself.
    assert first.round_trip == pytest.approx(0.05 + 0.05 + 0.1 + 0.05 + 0.05 + 0.15)
    assert world.relay.carried == 2
    paths = [event for event in alice.events if isinstance(event, PathUp)]
    assert str(paths[0].prefix.network_address) == str(world.native_host.address)


@pytest.mark.requirement("T-PE-003", "T-TX-003")
def test_a_host_is_tested_again_after_a_silence_and_not_before(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)

    def tests() -> int:
        return alice.status().counters["echo-tests-sent"]

    alice.send_ping(world.native_host)
    world.internet.run(2)
    after_first = tests()
    for _ in range(2):
        world.internet.run(PEER_VALIDITY - 5)
        assert alice.send_ping(world.native_host)
        world.internet.run(1)
    assert tests() == after_first
    world.internet.run(PEER_VALIDITY + 1)
    ping = alice.send_ping(world.native_host)
    world.internet.run(2)
    assert tests() > after_first
    assert ping.answered


@pytest.mark.requirement("T-TX-014", "T-PE-008")
def test_a_host_that_is_not_there_is_told_when_its_last_round_has_gone_unanswered(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    alice.received.clear()
    world.native_host.answers_echo = False
    alice.send_ping(world.native_host)
    world.internet.run(CONTACT_TIME - 0.1)
    assert alice.received == []
    world.internet.run(0.2)
    assert [received.packet.payload[:2] for received in alice.received] == [b"\x01\x03"], "address unreachable"


@pytest.mark.requirement("T-CL-015")
def test_a_path_lets_data_pass_without_asking_the_client(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    alice.send_ping(world.native_host)
    world.internet.run(2)
    before = alice.status().counters["datagrams-received"]
    for _ in range(100):
        alice.send_ping(world.native_host)
    world.internet.run(1)
    assert alice.pings_answered == 101
    assert alice.status().counters["datagrams-received"] == before


def test_nothing_depends_on_the_data_plane() -> None:
    world = teredo_world(data_plane=False)
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    bob = world.qualified("bob", NatKind.PORT_RESTRICTED)
    pings = [alice.send_ping(target) for _ in range(3) for target in (world.native_host.address, bob.ipv6_address)]
    world.internet.run(5)
    assert all(ping.answered for ping in pings)


@pytest.mark.requirement("T-MA-001", "T-MA-003", "T-CL-022")
def test_a_quiet_hour_costs_its_refreshes_and_nothing_else(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.PORT_RESTRICTED)
    world.internet.run(3600)
    counters = alice.status().counters
    most = 3600 / (REFRESH_INTERVAL * REFRESH_SHORTEST)
    assert 3600 / REFRESH_INTERVAL <= counters["solicitations-sent"] <= most + 2 + 4, "four about how the NAT filters"
    assert counters.get("bubbles-sent", 0) == 0
    assert not [event for event in alice.events if isinstance(event, Down)]
