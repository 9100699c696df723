"""How client B of the vectors meets peers behind symmetric NATs (RFC 6081 section 5.2)."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from tests.teredo_world.bench import Bench, udp_packet
from tests.teredo_world.clients import SERVER_OF_A, SERVER_OF_B, client_b, receive
from tests.teredo_world.vectors import (
    CLIENT_A,
    CLIENT_A_MAPPED,
    CLIENT_B,
    PACKETS,
    SERVER_1,
)

from tunnelmgr.api.events import PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.client.contacts import ROUND_TIME
from tunnelmgr_teredo.constants import BUBBLE_INTERVAL, CONTACT_ROUNDS
from tunnelmgr_teredo.wire.address import TeredoAddress
from tunnelmgr_teredo.wire.datagram import bubble, with_trailers
from tunnelmgr_teredo.wire.trailers import NonceTrailer, first_trailer, parse_trailers

__all__ = ["client_b"]


ELSEWHERE = PACKETS["bubble-direct-symmetric-nonce"].source


def contacting_a(bench: Bench) -> bytes:
    """Let client B try to reach client A; return the nonce of its indirect bubble."""
    bench.send(udp_packet(CLIENT_B, CLIENT_A))
    return nonce_of(next(sent.data for sent in bench.sent() if sent.remote == SERVER_OF_A))


def nonce_of(data: bytes) -> bytes:
    trailer = first_trailer(parse_trailers(data[40:]), NonceTrailer)
    assert trailer is not None, "indirect bubbles have a nonce"
    return trailer.nonce


@pytest.mark.requirement("T-EX-001")
def test_every_indirect_bubble_has_a_nonce_of_its_own(client_b: Bench) -> None:
    nonces = {contacting_a(client_b)}
    for _ in range(CONTACT_ROUNDS - 1):
        client_b.wait(ROUND_TIME)
        sent_now = client_b.sent()
        assert [(sent.remote, sent.data) for sent in sent_now if sent.remote != SERVER_OF_A] == [
            (CLIENT_A_MAPPED, bubble(CLIENT_B, CLIENT_A))
        ] * 2, "direct ones have none"
        own, hidden = (sent.data for sent in sent_now if sent.remote == SERVER_OF_A)
        nonces.add(nonce_of(own))
        assert hidden[40:] == b"", "the one for Miredo has its proof in its source"
    assert len(nonces) == CONTACT_ROUNDS


@pytest.mark.requirement("T-EX-004")
def test_the_nonce_we_sent_proves_another_mapping_and_packets_go_there(client_b: Bench) -> None:
    nonce = contacting_a(client_b)
    client_b.receive(with_trailers(bubble(CLIENT_A, CLIENT_B), NonceTrailer(nonce)), ELSEWHERE)
    assert client_b.take_events(PathUp)[0].remote == ELSEWHERE
    assert [(sent.remote, sent.data) for sent in client_b.sent()] == [(ELSEWHERE, udp_packet(CLIENT_B, CLIENT_A))]
    client_b.receive(udp_packet(CLIENT_A, CLIENT_B), ELSEWHERE)
    assert client_b.delivered() == [udp_packet(CLIENT_A, CLIENT_B)]


@pytest.mark.requirement("T-EX-004", "T-RX-016")
@pytest.mark.parametrize("trailers", [(), (NonceTrailer(b"\xde\xad\xbe\xef"),)], ids=["none", "wrong"])
def test_without_the_right_nonce_another_mapping_is_not_believed(
    client_b: Bench, trailers: tuple[NonceTrailer, ...]
) -> None:
    nonce = contacting_a(client_b)
    client_b.receive(with_trailers(bubble(CLIENT_A, CLIENT_B), *trailers), ELSEWHERE)
    assert client_b.take_events(PathUp) == []
    assert client_b.dropped("mismatch") == 1
    client_b.receive(with_trailers(bubble(CLIENT_A, CLIENT_B), NonceTrailer(nonce)), ELSEWHERE)
    assert client_b.take_events(PathUp), "with it, it is"


@pytest.mark.requirement("T-EX-004", "T-AD-007")
def test_a_nonce_does_not_make_a_private_mapping_a_place_to_send_to(client_b: Bench) -> None:
    nonce = contacting_a(client_b)
    inside = Endpoint(IPv4Address("10.0.0.53"), 53)
    client_b.receive(with_trailers(bubble(CLIENT_A, CLIENT_B), NonceTrailer(nonce)), inside)
    assert client_b.take_events(PathUp) == []


@pytest.mark.requirement("T-EX-004")
def test_data_with_the_right_nonce_proves_nothing(client_b: Bench) -> None:
    nonce = contacting_a(client_b)
    client_b.receive(with_trailers(udp_packet(CLIENT_A, CLIENT_B), NonceTrailer(nonce)), ELSEWHERE)
    assert client_b.dropped("mismatch") == 1


@pytest.mark.requirement("T-EX-002", "T-EX-003")
def test_direct_bubbles_repeat_the_last_nonce_received_and_none_if_the_last_bubble_had_none(client_b: Bench) -> None:
    client_b.receive(bubble(CLIENT_A, CLIENT_B), SERVER_OF_B)
    direct, _ = client_b.sent()
    assert direct.data == bubble(CLIENT_B, CLIENT_A), "none was received"
    client_b.wait(BUBBLE_INTERVAL)
    receive(client_b, "bubble-origin")
    direct, *indirect = client_b.sent()
    assert direct.data == PACKETS["bubble-direct-nonce-reply"].payload
    assert [IPv6Packet.parse(sent.data).source.is_link_local for sent in indirect] == [False, True]
    client_b.wait(BUBBLE_INTERVAL)
    client_b.receive(bubble(CLIENT_A, CLIENT_B), SERVER_OF_B)
    direct, *_ = client_b.sent()
    assert direct.data == bubble(CLIENT_B, CLIENT_A)


@pytest.mark.requirement("T-RX-001")
def test_miredo_behind_a_symmetric_nat_is_asked_from_a_link_local_address_in_the_second_round(client_b: Bench) -> None:
    contacting_a(client_b)
    client_b.wait(ROUND_TIME)
    sources = [IPv6Packet.parse(sent.data).source for sent in client_b.sent() if sent.remote == SERVER_OF_A]
    own, hidden = sources
    assert own == CLIENT_B
    assert hidden.is_link_local
    client_b.receive(bubble(CLIENT_A, IPv6Address("fe80::1")), ELSEWHERE)
    other = TeredoAddress(SERVER_1, 1, CLIENT_A_MAPPED).ipv6
    client_b.receive(bubble(other, hidden), ELSEWHERE)
    assert client_b.take_events(PathUp) == [], "another address, or another source"
    client_b.receive(bubble(CLIENT_A, hidden), ELSEWHERE)
    assert client_b.take_events(PathUp)[0].remote == ELSEWHERE
    assert client_b.delivered() == []


@pytest.mark.requirement("T-RX-001")
def test_a_bubble_without_proof_from_another_port_is_answered_from_a_link_local_address_at_once(client_b: Bench) -> None:
    other_port = CLIENT_A_MAPPED._replace(port=53)
    contacting_a(client_b)
    for _ in range(3):
        client_b.receive(bubble(CLIENT_A, CLIENT_B), other_port)
    [asked] = client_b.sent()
    hidden = IPv6Packet.parse(asked.data).source
    assert (asked.remote, hidden.is_link_local) == (SERVER_OF_A, True), "once, through the peer's server"
    client_b.receive(bubble(CLIENT_A, hidden), other_port)
    assert client_b.take_events(PathUp)[0].remote == other_port
