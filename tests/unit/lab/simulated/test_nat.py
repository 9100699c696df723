"""NATs of every kind, packet by packet, without an internet around them."""

from random import Random

import pytest

from tests.scripted_tunnel import endpoint
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.report import Filtering, Mapping
from tunnelmgr.lab.simulated.nat import OPEN_BOX_TIMEOUT, Translator
from tunnelmgr.lab.simulated.packet import Dropped, OuterPacket
from tunnelmgr.lab.vocabulary import Nat, NatKind, PortChoice

OUTSIDE = endpoint("203.0.113.1").address
ALICE = endpoint("192.168.1.2:4000")
BOB = endpoint("192.168.1.3:4000")
SERVER = endpoint("192.0.2.1:3544")
SERVER_OTHER_PORT = endpoint("192.0.2.1:3545")
STRANGER = endpoint("198.51.100.9:5000")
LATER = endpoint("198.51.100.10:5000")


class Box:
    """A NAT and the little a test asks of it."""

    def __init__(self, nat: Nat | NatKind) -> None:
        description = nat.nat if isinstance(nat, NatKind) else nat
        assert description is not None
        self.translator = Translator(description, OUTSIDE, Random(1))
        self.now = 0.0

    def out(self, inside: Endpoint, remote: Endpoint, protocol: IpProtocol = IpProtocol.UDP) -> Endpoint:
        """Send from inside; return the source the remote sees."""
        packet = self.translator.outward(OuterPacket(protocol, inside, remote), self.now)
        assert isinstance(packet, OuterPacket), packet
        return packet.source

    def into(self, remote: Endpoint, port: int, protocol: IpProtocol = IpProtocol.UDP) -> Endpoint | None:
        """Send from outside; return who inside gets it, None when nobody."""
        packet = self.translator.inward(OuterPacket(protocol, remote, Endpoint(OUTSIDE, port)), self.now)
        return None if isinstance(packet, Dropped) else packet.destination


def test_endpoint_independent_mapping_shows_every_remote_the_same_endpoint() -> None:
    box = Box(Nat(port_choice=PortChoice.RANDOM))
    assert box.out(ALICE, SERVER) == box.out(ALICE, SERVER_OTHER_PORT) == box.out(ALICE, STRANGER)


def test_address_dependent_mapping_shows_another_address_another_port() -> None:
    box = Box(Nat(mapping=Mapping.ADDRESS))
    seen = box.out(ALICE, SERVER)
    assert box.out(ALICE, SERVER_OTHER_PORT) == seen
    assert box.out(ALICE, STRANGER) != seen


def test_address_and_port_dependent_mapping_shows_another_port_another_port() -> None:
    box = Box(Nat(mapping=Mapping.ADDRESS_AND_PORT))
    seen = box.out(ALICE, SERVER)
    assert box.out(ALICE, SERVER_OTHER_PORT) != seen
    assert box.out(ALICE, SERVER) == seen


@pytest.mark.parametrize(
    ("filtering", "from_other_port", "from_stranger"),
    [
        (Filtering.ENDPOINT_INDEPENDENT, ALICE, ALICE),
        (Filtering.ADDRESS, ALICE, None),
        (Filtering.ADDRESS_AND_PORT, None, None),
    ],
)
def test_filtering_lets_in_whom_its_name_says(
    filtering: Filtering, from_other_port: Endpoint | None, from_stranger: Endpoint | None
) -> None:
    box = Box(Nat(filtering=filtering))
    port = box.out(ALICE, SERVER).port
    assert box.into(SERVER, port) == ALICE
    assert box.into(SERVER_OTHER_PORT, port) == from_other_port
    assert box.into(STRANGER, port) == from_stranger


def test_what_was_filtered_comes_in_once_the_inside_host_has_spoken_to_it() -> None:
    box = Box(NatKind.PORT_RESTRICTED)
    port = box.out(ALICE, SERVER).port
    assert box.into(STRANGER, port) is None
    box.out(ALICE, STRANGER)
    assert box.into(STRANGER, port) == ALICE


def test_a_preserving_nat_keeps_the_inside_port_for_the_first_host_and_moves_the_second() -> None:
    box = Box(NatKind.PORT_RESTRICTED)
    assert box.out(ALICE, SERVER).port == ALICE.port
    moved = box.out(BOB, SERVER).port
    assert moved != BOB.port
    assert box.into(SERVER, moved) == BOB


def test_a_symmetric_preserving_nat_keeps_the_port_for_the_first_remote_only() -> None:
    box = Box(NatKind.SYMMETRIC_PORT_PRESERVING)
    assert box.out(ALICE, SERVER).port == ALICE.port
    assert box.out(ALICE, STRANGER).port != ALICE.port


