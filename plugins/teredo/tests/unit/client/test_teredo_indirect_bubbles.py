"""What client B of the vectors does with bubbles that its server passes on."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from tests.teredo_world.bench import Bench, ScriptedRandom, udp_packet
from tests.teredo_world.clients import SERVER_OF_A, SERVER_OF_B, STRANGER, client_b, echo_requests, receive, reply_to
from tests.teredo_world.vectors import (
    CLIENT_A,
    CLIENT_A_MAPPED,
    CLIENT_B,
    CLIENT_B_MAPPED,
    NATIVE_HOST,
    PACKETS,
    RELAY,
    SERVER_2,
)

from tunnelmgr.api.events import PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.status import PathUse
from tunnelmgr_teredo.client.contacts import ROUND_TIME
from tunnelmgr_teredo.constants import BUBBLE_INTERVAL, BUBBLES_MAX, DIRECT_BUBBLE_DELAY, REFRESH_INTERVAL, REFRESH_SHORTEST
from tunnelmgr_teredo.wire.address import TeredoAddress
from tunnelmgr_teredo.wire.datagram import OriginIndication, Payload, bubble

__all__ = ["client_b"]

REFRESH_EARLIEST = REFRESH_INTERVAL * REFRESH_SHORTEST


@pytest.mark.requirement("T-RX-004")
@pytest.mark.parametrize("name", ["bubble-origin", "bubble-unknown-trailer-skip", "bubble-malformed-trailer"])
def test_an_indirect_bubble_is_answered_directly_and_at_once(client_b: Bench, name: str) -> None:
    receive(client_b, name)
    direct, indirect = client_b.sent()
    assert direct.remote == CLIENT_A_MAPPED
    assert direct.data == PACKETS["bubble-direct-nonce-reply"].payload, "with the nonce that came"
    assert direct.ttl is None
    assert indirect.remote == SERVER_OF_A, "so that a client behind a symmetric NAT learns our nonce"
    assert indirect.data[:40] == bubble(CLIENT_B, CLIENT_A)
    assert client_b.delivered() == []


@pytest.mark.requirement("T-RX-004", "T-EX-026")
def test_without_the_extension_an_indirect_bubble_is_answered_as_rfc_4380_says() -> None:
    bench = Bench(ScriptedRandom(flags=0x2081), server=str(SERVER_2), extensions={"symmetric": False})
    bench.qualified(CLIENT_B_MAPPED, SERVER_2)
    receive(bench, "bubble-origin")
    assert [(sent.remote, sent.data) for sent in bench.sent()] == [(CLIENT_A_MAPPED, bubble(CLIENT_B, CLIENT_A))]


@pytest.mark.requirement("T-EX-026")
def test_without_the_extension_a_peer_is_asked_as_rfc_4380_says() -> None:
    bench = Bench(ScriptedRandom(flags=0x2081), server=str(SERVER_2), extensions={"symmetric": False})
    bench.qualified(CLIENT_B_MAPPED, SERVER_2)
    bench.send(udp_packet(CLIENT_B, CLIENT_A))
    bench.wait(ROUND_TIME + DIRECT_BUBBLE_DELAY)
    asked = [(sent.remote, sent.data) for sent in bench.sent() if sent.remote != SERVER_OF_B]
    opener, indirect, direct = (CLIENT_A_MAPPED, SERVER_OF_A, CLIENT_A_MAPPED)
    plain = bubble(CLIENT_B, CLIENT_A)
    assert asked == [(remote, plain) for remote in (opener, indirect, direct, opener, indirect, direct)]


@pytest.mark.requirement("T-EX-005", "T-TX-005")
def test_the_answer_of_a_peer_ends_the_wait_of_the_direct_bubble(client_b: Bench) -> None:
    client_b.send(udp_packet(CLIENT_B, CLIENT_A))
    client_b.sent()
    receive(client_b, "bubble-origin")
    assert [sent.data for sent in client_b.sent()] == [PACKETS["bubble-direct-nonce-reply"].payload], "at once"
    client_b.wait(ROUND_TIME)
    direct, *indirect = client_b.sent()
    assert direct.data == PACKETS["bubble-direct-nonce-reply"].payload, "and first in the next round: the race is over"
    assert {sent.remote for sent in indirect} == {SERVER_OF_A}
    client_b.wait(ROUND_TIME)
    client_b.sent()
    client_b.receive(bubble(CLIENT_A, CLIENT_B), SERVER_OF_B)
    client_b.wait(ROUND_TIME)
    assert bubble(CLIENT_B, CLIENT_A) in [sent.data for sent in client_b.sent() if sent.remote == CLIENT_A_MAPPED], (
        "an answer without an origin is one, too"
    )


@pytest.mark.requirement("T-EX-005")
def test_no_proof_is_taken_from_data_or_of_a_peer_nobody_asked(client_b: Bench) -> None:
    receive(client_b, "bubble-origin")
    for packet in (udp_packet(CLIENT_A, CLIENT_B), bubble(CLIENT_A, CLIENT_B)):
        client_b.receive(packet, STRANGER)
    assert client_b.dropped("mismatch") == 2
    assert client_b.delivered() == []


@pytest.mark.requirement("T-RX-004")
def test_an_indirect_bubble_earns_no_trust(client_b: Bench) -> None:
    receive(client_b, "bubble-origin")
    assert client_b.take_events(PathUp) == []
    (peer,) = client_b.client.status(client_b.now).peers
    assert (peer.path, peer.endpoint) == ("none", None)


@pytest.mark.requirement("T-RX-006")
def test_without_an_origin_the_mapping_is_taken_from_the_source_address(client_b: Bench) -> None:
    client_b.receive(bubble(CLIENT_A, CLIENT_B), SERVER_OF_B)
    assert [sent.remote for sent in client_b.sent()] == [CLIENT_A_MAPPED, SERVER_OF_A]


@pytest.mark.requirement("T-RX-005")
def test_a_relays_bubble_is_answered_to_where_it_came_from(client_b: Bench) -> None:
    origin = OriginIndication(RELAY)
    client_b.receive(Payload(PACKETS["bubble-relay"].payload, None, origin).serialize(), SERVER_OF_B)
    answer, test = client_b.sent()
    assert (answer.remote, answer.data) == (RELAY, bubble(CLIENT_B, NATIVE_HOST))
    assert test.remote == SERVER_OF_B
    assert IPv6Packet.parse(test.data).destination == NATIVE_HOST


@pytest.mark.requirement("T-RX-008")
def test_a_bubble_from_a_link_local_address_is_answered_to_it(client_b: Bench) -> None:
    data = PACKETS["bubble-relay-linklocal"].payload
    source = IPv6Packet.parse(data).source
    client_b.receive(Payload(data, None, OriginIndication(RELAY)).serialize(), SERVER_OF_B)
    (answer,) = client_b.sent()
    assert (answer.remote, answer.data) == (RELAY, bubble(CLIENT_B, source))


@pytest.mark.requirement("T-RX-007")
@pytest.mark.parametrize("address", ["10.0.0.53", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.0.0.255"])
@pytest.mark.parametrize("source", [CLIENT_A, NATIVE_HOST], ids=["Teredo", "native"])
def test_an_origin_that_is_not_public_is_sent_nothing(client_b: Bench, address: str, source: IPv6Address) -> None:
    origin = OriginIndication(Endpoint(IPv4Address(address), 53))
    client_b.receive(Payload(bubble(source, CLIENT_B), None, origin).serialize(), SERVER_OF_B)
    assert client_b.sent() == []
    assert client_b.dropped("origin") == 1


@pytest.mark.requirement("T-RX-007", "T-AD-012", "T-TX-006")
@pytest.mark.parametrize(
    "peer",
    [
        TeredoAddress(SERVER_2, 0, Endpoint(IPv4Address("10.0.0.53"), 53)),
        TeredoAddress(SERVER_2, 0, Endpoint(IPv4Address("192.0.2.1"), 0)),
        TeredoAddress(IPv4Address("10.0.0.1"), 0, CLIENT_A_MAPPED),
    ],
    ids=["client", "port", "server"],
)
def test_a_peer_that_is_not_public_is_sent_nothing(client_b: Bench, peer: TeredoAddress) -> None:
    client_b.receive(bubble(peer.ipv6, CLIENT_B), SERVER_OF_B)
    assert client_b.sent() == []


@pytest.mark.requirement("T-RX-001")
def test_our_own_mapping_is_nobody_elses(client_b: Bench) -> None:
    other = TeredoAddress(SERVER_2, 0x0001, CLIENT_B_MAPPED)
    client_b.receive(bubble(other.ipv6, CLIENT_B), SERVER_OF_B)
    client_b.receive(bubble(CLIENT_B, CLIENT_B), SERVER_OF_B)
    assert client_b.sent() == []
    assert client_b.dropped("inner-source") == 2


@pytest.mark.requirement("T-RX-003")
def test_a_packet_of_the_server_puts_the_refresh_off(client_b: Bench) -> None:
    client_b.wait(REFRESH_EARLIEST - 2)
    receive(client_b, "bubble-origin")
    client_b.wait(REFRESH_EARLIEST - 0.1)
    assert client_b.client.status(client_b.now).counters["solicitations-sent"] == 2
    client_b.wait(REFRESH_INTERVAL - REFRESH_EARLIEST + 0.1)
    assert client_b.client.status(client_b.now).counters["solicitations-sent"] == 3


@pytest.mark.requirement("T-RX-003")
def test_packets_the_data_plane_had_from_the_server_put_the_refresh_off_too(client_b: Bench) -> None:
    client_b.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (request,) = echo_requests(client_b)
    client_b.receive(reply_to(request), SERVER_OF_B)
    assert client_b.client.status(client_b.now).peers[0].path == "server", "which is a relay as well"
    client_b.wait(REFRESH_EARLIEST - 2)
    use = PathUse(IPv6Network(NATIVE_HOST), client_b.now, None, 1, 100, 0, 0)
    client_b.client.paths_used([use], client_b.now)
    client_b.wait(REFRESH_EARLIEST - 0.1)
    assert client_b.client.status(client_b.now).counters["solicitations-sent"] == 2


@pytest.mark.requirement("T-RX-003", "T-MA-003")
def test_a_packet_of_someone_else_does_not(client_b: Bench) -> None:
    client_b.wait(REFRESH_EARLIEST - 2)
    receive(client_b, "bubble-direct")
    client_b.client.paths_used([PathUse(IPv6Network(CLIENT_A), client_b.now, None, 1, 100, 0, 0)], client_b.now)
    client_b.wait(REFRESH_INTERVAL - REFRESH_EARLIEST + 2)
    assert client_b.client.status(client_b.now).counters["solicitations-sent"] == 3


@pytest.mark.requirement("T-TX-008", "T-TX-009")
def test_indirect_bubbles_are_answered_within_the_limits_and_late_rather_than_never(client_b: Bench) -> None:
    def answers() -> int:
        return sum(sent.remote == CLIENT_A_MAPPED for sent in client_b.sent())

    receive(client_b, "bubble-origin")
    assert answers() == 1
    client_b.wait(1)
    receive(client_b, "bubble-origin")
    assert answers() == 0
    assert client_b.wake() == pytest.approx(BUBBLE_INTERVAL - 1)
    assert answers() == 1
    for _ in range(20):
        client_b.wait(BUBBLE_INTERVAL)
        receive(client_b, "bubble-origin")
    assert answers() == BUBBLES_MAX - 2
