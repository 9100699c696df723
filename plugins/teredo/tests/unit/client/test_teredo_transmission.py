"""What client A of the vectors does with packets of its host, rule by rule of teredo.md sections 4.8 to 4.10."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from tests.teredo_world.bench import SERVER_GIVEN_UP, Bench, ScriptedRandom, udp_packet
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

from tunnelmgr.api.events import Down, PathDown, PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.icmpv6_errors import DestinationUnreachable, PacketTooBig, UnreachableCode
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.status import PathUse
from tunnelmgr_teredo.client.contacts import CONTACT_TIME, ROUND_TIME
from tunnelmgr_teredo.constants import (
    BUBBLE_INTERVAL,
    BUBBLE_WINDOW,
    CONTACT_ROUNDS,
    CONTACT_TIMEOUT,
    DIRECT_BUBBLE_DELAY,
    HOST_ERRORS,
    OPENER_TTL,
    PATH_REPORT_INTERVAL,
    PEER_VALIDITY,
    REFRESH_INTERVAL,
)
from tunnelmgr_teredo.wire.address import TeredoAddress
from tunnelmgr_teredo.wire.datagram import OriginIndication, Payload, bubble
from tunnelmgr_teredo.wire.trailers import NonceTrailer, parse_trailers

SERVER = Endpoint(SERVER_1, 3544)
DATA = PACKETS["data-direct"].payload


@pytest.fixture
def client_a() -> Bench:
    bench = Bench(ScriptedRandom(flags=0x1C2D)).qualified(CLIENT_A_MAPPED)
    assert bench.address == CLIENT_A
    bench.refreshes = CLIENT_A_MAPPED
    return bench


def errors(bench: Bench) -> list[object]:
    """Take the ICMPv6 errors this host was told."""
    return [parse_icmpv6(IPv6Packet.parse(packet)) for packet in bench.delivered()]


def unreachable(packet: bytes) -> DestinationUnreachable:
    return DestinationUnreachable(UnreachableCode.ADDRESS_UNREACHABLE, packet)


def native(payload: bytes = b"hello") -> bytes:
    return udp_packet(CLIENT_A, NATIVE_HOST, payload)


def use(address: IPv6Address, *, received_at: float | None, sent_at: float | None) -> PathUse:
    return PathUse(IPv6Network(address), received_at, sent_at, 1 if received_at else 0, 100, 1, 100)


# -- what is not sent ---------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-TX-001", "T-RX-020")
@pytest.mark.parametrize("destination", ["ff02::1", "ff0e::1", "fe80::1"])
def test_multicast_and_link_local_packets_are_dropped_silently(client_a: Bench, destination: str) -> None:
    client_a.send(udp_packet(CLIENT_A, IPv6Address(destination)))
    assert (client_a.sent(), client_a.delivered()) == ([], [])
    assert client_a.dropped("scope") == 1


@pytest.mark.requirement("T-TX-007")
def test_a_source_that_is_not_ours_is_told_so(client_a: Bench) -> None:
    packet = udp_packet(IPv6Address("2001:db8::5"), NATIVE_HOST)
    client_a.send(packet)
    assert errors(client_a) == [DestinationUnreachable(UnreachableCode.ADMINISTRATIVELY_PROHIBITED, packet)]
    assert client_a.sent() == []


@pytest.mark.requirement("T-CL-026")
def test_a_host_without_an_address_is_told_that_nobody_is_reached() -> None:
    bench = Bench().start()
    bench.sent()
    bench.send(native())
    assert errors(bench) == [unreachable(native())]
    assert bench.sent() == []


@pytest.mark.requirement("T-TX-016")
def test_a_packet_that_is_too_big_is_told_the_mtu(client_a: Bench) -> None:
    packet = udp_packet(CLIENT_A, NATIVE_HOST, bytes(1280 - 47))
    client_a.send(packet)
    assert errors(client_a) == [PacketTooBig(1280, packet[: 1280 - 48])]
    client_a.send(packet[:4] + (1240).to_bytes(2, "big") + packet[6:1280])
    assert len(client_a.sent()) == 1


@pytest.mark.requirement("T-TX-006", "T-AD-012")
@pytest.mark.parametrize(
    "destination",
    [
        TeredoAddress(SERVER_2, 0, Endpoint(IPv4Address("10.0.0.53"), 53)),
        TeredoAddress(SERVER_2, 0, Endpoint(IPv4Address("224.0.0.1"), 53)),
        TeredoAddress(SERVER_2, 0, Endpoint(IPv4Address("192.0.2.10"), 0)),
        TeredoAddress(IPv4Address("127.0.0.1"), 0, CLIENT_B_MAPPED),
        TeredoAddress(SERVER_2, 0x1234, CLIENT_A_MAPPED),
    ],
    ids=["private", "multicast", "port 0", "server", "our own mapping"],
)
def test_a_peer_that_cannot_be_there_is_sent_nothing(client_a: Bench, destination: TeredoAddress) -> None:
    client_a.send(udp_packet(CLIENT_A, destination.ipv6))
    client_a.wait(CONTACT_TIME)
    assert client_a.sent() == []
    assert client_a.dropped("destination") == 1


@pytest.mark.requirement("T-AD-011")
@pytest.mark.parametrize("destination", ["3ffe:831f:8ac3:9ddd:0:3650:ba0c:d759", "fc00::1", "::1", "::ffff:192.0.2.1"])
def test_addresses_that_no_relay_serves_are_told_unreachable(client_a: Bench, destination: str) -> None:
    packet = udp_packet(CLIENT_A, IPv6Address(destination))
    client_a.send(packet)
    assert errors(client_a) == [unreachable(packet)]
    assert client_a.sent() == []


def test_bytes_that_are_no_packet_are_dropped(client_a: Bench) -> None:
    for junk in (b"", b"\x60", bytes(100), native()[:-1]):
        client_a.send(junk)
    assert client_a.dropped("malformed") == 4
    assert (client_a.sent(), client_a.delivered()) == ([], [])


# -- native hosts -------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-TX-003", "T-TX-012")
def test_a_native_host_is_tested_through_the_server_four_times_and_given_two_seconds_each(client_a: Bench) -> None:
    client_a.send(native())
    began, times, requests = client_a.now, [], []
    while not (told := errors(client_a)):
        for sent in client_a.sent():
            assert sent.remote == SERVER
            times.append(client_a.now - began)
            requests.append(parse_icmpv6(IPv6Packet.parse(sent.data)))
        client_a.wake()
    assert ROUND_TIME >= CONTACT_TIMEOUT == 2.0
    assert times == [0, ROUND_TIME, 2 * ROUND_TIME, 3 * ROUND_TIME]
    assert client_a.now - began == CONTACT_TIME
    assert told == [unreachable(native())]
    nonces = {request.data for request in requests if isinstance(request, EchoRequest)}
    assert len(nonces) == 4
    assert {len(nonce) for nonce in nonces} == {16}


@pytest.mark.requirement("T-TX-003", "T-PK-011")
def test_an_echo_test_is_the_packet_of_the_vector_but_for_its_random_parts(client_a: Bench) -> None:
    client_a.send(native())
    (sent,) = client_a.sent()
    packet, vector = IPv6Packet.parse(sent.data), IPv6Packet.parse(PACKETS["echo-test-request"].payload)
    assert sent.data[:40] == PACKETS["echo-test-request"].payload[:40]
    assert len(packet.payload) == len(vector.payload)
    assert sent.tos == 0


@pytest.mark.requirement("T-PE-004", "T-PE-007", "T-TX-002")
def test_packets_that_waited_go_first_and_in_order(client_a: Bench) -> None:
    packets = [native(bytes((number,))) for number in range(5)]
    for packet in packets:
        client_a.send(packet)
    (test,) = client_a.sent()
    request = parse_icmpv6(IPv6Packet.parse(test.data))
    assert isinstance(request, EchoRequest)
    client_a.receive(icmpv6_packet(request.reply(), NATIVE_HOST, CLIENT_A).serialize(), RELAY)
    client_a.send(native(b"last"))
    sent = client_a.sent()
    assert [datagram.data for datagram in sent] == [*packets, native(b"last")]
    assert {datagram.remote for datagram in sent} == {RELAY}
    assert client_a.take_events(PathUp)[0].prefix == IPv6Network(NATIVE_HOST)


@pytest.mark.requirement("T-PE-004")
def test_a_queue_keeps_the_eight_newest_packets(client_a: Bench) -> None:
    packets = [native(bytes((number,))) for number in range(10)]
    for packet in packets:
        client_a.send(packet)
    client_a.wait(CONTACT_TIME)
    assert errors(client_a) == [unreachable(packet) for packet in packets[2:]]
    assert client_a.dropped("queue-full") == 2


@pytest.mark.requirement("T-TX-013", "T-TX-014", "T-PE-008")
def test_a_host_that_does_not_answer_is_refused_for_a_while(client_a: Bench) -> None:
    client_a.send(native())
    client_a.wait(CONTACT_TIME)
    client_a.delivered()
    tests = client_a.client.status(client_a.now).counters["echo-tests-sent"]
    client_a.wait(BUBBLE_WINDOW - 2 * CONTACT_TIME)
    client_a.send(native())
    assert errors(client_a) == [unreachable(native())]
    assert client_a.client.status(client_a.now).counters["echo-tests-sent"] == tests


@pytest.mark.requirement("T-TX-013")
def test_after_the_window_a_silent_host_is_tested_again(client_a: Bench) -> None:
    client_a.send(native())
    client_a.wait(BUBBLE_WINDOW)
    client_a.delivered()
    client_a.send(native())
    assert client_a.delivered() == []
    assert client_a.client.status(client_a.now).counters["echo-tests-sent"] == CONTACT_ROUNDS + 1


# -- Teredo peers -------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-TX-005", "T-TX-011")
def test_a_round_is_an_opener_an_indirect_bubble_and_a_direct_one_a_little_later(client_a: Bench) -> None:
    client_a.send(DATA)
    opener, indirect = client_a.sent()
    assert (opener.remote, opener.ttl) == (CLIENT_B_MAPPED, OPENER_TTL)
    assert (indirect.remote, indirect.ttl) == (Endpoint(SERVER_2, 3544), None), "through the peer's server, not ours"
    assert client_a.wake() == DIRECT_BUBBLE_DELAY
    (direct,) = client_a.sent()
    assert (direct.remote, direct.ttl) == (CLIENT_B_MAPPED, None)
    assert opener.data == direct.data == bubble(CLIENT_A, CLIENT_B) == indirect.data[:40]
    assert isinstance(parse_trailers(indirect.data[40:])[0], NonceTrailer)


@pytest.mark.requirement("T-TX-005")
def test_the_direct_bubble_goes_as_soon_as_the_peer_says_that_it_has_answered(client_a: Bench) -> None:
    client_a.send(DATA)
    client_a.sent()
    client_a.now += 0.3
    client_a.receive(Payload(bubble(CLIENT_B, CLIENT_A), None, OriginIndication(CLIENT_B_MAPPED)).serialize(), SERVER)
    (direct,) = client_a.sent()
    assert (direct.remote, direct.ttl, direct.data) == (CLIENT_B_MAPPED, None, bubble(CLIENT_A, CLIENT_B))


@pytest.mark.requirement("T-TX-005", "T-TX-009", "T-TX-014", "T-PE-008")
def test_four_rounds_then_the_host_is_told(client_a: Bench) -> None:
    client_a.send(DATA)
    began, indirect, link_local = client_a.now, [], []
    while not (told := errors(client_a)):
        sent = [IPv6Packet.parse(datagram.data[:40]) for datagram in client_a.sent() if datagram.remote.address == SERVER_2]
        indirect += [client_a.now - began for packet in sent if packet.source == CLIENT_A]
        link_local += [client_a.now - began for packet in sent if packet.source.is_link_local]
        client_a.wake()
    assert indirect == [0, ROUND_TIME, 2 * ROUND_TIME, 3 * ROUND_TIME]
    assert link_local == indirect[1:], "for Miredo behind a symmetric NAT, when the first round found nobody"
    assert client_a.now - began == CONTACT_TIME
    assert told == [unreachable(DATA)]
    client_a.send(DATA)
    assert errors(client_a) == [unreachable(DATA)], "at once, while the rounds still count"
    assert client_a.sent() == []


@pytest.mark.requirement("T-TX-014")
def test_a_peer_that_has_left_is_given_up_with_its_path(client_a: Bench) -> None:
    client_a.receive(bubble(CLIENT_B, CLIENT_A), CLIENT_B_MAPPED)
    client_a.wait(PEER_VALIDITY + 1)
    client_a.take_events(PathDown)
    client_a.send(DATA)
    client_a.wait(CONTACT_TIME)
    assert errors(client_a) == [unreachable(DATA)]
    assert [event.prefix for event in client_a.take_events(PathDown)] == [IPv6Network(CLIENT_B)]
    (peer,) = client_a.client.status(client_a.now).peers
    assert (peer.path, peer.endpoint) == ("none", None)


@pytest.mark.requirement("T-TX-014", "T-RX-017")
def test_a_test_that_a_stranger_provoked_and_nobody_answers_ends_no_trust(client_a: Bench) -> None:
    client_a.receive(bubble(CLIENT_B, CLIENT_A), CLIENT_B_MAPPED)
    client_a.send(udp_packet(CLIENT_A, NATIVE_HOST))
    request = parse_icmpv6(IPv6Packet.parse(client_a.sent()[-1].data))
    assert isinstance(request, EchoRequest)
    client_a.receive(icmpv6_packet(request.reply(), NATIVE_HOST, CLIENT_A).serialize(), RELAY)
    client_a.wait(5)
    client_a.receive(udp_packet(NATIVE_HOST, CLIENT_A), CLIENT_B_MAPPED)
    client_a.wait(2 * CONTACT_TIME)
    assert errors(client_a) == []
    assert client_a.take_events(PathDown) == []


@pytest.mark.requirement("T-TX-014", "T-TX-009")
def test_a_peer_that_calls_while_it_is_called_gets_no_more_rounds_and_the_host_is_told_in_time(client_a: Bench) -> None:
    client_a.send(DATA)
    rounds, began = 0, client_a.now
    while client_a.now < began + CONTACT_TIME - 0.05:
        client_a.receive(bubble(CLIENT_B, CLIENT_A), SERVER)
        client_a.wait(0.1)
        sent = [datagram for datagram in client_a.sent() if datagram.remote.address == SERVER_2]
        rounds += sum(datagram.data[:40] == bubble(CLIENT_A, CLIENT_B) for datagram in sent)
    assert rounds == CONTACT_ROUNDS
    client_a.wait(1)
    assert errors(client_a) == [unreachable(DATA)]


@pytest.mark.requirement("T-TX-002", "T-RX-010")
def test_a_peer_that_answers_is_sent_what_waited_and_all_that_follows(client_a: Bench) -> None:
    client_a.send(DATA)
    client_a.sent()
    client_a.receive(PACKETS["bubble-direct-nonce-reply"].payload, CLIENT_B_MAPPED)
    assert [(sent.remote, sent.data) for sent in client_a.sent()] == [(CLIENT_B_MAPPED, DATA)]
    client_a.wait(CONTACT_TIME)
    assert [sent for sent in client_a.sent() if sent.remote != SERVER] == [], "no more bubbles"
    client_a.send(DATA)
    assert [(sent.remote, sent.data) for sent in client_a.sent()] == [(CLIENT_B_MAPPED, DATA)]


@pytest.mark.requirement("T-TX-001")
def test_the_cone_bit_of_a_peer_changes_nothing(client_a: Bench) -> None:
    cone = TeredoAddress(SERVER_2, 0x8000, CLIENT_B_MAPPED)
    client_a.send(udp_packet(CLIENT_A, cone.ipv6))
    assert [sent.remote.port for sent in client_a.sent()] == [CLIENT_B_MAPPED.port, 3544], "bubbles, not data"


@pytest.mark.requirement("T-PE-003", "T-TX-002")
def test_a_silent_peer_is_contacted_again_before_anything_is_sent(client_a: Bench) -> None:
    client_a.receive(bubble(CLIENT_B, CLIENT_A), CLIENT_B_MAPPED)
    client_a.wait(PEER_VALIDITY - 0.1)
    client_a.sent()
    client_a.send(DATA)
    assert [sent.data for sent in client_a.sent()] == [DATA]
    client_a.wait(BUBBLE_INTERVAL + 0.1)
    client_a.sent()
    client_a.send(DATA)
    assert {sent.data[:40] for sent in client_a.sent()} == {bubble(CLIENT_A, CLIENT_B)}
    client_a.receive(bubble(CLIENT_B, CLIENT_A), CLIENT_B_MAPPED)
    assert [sent.data for sent in client_a.sent()] == [DATA]


@pytest.mark.requirement("T-PE-003")
def test_what_the_data_plane_carried_keeps_a_peer_valid(client_a: Bench) -> None:
    client_a.receive(bubble(CLIENT_B, CLIENT_A), CLIENT_B_MAPPED)
    client_a.wait(PEER_VALIDITY - 1)
    client_a.client.paths_used([use(CLIENT_B, received_at=client_a.now, sent_at=None)], client_a.now)
    client_a.wait(PEER_VALIDITY - 1)
    client_a.sent()
    client_a.send(DATA)
    assert [sent.data for sent in client_a.sent()] == [DATA]


@pytest.mark.requirement("T-PE-003")
def test_a_client_with_paths_in_use_asks_to_be_woken_to_hear_of_them(client_a: Bench) -> None:
    client_a.receive(bubble(CLIENT_B, CLIENT_A), CLIENT_B_MAPPED)
    began = client_a.now
    assert client_a.wake() <= PATH_REPORT_INTERVAL
    wakes = 0
    while client_a.now < began + PEER_VALIDITY - 1:
        client_a.wake()
        wakes += 1
    client_a.wait(2)
    assert 5 <= wakes <= 8
    while client_a.state != "refreshing":
        client_a.wake()
        wakes += 1
    assert wakes <= 9, "and no more once they have lapsed"


@pytest.mark.requirement("T-TX-008")
def test_no_bubble_goes_too_soon_after_the_last_transmission(client_a: Bench) -> None:
    client_a.receive(bubble(CLIENT_B, CLIENT_A), CLIENT_B_MAPPED)
    client_a.wait(PEER_VALIDITY + 0.5)
    client_a.client.paths_used([use(CLIENT_B, received_at=None, sent_at=client_a.now - 0.7)], client_a.now)
    client_a.sent()
    client_a.send(DATA)
    assert client_a.sent() == []
    client_a.wait(BUBBLE_INTERVAL - 0.8)
    assert [sent for sent in client_a.sent() if sent.remote != SERVER] == []
    client_a.wait(0.2)
    assert [sent.remote for sent in client_a.sent() if sent.data == bubble(CLIENT_A, CLIENT_B)]


@pytest.mark.requirement("T-TX-010")
def test_one_ipv4_host_gets_few_bubbles_however_many_addresses_name_it(client_a: Bench) -> None:
    for flags in range(64):
        for server in (SERVER_2, IPv4Address("198.51.100.120")):
            client_a.send(udp_packet(CLIENT_A, TeredoAddress(server, flags, CLIENT_B_MAPPED).ipv6))
    hits = [sent for sent in client_a.sent() if sent.remote.address == CLIENT_B_MAPPED.address]
    assert len(hits) == 8
    assert client_a.dropped("bubble-limit") > 0


# -- errors and the end -------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-TX-015")
def test_errors_come_ten_in_any_second_at_most() -> None:
    bench = Bench().start()
    told = []
    for _ in range(400):
        bench.send(native())
        told += [bench.now] * len(bench.delivered())
        bench.wait(0.01)
    assert len(told) > 3 * HOST_ERRORS
    for start in told:
        assert sum(start <= at < start + 1 for at in told) <= HOST_ERRORS == 10


@pytest.mark.requirement("T-TX-015")
def test_errors_are_not_answered_with_errors(client_a: Bench) -> None:
    nowhere = IPv6Address("fc00::1")
    packet = udp_packet(CLIENT_A, nowhere)
    client_a.send(packet)
    assert errors(client_a) == [unreachable(packet)]
    client_a.send(icmpv6_packet(unreachable(native()), CLIENT_A, nowhere).serialize())
    assert client_a.delivered() == []


@pytest.mark.requirement("T-MA-007", "T-PE-008")
def test_a_loss_takes_the_paths_away_and_tells_whoever_waits(client_a: Bench) -> None:
    client_a.receive(bubble(CLIENT_B, CLIENT_A), CLIENT_B_MAPPED)
    client_a.refreshes = None
    client_a.wait(REFRESH_INTERVAL + 3)
    client_a.send(native())
    client_a.wait(SERVER_GIVEN_UP)
    assert client_a.take_events(Down)
    assert PathDown(IPv6Network(CLIENT_B)) in client_a.said
    assert unreachable(native()) in errors(client_a)
    assert client_a.client.status(client_a.now).peers == ()


@pytest.mark.requirement("T-MA-007")
def test_another_mapping_flushes_peers_and_paths(client_a: Bench) -> None:
    client_a.receive(bubble(CLIENT_B, CLIENT_A), CLIENT_B_MAPPED)
    client_a.take_events(PathUp)
    client_a.refreshes = Endpoint(CLIENT_A_MAPPED.address, 5000)
    client_a.wait(REFRESH_INTERVAL)
    assert client_a.take_events(PathDown) == [PathDown(IPv6Network(CLIENT_B))]
    assert client_a.client.status(client_a.now).peers_total == 0


@pytest.mark.requirement("T-MA-008")
def test_packets_flow_while_a_refresh_is_outstanding(client_a: Bench) -> None:
    while client_a.state != "refreshing":
        client_a.wake()
    client_a.sent()
    client_a.receive(PACKETS["bubble-direct-nonce-reply"].payload, CLIENT_B_MAPPED)
    client_a.send(DATA)
    assert [sent.data for sent in client_a.sent()] == [DATA]
    client_a.receive(udp_packet(CLIENT_B, CLIENT_A), CLIENT_B_MAPPED)
    assert len(client_a.delivered()) == 1


@pytest.mark.requirement("T-SE-006", "T-SE-008")
def test_a_status_lists_peers_and_counts_what_was_dropped(client_a: Bench) -> None:
    client_a.receive(bubble(CLIENT_B, CLIENT_A), CLIENT_B_MAPPED)
    client_a.wait(3)
    client_a.receive(b"junk", CLIENT_B_MAPPED)
    status = client_a.client.status(client_a.now)
    (peer,) = status.peers
    assert (peer.address, peer.path, peer.last_received, peer.last_sent) == (str(CLIENT_B), "direct", 3.0, None)
    assert status.counters["dropped-malformed"] == 1
    assert status.facts["server"] == str(SERVER_1)
    assert status.facts["encrypted"] is False