def test_a_sequential_nat_counts() -> None:
    box = Box(NatKind.SYMMETRIC_SEQUENTIAL)
    first = box.out(ALICE, SERVER).port
    assert [box.out(ALICE, remote).port for remote in (SERVER_OTHER_PORT, STRANGER)] == [first + 1, first + 2]


def test_a_sequential_nat_steps_over_a_port_that_was_mapped_on_request() -> None:
    box = Box(NatKind.SYMMETRIC_SEQUENTIAL)
    first = box.out(ALICE, SERVER).port
    box.translator.udp.bind_on_request(BOB, first + 1, lifetime=60.0, now=0.0)
    assert box.out(ALICE, STRANGER).port == first + 2


def test_a_random_nat_chooses_the_same_for_the_same_seed() -> None:
    assert Box(NatKind.SYMMETRIC).out(ALICE, SERVER) == Box(NatKind.SYMMETRIC).out(ALICE, SERVER)


def test_a_mapping_ends_when_it_was_idle_for_its_timeout_and_not_before() -> None:
    box = Box(Nat(port_choice=PortChoice.RANDOM, mapping_timeout=60.0))
    seen = box.out(ALICE, SERVER)
    box.now = 59.9
    assert box.into(SERVER, seen.port) == ALICE
    box.now = 59.9 + 60.0
    assert box.into(SERVER, seen.port) is None
    assert box.out(ALICE, SERVER) != seen


@pytest.mark.parametrize("direction", ["out", "in"])
def test_packets_in_either_direction_keep_a_mapping_alive(direction: str) -> None:
    box = Box(Nat(port_choice=PortChoice.RANDOM, mapping_timeout=60.0))
    seen = box.out(ALICE, SERVER)
    for _ in range(10):
        box.now += 50.0
        assert direction == "in" or box.out(ALICE, SERVER) == seen
        assert direction == "out" or box.into(SERVER, seen.port) == ALICE


def test_what_is_filtered_keeps_nothing_alive() -> None:
    box = Box(Nat(port_choice=PortChoice.RANDOM, mapping_timeout=60.0))
    seen = box.out(ALICE, SERVER)
    box.now = 50.0
    assert box.into(STRANGER, seen.port) is None
    box.now = 61.0
    assert box.out(ALICE, SERVER) != seen


def test_a_filter_forgets_one_remote_while_another_keeps_the_mapping() -> None:
    box = Box(Nat(mapping_timeout=60.0))
    port = box.out(ALICE, STRANGER).port
    box.now = 50.0
    box.out(ALICE, SERVER)
    box.now = 70.0
    assert box.into(STRANGER, port) is None
    assert box.into(SERVER, port) == ALICE


def test_an_open_box_that_was_spoken_to_first_moves_the_inside_host_for_all_but_those_it_knows() -> None:
    box = Box(NatKind.PORT_RESTRICTED_OPEN_BOX)
    usual = box.out(ALICE, SERVER)
    assert box.into(STRANGER, usual.port) is None
    moved = box.out(ALICE, STRANGER)
    assert moved.port != usual.port
    assert box.out(ALICE, SERVER) == usual
    assert box.out(ALICE, LATER) == moved
    assert box.into(STRANGER, usual.port) is None
    assert box.into(STRANGER, moved.port) == ALICE


def test_an_open_box_goes_back_to_the_usual_port_where_a_stranger_has_the_other() -> None:
    box = Box(NatKind.PORT_RESTRICTED_OPEN_BOX)
    usual = box.out(ALICE, SERVER)
    box.into(STRANGER, usual.port)
    moved = box.out(ALICE, STRANGER)
    box.into(LATER, moved.port)
    assert box.out(ALICE, LATER) == usual
    assert box.out(ALICE, STRANGER) == moved


def test_an_open_box_forgets_that_it_moved_when_the_flow_ends() -> None:
    box = Box(Nat(open_box=True, mapping_timeout=60.0))
    usual = box.out(ALICE, SERVER)
    box.into(STRANGER, usual.port)
    assert box.out(ALICE, STRANGER) != usual
    box.now = 50.0
    box.out(ALICE, SERVER)
    box.now = 61.0
    assert box.out(ALICE, LATER) == usual


def test_the_port_an_open_box_moves_a_flow_to_is_for_that_flow_only() -> None:
    box = Box(Nat(filtering=Filtering.ENDPOINT_INDEPENDENT, open_box=True))
    assert box.into(STRANGER, ALICE.port) is None
    moved = box.out(ALICE, STRANGER)
    assert moved.port != ALICE.port
    assert box.into(SERVER, moved.port) is None


def test_an_open_box_that_the_inside_host_speaks_through_first_stays_what_it_was() -> None:
    box = Box(NatKind.PORT_RESTRICTED_OPEN_BOX)
    usual = box.out(ALICE, SERVER)
    assert box.out(ALICE, STRANGER) == usual
    assert box.into(STRANGER, usual.port) == ALICE


