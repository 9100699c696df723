"""What client B of the vectors does with datagrams, rule by rule of teredo.md section 4.7."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from tests.teredo_world.bench import Bench, ScriptedRandom, udp_packet
from tests.teredo_world.vectors import (
    CLIENT_A,
    CLIENT_A_MAPPED,
    CLIENT_B,
    CLIENT_B_MAPPED,
    NATIVE_HOST,
    PACKETS,
    RELAY,
    SERVER_1,
    SERVER_2,
)

from tunnelmgr.api.datagrams import Datagram, IcmpReceived
from tunnelmgr.api.events import PathDown, PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets import EchoReply, EchoRequest, IPv6Packet, OtherIcmpv6, icmpv6_packet, parse_icmpv6
from tunnelmgr.api.status import PathUse
from tunnelmgr_teredo.address import TeredoAddress
from tunnelmgr_teredo.trailers import NonceTrailer, first_trailer, parse_trailers
from tunnelmgr_teredo.wire import OriginIndication, Payload, bubble, is_bubble, with_trailers

SERVER = Endpoint(SERVER_2, 3544)
SERVER_OF_A = Endpoint(SERVER_1, 3544)
STRANGER = Endpoint(IPv4Address("192.0.2.77"), 9999)


@pytest.fixture
def client_b() -> Bench:
    bench = Bench(ScriptedRandom(flags=0x2081), server=str(SERVER_2)).qualified(CLIENT_B_MAPPED, SERVER_2)
    assert bench.address == CLIENT_B
    bench.refreshes = CLIENT_B_MAPPED
    return bench


def receive(bench: Bench, name: str) -> None:
    bench.receive(PACKETS[name].payload, PACKETS[name].source)


def echo_requests(bench: Bench) -> list[IPv6Packet]:
    """Take what was sent; return the echo tests among it."""
    packets = [IPv6Packet.parse(sent.data) for sent in bench.sent() if sent.remote == SERVER]
    return [packet for packet in packets if not is_bubble(packet)]


def reply_to(request: IPv6Packet) -> bytes:
    message = parse_icmpv6(request)
    assert isinstance(message, EchoRequest)
    return icmpv6_packet(message.reply(), request.destination, request.source).serialize()


# -- refused as such ----------------------------------------------------------------------------------------------------

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


# -- bubbles through the server -----------------------------------------------------------------------------------------


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
    bench.wait(3)
    asked = [(sent.remote, sent.data) for sent in bench.sent() if sent.remote != SERVER]
    opener, indirect, direct = (CLIENT_A_MAPPED, SERVER_OF_A, CLIENT_A_MAPPED)
    plain = bubble(CLIENT_B, CLIENT_A)
    assert asked == [(remote, plain) for remote in (opener, indirect, direct, opener, indirect, direct)]


@pytest.mark.requirement("T-EX-005", "T-TX-005")
def test_the_answer_of_a_peer_ends_the_wait_of_the_direct_bubble(client_b: Bench) -> None:
    client_b.send(udp_packet(CLIENT_B, CLIENT_A))
    client_b.sent()
    receive(client_b, "bubble-origin")
    assert [sent.data for sent in client_b.sent()] == [PACKETS["bubble-direct-nonce-reply"].payload], "at once"
    client_b.wait(2)
    direct, *indirect = client_b.sent()
    assert direct.data == PACKETS["bubble-direct-nonce-reply"].payload, "and first in the next round: the race is over"
    assert {sent.remote for sent in indirect} == {SERVER_OF_A}


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
    client_b.receive(bubble(CLIENT_A, CLIENT_B), SERVER)
    assert [sent.remote for sent in client_b.sent()] == [CLIENT_A_MAPPED, SERVER_OF_A]


@pytest.mark.requirement("T-RX-005")
def test_a_relays_bubble_is_answered_to_where_it_came_from(client_b: Bench) -> None:
    origin = OriginIndication(RELAY)
    client_b.receive(Payload(PACKETS["bubble-relay"].payload, None, origin).serialize(), SERVER)
    answer, test = client_b.sent()
    assert (answer.remote, answer.data) == (RELAY, bubble(CLIENT_B, NATIVE_HOST))
    assert test.remote == SERVER
    assert IPv6Packet.parse(test.data).destination == NATIVE_HOST


@pytest.mark.requirement("T-RX-008")
def test_a_bubble_from_a_link_local_address_is_answered_to_it(client_b: Bench) -> None:
    data = PACKETS["bubble-relay-linklocal"].payload
    source = IPv6Packet.parse(data).source
    client_b.receive(Payload(data, None, OriginIndication(RELAY)).serialize(), SERVER)
    (answer,) = client_b.sent()
    assert (answer.remote, answer.data) == (RELAY, bubble(CLIENT_B, source))


@pytest.mark.requirement("T-RX-007")
@pytest.mark.parametrize("address", ["10.0.0.53", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.0.0.255"])
@pytest.mark.parametrize("source", [CLIENT_A, NATIVE_HOST], ids=["Teredo", "native"])
def test_an_origin_that_is_not_public_is_sent_nothing(client_b: Bench, address: str, source: IPv6Address) -> None:
    origin = OriginIndication(Endpoint(IPv4Address(address), 53))
    client_b.receive(Payload(bubble(source, CLIENT_B), None, origin).serialize(), SERVER)
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
    client_b.receive(bubble(peer.ipv6, CLIENT_B), SERVER)
    assert client_b.sent() == []


@pytest.mark.requirement("T-RX-001")
def test_our_own_mapping_is_nobody_elses(client_b: Bench) -> None:
    other = TeredoAddress(SERVER_2, 0x0001, CLIENT_B_MAPPED)
    client_b.receive(bubble(other.ipv6, CLIENT_B), SERVER)
    client_b.receive(bubble(CLIENT_B, CLIENT_B), SERVER)
    assert client_b.sent() == []
    assert client_b.dropped("inner-source") == 2


@pytest.mark.requirement("T-RX-003")
def test_a_packet_of_the_server_puts_the_refresh_off(client_b: Bench) -> None:
    client_b.wait(20)
    receive(client_b, "bubble-origin")
    client_b.wait(22)
    assert client_b.client.status(client_b.now).counters["solicitations-sent"] == 2
    client_b.wait(8)
    assert client_b.client.status(client_b.now).counters["solicitations-sent"] == 3


@pytest.mark.requirement("T-RX-003")
def test_packets_the_data_plane_had_from_the_server_put_the_refresh_off_too(client_b: Bench) -> None:
    client_b.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (request,) = echo_requests(client_b)
    client_b.receive(reply_to(request), SERVER)
    assert client_b.client.status(client_b.now).peers[0].path == "server", "which is a relay as well"
    client_b.wait(20)
    use = PathUse(IPv6Network(NATIVE_HOST), client_b.now, None, 1, 100, 0, 0)
    client_b.client.paths_used([use], client_b.now)
    client_b.wait(22)
    assert client_b.client.status(client_b.now).counters["solicitations-sent"] == 2


@pytest.mark.requirement("T-RX-003", "T-MA-003")
def test_a_packet_of_someone_else_does_not(client_b: Bench) -> None:
    client_b.wait(20)
    receive(client_b, "bubble-direct")
    client_b.wait(10)
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
    assert client_b.wake() == pytest.approx(1)
    assert answers() == 1, "two seconds after the one before"
    for _ in range(20):
        client_b.wait(3)
        receive(client_b, "bubble-origin")
    assert answers() == 2, "four in all"


# -- Teredo peers -------------------------------------------------------------------------------------------------------


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
    packet = icmpv6_packet(OtherIcmpv6(kind, 0, bytes(20)), CLIENT_A, CLIENT_B).serialize()
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


# -- native hosts -------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-RX-017", "T-RX-011")
def test_a_packet_of_an_unknown_host_is_held_until_its_relay_is_proven(client_b: Bench) -> None:
    packet = udp_packet(NATIVE_HOST, CLIENT_B)
    client_b.receive(packet, RELAY)
    assert client_b.delivered() == []
    (request,) = echo_requests(client_b)
    client_b.receive(reply_to(request), RELAY)
    assert client_b.delivered() == [packet], "and not the echo reply"
    assert client_b.take_events(PathUp)[0].remote == RELAY
    status = client_b.client.status(client_b.now)
    assert status.peers[0].path == "relay"
    assert status.facts["relay"] == str(RELAY)


@pytest.mark.requirement("T-RX-017")
def test_held_packets_that_came_from_elsewhere_are_dropped(client_b: Bench) -> None:
    client_b.receive(udp_packet(NATIVE_HOST, CLIENT_B, b"forged"), STRANGER)
    client_b.receive(udp_packet(NATIVE_HOST, CLIENT_B, b"real"), RELAY)
    (request,) = echo_requests(client_b)
    client_b.receive(reply_to(request), RELAY)
    assert client_b.delivered() == [udp_packet(NATIVE_HOST, CLIENT_B, b"real")]
    assert client_b.dropped("unproven") == 1


@pytest.mark.requirement("T-RX-017", "T-RX-018", "T-RX-019", "T-RX-021")
@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (bubble(NATIVE_HOST, CLIENT_B), "unproven"),
        (icmpv6_packet(OtherIcmpv6(137, 0, bytes(36)), NATIVE_HOST, CLIENT_B).serialize(), "link-only"),
        (IPv6Packet(NATIVE_HOST, CLIENT_B, 43, bytes((59, 0, 0, 1, 0, 0, 0, 0))).serialize(), "routing-header"),
    ],
    ids=["bubble", "redirect", "routing header"],
)
def test_what_would_never_reach_the_host_is_not_worth_a_test(client_b: Bench, packet: bytes, reason: str) -> None:
    client_b.receive(packet, RELAY)
    assert client_b.dropped(reason) == 1
    assert client_b.sent() == []
    assert client_b.client.status(client_b.now).peers_total == 0


@pytest.mark.requirement("T-RX-012")
def test_a_reply_with_another_nonce_or_another_type_changes_nothing(client_b: Bench) -> None:
    client_b.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (request,) = echo_requests(client_b)
    message = parse_icmpv6(request)
    assert isinstance(message, EchoRequest)
    wrong = icmpv6_packet(EchoReply(message.identifier, message.sequence, bytes(16)), NATIVE_HOST, CLIENT_B).serialize()
    client_b.receive(wrong, RELAY)
    client_b.receive(request.serialize(), RELAY)
    broken = bytearray(reply_to(request))
    broken[42] ^= 1
    client_b.receive(bytes(broken), RELAY)
    assert client_b.take_events(PathUp) == []
    assert client_b.delivered() == []


@pytest.mark.requirement("T-RX-012")
def test_a_reply_that_takes_30_seconds_changes_nothing(client_b: Bench) -> None:
    client_b.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (request,) = echo_requests(client_b)
    client_b.wait(30)
    client_b.take_events(PathUp)
    client_b.receive(reply_to(request), RELAY)
    assert client_b.take_events(PathUp) == []


@pytest.mark.requirement("T-RX-011")
def test_a_reply_that_takes_longer_than_the_next_test_is_as_good(client_b: Bench) -> None:
    client_b.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (request,) = echo_requests(client_b)
    client_b.wait(5)
    client_b.receive(reply_to(request), RELAY)
    assert client_b.take_events(PathUp)


@pytest.mark.requirement("T-RX-012", "T-RX-001")
def test_an_error_from_a_router_on_the_way_authenticates_nobody() -> None:
    client_a = Bench(ScriptedRandom(flags=0x1C2D)).qualified(CLIENT_A_MAPPED)
    client_a.send(udp_packet(client_a.address, NATIVE_HOST))
    receive(client_a, "neg-echo-unreachable-from-router")
    assert client_a.take_events(PathUp) == []
    assert client_a.delivered() == []


@pytest.mark.requirement("T-RX-012")
@pytest.mark.parametrize("name", ["neg-echo-test-reply-bad-nonce", "echo-test-reply"])
def test_a_reply_to_no_test_of_ours_provokes_nothing(name: str) -> None:
    client_a = Bench(ScriptedRandom(flags=0x1C2D)).qualified(CLIENT_A_MAPPED)
    receive(client_a, name)
    assert client_a.sent() == []
    assert client_a.dropped("echo-reply") == 1


def reached(bench: Bench) -> None:
    """Let an echo test find the relay of the native host."""
    bench.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (request,) = echo_requests(bench)
    bench.receive(reply_to(request), RELAY)
    (path,) = bench.take_events(PathUp)
    assert not path.watch_echo, "nothing is outstanding: pings of the host need not come to us"


@pytest.mark.requirement("T-RX-011")
def test_the_path_leaves_us_the_reply_to_a_test_that_a_stranger_provoked(client_b: Bench) -> None:
    reached(client_b)
    client_b.receive(udp_packet(NATIVE_HOST, CLIENT_B), STRANGER)
    client_b.wait(2)
    (request,) = echo_requests(client_b)
    (watched,) = client_b.take_events(PathUp)
    assert (watched.remote, watched.watch_echo) == (RELAY, True)
    client_b.receive(reply_to(request), RELAY)
    (path,) = client_b.take_events(PathUp)
    assert (path.remote, path.watch_echo) == (RELAY, False)
    assert client_b.delivered() == []


@pytest.mark.requirement("T-RX-011")
def test_a_path_is_watched_no_longer_than_a_reply_counts(client_b: Bench) -> None:
    reached(client_b)
    client_b.receive(udp_packet(NATIVE_HOST, CLIENT_B), STRANGER)
    watched = []
    for _ in range(10):
        client_b.wait(5)
        use = PathUse(IPv6Network(NATIVE_HOST), client_b.now, None, 1, 100, 0, 0)
        client_b.client.paths_used([use], client_b.now)
        watched += [path.watch_echo for path in client_b.take_events(PathUp)]
    assert (watched[0], watched[-1], watched.count(False)) == (True, False, 1)


@pytest.mark.requirement("T-PE-003")
def test_a_stranger_does_not_make_a_path_last(client_b: Bench) -> None:
    reached(client_b)
    client_b.wait(20)
    client_b.receive(udp_packet(NATIVE_HOST, CLIENT_B), STRANGER)
    assert [path.valid_for for path in client_b.take_events(PathUp)] == [pytest.approx(10)]
    client_b.wait(10)
    assert all(path.valid_for and path.valid_for < 5 for path in client_b.take_events(PathUp))
    client_b.receive(udp_packet(NATIVE_HOST, CLIENT_B), STRANGER)
    client_b.wait(2)
    assert client_b.take_events(PathUp) == []


@pytest.mark.requirement("T-RX-011")
def test_a_copy_of_a_reply_is_no_proof_and_does_not_reach_the_host(client_b: Bench) -> None:
    client_b.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (request,) = echo_requests(client_b)
    client_b.receive(reply_to(request), RELAY)
    for remote in (RELAY, STRANGER):
        client_b.receive(reply_to(request), remote)
    assert client_b.dropped("echo-reply") == 2
    assert client_b.client.status(client_b.now).peers[0].endpoint == str(RELAY)
    assert client_b.delivered() == []


@pytest.mark.requirement("T-RX-011")
def test_replies_to_all_tests_of_one_search_stay_with_us(client_b: Bench) -> None:
    client_b.send(udp_packet(CLIENT_B, NATIVE_HOST))
    client_b.wait(3)
    first, second = echo_requests(client_b)
    client_b.receive(reply_to(first), RELAY)
    (path,) = client_b.take_events(PathUp)
    assert path.watch_echo, "the second reply would come by the path"
    client_b.receive(reply_to(second), RELAY)
    assert client_b.delivered() == []


@pytest.mark.requirement("T-RX-011")
def test_a_relay_closer_by_takes_over_with_the_right_nonce(client_b: Bench) -> None:
    client_b.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (request,) = echo_requests(client_b)
    client_b.receive(reply_to(request), RELAY)
    client_b.wait(31)
    client_b.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (again,) = [test for test in echo_requests(client_b) if test.destination == NATIVE_HOST]
    client_b.receive(reply_to(again), STRANGER)
    assert client_b.client.status(client_b.now).peers[0].endpoint == str(STRANGER)


@pytest.mark.requirement("T-AD-007", "T-RX-017")
def test_nobody_on_a_private_address_is_a_relay(client_b: Bench) -> None:
    inside = Endpoint(IPv4Address("10.0.0.53"), 3545)
    client_b.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (request,) = echo_requests(client_b)
    client_b.receive(reply_to(request), inside)
    client_b.receive(udp_packet(NATIVE_HOST, CLIENT_B), inside)
    assert client_b.dropped("outer-source") == 2
    assert (client_b.take_events(PathUp), client_b.delivered()) == ([], [])


@pytest.mark.requirement("T-RX-018")
def test_strangers_make_us_test_four_times_an_address(client_b: Bench) -> None:
    for _ in range(20):
        client_b.receive(udp_packet(NATIVE_HOST, CLIENT_B), RELAY)
        client_b.wait(2)
    tests = [request for request in echo_requests(client_b) if request.destination == NATIVE_HOST]
    assert len(tests) == 4


@pytest.mark.requirement("T-RX-018")
def test_strangers_make_us_test_fifty_times_a_second(client_b: Bench) -> None:
    for number in range(500):
        client_b.receive(udp_packet(IPv6Address(int(NATIVE_HOST) + number), CLIENT_B), RELAY)
    assert len(echo_requests(client_b)) == 50
    assert client_b.dropped("echo-limit") == 450


@pytest.mark.requirement("T-RX-018")
def test_strangers_do_not_use_up_the_tests_of_this_host(client_b: Bench) -> None:
    for number in range(100):
        client_b.receive(udp_packet(IPv6Address(int(NATIVE_HOST) + number), CLIENT_B), RELAY)
    client_b.sent()
    client_b.send(udp_packet(CLIENT_B, IPv6Address("2001:db8::9")))
    assert len(echo_requests(client_b)) == 1


@pytest.mark.requirement("T-RX-017", "T-RX-016")
def test_a_stranger_who_speaks_in_a_friends_name_cannot_end_the_friendship(client_b: Bench) -> None:
    client_b.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (request,) = echo_requests(client_b)
    client_b.receive(reply_to(request), RELAY)
    for _ in range(5):
        client_b.receive(udp_packet(NATIVE_HOST, CLIENT_B, b"forged"), STRANGER)
        client_b.wait(5)
    assert client_b.take_events(PathDown) == []
    assert client_b.client.status(client_b.now).peers[0].endpoint == str(RELAY)
    assert client_b.delivered() == []


@pytest.mark.requirement("T-AD-011", "T-RX-019")
@pytest.mark.parametrize("source", ["::1", "::", "ff02::1", "fc00::1", "fe80::1", "::ffff:192.0.2.1", "3ffe:831f::1"])
def test_sources_no_host_can_have_are_refused(client_b: Bench, source: str) -> None:
    client_b.receive(udp_packet(IPv6Address(source), CLIENT_B), RELAY)
    assert client_b.dropped("inner-source") == 1
    assert client_b.sent() == []


@pytest.mark.requirement("T-RX-001")
def test_our_own_address_is_no_source_from_outside(client_b: Bench) -> None:
    client_b.receive(udp_packet(CLIENT_B, CLIENT_B), CLIENT_B_MAPPED)
    assert client_b.dropped("inner-source") == 1


def test_a_relay_that_is_denied_is_not_believed_and_not_answered() -> None:
    bench = Bench(server=str(SERVER_2), relays={"deny": ["198.51.100.200/32"]}).qualified(CLIENT_B_MAPPED, SERVER_2)
    own = bench.address
    bench.send(udp_packet(own, NATIVE_HOST))
    (request,) = echo_requests(bench)
    bench.receive(reply_to(request), RELAY)
    bench.receive(udp_packet(NATIVE_HOST, own), RELAY)
    bench.receive(Payload(bubble(NATIVE_HOST, own), None, OriginIndication(RELAY)).serialize(), SERVER)
    assert bench.dropped("relay-refused") == 3
    assert (bench.take_events(PathUp), bench.sent(), bench.delivered()) == ([], [], [])


def test_only_relays_that_are_allowed_are_believed() -> None:
    bench = Bench(server=str(SERVER_2), relays={"allow": ["198.51.100.0/24"]}).qualified(CLIENT_B_MAPPED, SERVER_2)
    bench.send(udp_packet(bench.address, NATIVE_HOST))
    (request,) = echo_requests(bench)
    bench.receive(reply_to(request), STRANGER)
    assert bench.take_events(PathUp) == []
    bench.receive(reply_to(request), RELAY)
    assert len(bench.take_events(PathUp)) == 1


def test_a_nonce_trailer_of_a_stranger_earns_nothing(client_b: Bench) -> None:
    client_b.receive(with_trailers(bubble(CLIENT_A, CLIENT_B), NonceTrailer(b"abcd")), STRANGER)
    assert client_b.dropped("mismatch") == 1


# -- peers behind symmetric NATs ----------------------------------------------------------------------------------------

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
    for _ in range(3):
        client_b.wait(2)
        sent_now = client_b.sent()
        assert [(sent.remote, sent.data) for sent in sent_now if sent.remote != SERVER_OF_A] == [
            (CLIENT_A_MAPPED, bubble(CLIENT_B, CLIENT_A))
        ] * 2, "direct ones have none"
        own, hidden = (sent.data for sent in sent_now if sent.remote == SERVER_OF_A)
        nonces.add(nonce_of(own))
        assert hidden[40:] == b"", "the one for Miredo has its proof in its source"
    assert len(nonces) == 4


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
    contacting_a(client_b)
    client_b.receive(with_trailers(bubble(CLIENT_A, CLIENT_B), *trailers), ELSEWHERE)
    assert client_b.take_events(PathUp) == []
    assert client_b.dropped("mismatch") == 1


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
    client_b.receive(bubble(CLIENT_A, CLIENT_B), SERVER)
    direct, _ = client_b.sent()
    assert direct.data == bubble(CLIENT_B, CLIENT_A), "none was received"
    client_b.wait(3)
    receive(client_b, "bubble-origin")
    direct, *indirect = client_b.sent()
    assert direct.data == PACKETS["bubble-direct-nonce-reply"].payload
    assert [IPv6Packet.parse(sent.data).source.is_link_local for sent in indirect] == [False, True]
    client_b.wait(3)
    client_b.receive(bubble(CLIENT_A, CLIENT_B), SERVER)
    direct, *_ = client_b.sent()
    assert direct.data == bubble(CLIENT_B, CLIENT_A)


@pytest.mark.requirement("T-RX-001")
def test_miredo_behind_a_symmetric_nat_is_asked_from_a_link_local_address_in_the_second_round(client_b: Bench) -> None:
    contacting_a(client_b)
    client_b.wait(2)
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
