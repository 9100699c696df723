"""What client B of the vectors does with datagrams, rule by rule of teredo.md section 4.7."""

from ipaddress import IPv4Address, IPv6Network

import pytest
from tests.teredo_world.bench import Bench, ScriptedRandom, udp_packet
from tests.teredo_world.clients import STRANGER, client_b, receive
from tests.teredo_world.vectors import (
    CLIENT_A,
    CLIENT_A_MAPPED,
    CLIENT_B,
    PACKETS,
    SERVER_2,
)

from tunnelmgr.api.datagrams import Datagram, IcmpReceived
from tunnelmgr.api.events import PathDown, PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.icmp import OtherIcmp
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.wire.address import TeredoAddress
from tunnelmgr_teredo.wire.datagram import bubble

__all__ = ["client_b"]


# -- refused as such --------------------------------------------------------------------------------------------------


REFUSED = {
    "neg-data-truncated": "malformed",
    "neg-data-version4": "malformed",
    "neg-empty": "malformed",
    "neg-auth-truncated": "malformed",
    "neg-origin-before-auth": "malformed",
    "neg-bubble-altaddr-len-10": "malformed",
    "neg-bubble-altaddr-5-entries": "malformed",
    "neg-bubble-unknown-trailer-discard": "malformed",
    "neg-data-spoofed-mapping": "mismatch",
    "neg-data-wrong-destination": "inner-destination",
    "neg-data-linklocal-source": "inner-destination",
    "neg-bubble-discovery-unicast": "inner-destination",
    "bubble-discovery": "inner-destination",
    "ra-primary": "ra-unasked",
}


@pytest.mark.requirement(
    "T-RX-001", "T-RX-002", "T-RX-016", "T-RX-019", "T-RX-020", "T-PK-001", "T-PK-003", "T-LD-001", "T-LD-003", "T-SE-006"
)
@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_what_must_be_dropped_is_dropped_and_counted(client_b: Bench, name: str, reason: str) -> None:
    receive(client_b, name)
    assert client_b.dropped(reason) == 1
    assert (client_b.delivered(), client_b.sent(), client_b.take_events(PathUp)) == ([], [], [])
    assert client_b.client.status(client_b.now).peers_total == 0


@pytest.mark.parametrize(
    "remote",
    [
        Endpoint(IPv4Address(0), 4096),
        Endpoint(IPv4Address("224.0.0.1"), 4096),
        Endpoint(CLIENT_A_MAPPED.address, 0),
        Endpoint(IPv4Address("10.0.0.20"), 8192),
    ],
    ids=str,
)
@pytest.mark.requirement("T-RX-001")
def test_an_outer_source_nobody_can_have_is_refused(client_b: Bench, remote: Endpoint) -> None:
    client_b.receive(PACKETS["bubble-direct"].payload, remote)
    assert client_b.dropped("outer-source") == 1


@pytest.mark.requirement("T-RX-001")
def test_data_is_refused_until_there_is_an_address() -> None:
    bench = Bench(server=str(SERVER_2)).start()
    receive(bench, "data-direct")
    assert bench.dropped("not-qualified") == 1


# -- Teredo peers -----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-RX-013", "T-RX-009", "T-PE-001")
def test_a_direct_bubble_from_the_embedded_mapping_is_trusted_and_goes_no_further(client_b: Bench) -> None:
    receive(client_b, "bubble-direct")
    (path,) = client_b.take_events(PathUp)
    assert path == PathUp(IPv6Network(CLIENT_A), CLIENT_A_MAPPED, "service", 30.0, local=IPv6Network(CLIENT_B))
    assert client_b.delivered() == []
    (peer,) = client_b.client.status(client_b.now).peers
    assert (peer.address, peer.endpoint, peer.path) == (str(CLIENT_A), str(CLIENT_A_MAPPED), "direct")


@pytest.mark.requirement("T-RX-013", "T-RX-010", "T-PK-005")
@pytest.mark.parametrize("name", ["data-direct", "data-with-trailer"])
def test_data_from_the_embedded_mapping_reaches_the_host_without_trailers(client_b: Bench, name: str) -> None:
    receive(client_b, name)
    assert client_b.delivered() == [PACKETS["data-direct"].payload]