def test_an_open_box_forgets_a_stranger_who_fell_silent() -> None:
    box = Box(NatKind.PORT_RESTRICTED_OPEN_BOX)
    usual = box.out(ALICE, SERVER)
    box.into(STRANGER, usual.port)
    box.now = OPEN_BOX_TIMEOUT
    assert box.out(ALICE, STRANGER) == usual


def test_a_closed_box_has_no_race() -> None:
    box = Box(NatKind.PORT_RESTRICTED)
    usual = box.out(ALICE, SERVER)
    box.into(STRANGER, usual.port)
    assert box.out(ALICE, STRANGER) == usual


def test_hairpinning_brings_a_packet_back_in_from_the_senders_outside_endpoint() -> None:
    box = Box(Nat(filtering=Filtering.ENDPOINT_INDEPENDENT, hairpinning=True))
    alice, bob = box.out(ALICE, SERVER), box.out(BOB, SERVER)
    packet = box.translator.hairpin(OuterPacket(IpProtocol.UDP, ALICE, bob), 0.0)
    assert isinstance(packet, OuterPacket)
    assert (packet.source, packet.destination) == (alice, BOB)


def test_without_hairpinning_such_a_packet_is_dropped() -> None:
    box = Box(NatKind.FULL_CONE)
    bob = box.out(BOB, SERVER)
    assert isinstance(box.translator.hairpin(OuterPacket(IpProtocol.UDP, ALICE, bob), 0.0), Dropped)


def test_where_udp_is_blocked_tcp_still_passes() -> None:
    box = Box(NatKind.UDP_BLOCKED)
    assert isinstance(box.translator.outward(OuterPacket(IpProtocol.UDP, ALICE, SERVER), 0.0), Dropped)
    port = box.out(ALICE, SERVER, IpProtocol.TCP).port
    assert box.into(SERVER, port, IpProtocol.TCP) == ALICE


def test_udp_and_tcp_have_mappings_of_their_own() -> None:
    box = Box(NatKind.FULL_CONE)
    port = box.out(ALICE, SERVER).port
    assert box.into(SERVER, port, IpProtocol.TCP) is None


def test_protocol_41_belongs_to_the_first_inside_host_per_remote() -> None:
    box = Box(NatKind.PORT_RESTRICTED)
    alice, bob, far = (Endpoint(one.address, 0) for one in (ALICE, BOB, SERVER))
    assert box.out(alice, far, IpProtocol.IPV6) == Endpoint(OUTSIDE, 0)
    assert box.into(far, 0, IpProtocol.IPV6) == alice
    assert isinstance(box.translator.outward(OuterPacket(IpProtocol.IPV6, bob, far), 0.0), Dropped)


def test_a_nat_that_blocks_protocol_41_drops_it() -> None:
    box = Box(Nat(passes_protocol41=False))
    packet = OuterPacket(IpProtocol.IPV6, Endpoint(ALICE.address, 0), Endpoint(SERVER.address, 0))
    assert isinstance(box.translator.outward(packet, 0.0), Dropped)


def test_protocol_41_that_nobody_inside_asked_for_is_dropped() -> None:
    assert Box(NatKind.FULL_CONE).into(Endpoint(SERVER.address, 0), 0, IpProtocol.IPV6) is None


def test_a_nat_that_forgets_knows_nobody_any_more() -> None:
    box = Box(NatKind.FULL_CONE)
    port = box.out(ALICE, SERVER).port
    box.translator.forget()
    assert box.into(SERVER, port) is None


def test_a_port_mapped_on_request_lets_everybody_in_until_its_lifetime_ends() -> None:
    box = Box(NatKind.PORT_RESTRICTED)
    port = box.translator.udp.bind_on_request(ALICE, 0, lifetime=100.0, now=0.0)
    assert port == ALICE.port
    box.now = 99.0
    assert box.into(STRANGER, port) == ALICE
    assert box.out(ALICE, SERVER).port == port
    box.now = 100.0
    assert box.into(STRANGER, port) is None


def test_a_port_asked_for_that_another_host_holds_is_not_taken_from_it() -> None:
    box = Box(NatKind.PORT_RESTRICTED)
    held = box.out(BOB, SERVER).port
    assert box.translator.udp.bind_on_request(ALICE, held, lifetime=100.0, now=0.0) != held
    assert box.into(SERVER, held) == BOB


def test_a_mapping_taken_back_lets_nobody_in() -> None:
    box = Box(NatKind.PORT_RESTRICTED)
    port = box.translator.udp.bind_on_request(ALICE, 0, lifetime=100.0, now=0.0)
    box.translator.udp.unbind(ALICE)
    assert box.into(STRANGER, port) is None
