"""What the second address of a server shows of the NAT once the address is in; every link takes 25 ms."""

import pytest
from tests.teredo_world.bench import SERVER_GIVEN_UP
from tests.teredo_world.internets import TeredoWorld, world

from tunnelmgr.api.effects import CloseChannel
from tunnelmgr.api.events import Up
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.lab.simulated import SimulatedHost
from tunnelmgr.lab.vocabulary import Link, Nat, NatKind
from tunnelmgr_teredo.client.filtering import FILTERING
from tunnelmgr_teredo.constants import SOLICITATION_TIMEOUT
from tunnelmgr_teredo.wire.address import InterfaceIdentifier, TeredoAddress

__all__ = ["world"]

pytestmark = pytest.mark.requirement("T-CL-021")
ALL = "full-cone, address-restricted, port-restricted"


def candidates(client: SimulatedHost) -> object:
    return client.status().facts["nat_candidates"]


@pytest.mark.requirement("T-CL-004", "T-CL-021", "T-AD-004")
def test_a_full_cone_is_named_one_round_trip_after_the_address_is_in(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.FULL_CONE)
    assert (alice.status().facts["nat"], candidates(alice)) == ("port-restricted", ALL)
    world.internet.run(0.11)
    assert (alice.status().facts["nat"], candidates(alice)) == ("full-cone", None)
    assert [event.details["nat"] for event in alice.events if isinstance(event, Up)] == ["port-restricted", "full-cone"]
    assert TeredoAddress.parse(alice.ipv6_address).flags & 0x8000 == 0, "no address shows it"


@pytest.mark.requirement("T-CL-004")
def test_the_cone_bit_is_no_part_of_qualification(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.FULL_CONE)
    in_time = [payload for at, _, payload in world.server.solicited if at < (alice.up_at or 0)]
    sources = [IPv6Packet.parse(payload.packet).source for payload in in_time]
    assert not any(InterfaceIdentifier.parse(source.packed[8:]).cone for source in sources)
    assert len(in_time) == 2


def test_a_nat_that_filters_is_one_of_two_once_the_answers_stay_away(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.ADDRESS_RESTRICTED)
    world.internet.run(SERVER_GIVEN_UP - 0.5)
    assert candidates(alice) == ALL
    world.internet.run(1)
    assert (alice.status().facts["nat"], candidates(alice)) == ("port-restricted", "address-restricted, port-restricted")


def test_a_server_that_knows_nothing_of_the_bit_leaves_all_three(world: TeredoWorld) -> None:
    world.server.knows_cone_bit = False
    alice = world.qualified("alice", NatKind.FULL_CONE)
    world.internet.run(2 * SERVER_GIVEN_UP)
    assert (alice.status().facts["nat"], candidates(alice)) == ("port-restricted", ALL)


def test_a_server_that_falls_silent_proves_nothing(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.FULL_CONE)
    world.server.silent = True
    world.internet.run(SERVER_GIVEN_UP + 1)
    assert candidates(alice) == ALL
    assert FILTERING in [effect.channel for effect in alice.effects if isinstance(effect, CloseChannel)]


def test_one_lost_answer_does_not_make_a_full_cone_a_restricted_one(world: TeredoWorld) -> None:
    alice = world.qualified("alice", NatKind.FULL_CONE)
    alice.set_links(down=Link(delay=0.025, loss=frozenset(range(2))))
    world.internet.run(0.2)
    assert candidates(alice) == ALL
    world.internet.run(SOLICITATION_TIMEOUT)
    assert alice.status().facts["nat"] == "full-cone"


def test_another_mapping_is_looked_at_anew(world: TeredoWorld) -> None:
    site = world.internet.site(Nat(), link=Link(delay=0.025))
    alice = world.qualified("alice", site)
    world.internet.run(SERVER_GIVEN_UP + 1)
    cone = NatKind.FULL_CONE.nat
    assert cone is not None
    site.change_nat(cone)
    alice.change_address("192.168.1.99")
    world.internet.run(1)
    assert alice.status().facts["nat"] in {"full-cone", "port-restricted"}


def test_the_port_is_given_back_however_it_ends(world: TeredoWorld) -> None:
    for kind in (NatKind.FULL_CONE, NatKind.PORT_RESTRICTED):
        client = world.qualified(kind.value, kind)
        world.internet.run(SERVER_GIVEN_UP + 1)
        closed = [effect.channel for effect in client.effects if isinstance(effect, CloseChannel)]
        assert closed == [FILTERING]