@pytest.mark.requirement("T-AD-007", "T-RX-013")
def test_a_mapping_that_is_not_public_is_not_believed_although_it_matches(client_b: Bench) -> None:
    inside = Endpoint(IPv4Address("10.0.0.53"), 53)
    client_b.receive(bubble(TeredoAddress(SERVER_2, 0, inside).ipv6, CLIENT_B), inside)
    assert client_b.dropped("mismatch") == 1
    assert client_b.take_events(PathUp) == []


@pytest.mark.requirement("T-RX-016")
@pytest.mark.parametrize("name", ["data-direct", "bubble-direct"])
def test_a_trusted_mapping_is_not_changed_by_a_packet_from_elsewhere(client_b: Bench, name: str) -> None:
    receive(client_b, "bubble-direct")
    client_b.take_events(PathUp)
    client_b.receive(PACKETS[name].payload, STRANGER)
    assert client_b.dropped("mismatch") == 1
    assert client_b.take_events(PathUp) == []
    assert client_b.client.status(client_b.now).peers[0].endpoint == str(CLIENT_A_MAPPED)


@pytest.mark.requirement("T-RX-016")
@pytest.mark.parametrize("name", ["bubble-direct-symmetric-nonce", "neg-bubble-symmetric-wrong-nonce"])
def test_a_bubble_from_another_mapping_is_dropped_when_no_nonce_was_sent(name: str) -> None:
    client_a = Bench(ScriptedRandom(flags=0x1C2D)).qualified(CLIENT_A_MAPPED)
    receive(client_a, name)
    assert client_a.dropped("mismatch") == 1
    assert client_a.take_events(PathUp) == []


@pytest.mark.requirement("T-PK-012")
def test_congestion_marks_of_the_outer_packet_are_not_copied_inward(client_b: Bench) -> None:
    vector = PACKETS["data-direct"]
    client_b.client.receive_datagram(Datagram("service", vector.payload, vector.source, tos=0x03), client_b.now)
    assert client_b.delivered() == [vector.payload]


@pytest.mark.requirement("T-RX-019")
@pytest.mark.parametrize("kind", range(133, 138))
def test_neighbour_discovery_never_reaches_the_host(client_b: Bench, kind: int) -> None:
    packet = icmpv6_packet(OtherIcmp(kind, 0, bytes(20)), CLIENT_A, CLIENT_B).serialize()
    client_b.receive(packet, CLIENT_A_MAPPED)
    assert client_b.delivered() == []
    assert client_b.dropped("link-only") == 1


@pytest.mark.requirement("T-RX-021")
@pytest.mark.parametrize(("kind", "left", "passes"), [(0, 0, False), (0, 1, False), (3, 1, False), (2, 0, True)])
def test_routing_headers_that_would_send_a_packet_on_are_dropped(
    client_b: Bench, kind: int, left: int, passes: bool
) -> None:
    packet = IPv6Packet(CLIENT_A, CLIENT_B, 43, bytes((59, 0, kind, left, 0, 0, 0, 0))).serialize()
    client_b.receive(packet, CLIENT_A_MAPPED)
    assert client_b.delivered() == ([packet] if passes else [])


@pytest.mark.requirement("T-PK-014")
def test_packets_larger_than_the_mtu_are_taken(client_b: Bench) -> None:
    packet = udp_packet(CLIENT_A, CLIENT_B, bytes(60_000))
    client_b.receive(packet, CLIENT_A_MAPPED)
    assert client_b.delivered() == [packet]


def test_three_icmp_errors_in_a_row_end_the_trust_and_two_do_not(client_b: Bench) -> None:
    receive(client_b, "bubble-direct")
    error = IcmpReceived("service", 3, 3, 0, None, CLIENT_A_MAPPED, b"")
    for _ in range(2):
        client_b.client.channel_changed(error, client_b.now)
    receive(client_b, "bubble-direct")
    for _ in range(2):
        client_b.client.channel_changed(error, client_b.now)
    assert client_b.take_events(PathDown) == []
    client_b.client.channel_changed(error, client_b.now)
    assert client_b.take_events(PathDown) == [PathDown(IPv6Network(CLIENT_A))]
