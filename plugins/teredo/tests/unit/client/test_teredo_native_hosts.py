"""What client B of the vectors believes of native hosts and their relays."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from tests.teredo_world.bench import Bench, ScriptedRandom, udp_packet
from tests.teredo_world.clients import SERVER_OF_B, STRANGER, client_b, echo_requests, receive, reply_to
from tests.teredo_world.vectors import (
    CLIENT_A,
    CLIENT_A_MAPPED,
    CLIENT_B,
    CLIENT_B_MAPPED,
    NATIVE_HOST,
    RELAY,
    SERVER_2,
)

from tunnelmgr.api.events import PathDown, PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest, OtherIcmp
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.status import PathUse
from tunnelmgr_teredo.client.contacts import ROUND_TIME
from tunnelmgr_teredo.constants import (
    BUBBLE_INTERVAL,
    CONTACT_ROUNDS,
    ECHO_NONCE_VALIDITY,
    PATH_RENEWAL_INTERVAL,
    PEER_VALIDITY,
    STRANGER_ECHO_TESTS,
)
from tunnelmgr_teredo.wire.datagram import OriginIndication, Payload, bubble, with_trailers
from tunnelmgr_teredo.wire.trailers import NonceTrailer

__all__ = ["client_b"]


@pytest.mark.requirement("T-RX-017", "T-RX-011")
def test_a_packet_of_an_unknown_host_is_held_until_its_relay_is_proven(client_b: Bench) -> None:
    packet = udp_packet(NATIVE_HOST, CLIENT_B)
    client_b.receive(packet, RELAY)
    assert client_b.delivered() == []
    (request,) = echo_requests(client_b)
    client_b.receive(reply_to(request), RELAY)
    assert client_b.delivered() == [packet], "and not the echo reply"
    assert client_b.dropped("unproven") == 0
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
        (icmpv6_packet(OtherIcmp(137, 0, bytes(36)), NATIVE_HOST, CLIENT_B).serialize(), "link-only"),
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
    assert client_b.dropped("echo-reply") == 1, "the one that is a reply; the others are held as any packet is"


@pytest.mark.requirement("T-RX-012")
def test_a_reply_that_takes_too_long_changes_nothing(client_b: Bench) -> None:
    client_b.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (request,) = echo_requests(client_b)
    client_b.wait(ECHO_NONCE_VALIDITY)
    client_b.take_events(PathUp)
    client_b.receive(reply_to(request), RELAY)
    assert client_b.take_events(PathUp) == []


@pytest.mark.requirement("T-RX-011")
def test_a_reply_that_takes_longer_than_the_next_test_is_as_good(client_b: Bench) -> None:
    client_b.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (request,) = echo_requests(client_b)
    client_b.wait(2.5 * ROUND_TIME)
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
    client_a.receive(udp_packet(NATIVE_HOST, client_a.address), RELAY)
    assert len(client_a.sent()) == 1, "as any other packet would"


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
    client_b.wait(BUBBLE_INTERVAL)
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
        client_b.wait(PATH_RENEWAL_INTERVAL)
        use = PathUse(IPv6Network(NATIVE_HOST), client_b.now, None, 1, 100, 0, 0)
        client_b.client.paths_used([use], client_b.now)
        watched += [path.watch_echo for path in client_b.take_events(PathUp)]
    assert (watched[0], watched[-1], watched.count(False)) == (True, False, 1)


@pytest.mark.requirement("T-PE-003")
def test_a_stranger_does_not_make_a_path_last(client_b: Bench) -> None:
    reached(client_b)
    client_b.wait(PEER_VALIDITY - 10)
    client_b.receive(udp_packet(NATIVE_HOST, CLIENT_B), STRANGER)
    assert [path.valid_for for path in client_b.take_events(PathUp)] == [pytest.approx(10)]
    client_b.wait(10)
    assert all(path.valid_for and path.valid_for < 10 for path in client_b.take_events(PathUp))
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
    client_b.wait(1.5 * ROUND_TIME)
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
    client_b.wait(PEER_VALIDITY + 1)
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
def test_strangers_make_us_test_an_address_a_few_times(client_b: Bench) -> None:
    for _ in range(20):
        client_b.receive(udp_packet(NATIVE_HOST, CLIENT_B), RELAY)
        client_b.wait(ROUND_TIME)
    tests = [request for request in echo_requests(client_b) if request.destination == NATIVE_HOST]
    assert len(tests) == CONTACT_ROUNDS


@pytest.mark.requirement("T-RX-018")
def test_strangers_make_us_test_fifty_times_a_second(client_b: Bench) -> None:
    for number in range(500):
        client_b.receive(udp_packet(IPv6Address(int(NATIVE_HOST) + number), CLIENT_B), RELAY)
    assert len(echo_requests(client_b)) == STRANGER_ECHO_TESTS == 50
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


@pytest.mark.requirement("T-RX-011")
def test_a_relay_that_is_denied_is_not_believed_and_not_answered() -> None:
    bench = Bench(server=str(SERVER_2), relays={"deny": ["198.51.100.200/32"]}).qualified(CLIENT_B_MAPPED, SERVER_2)
    own = bench.address
    bench.send(udp_packet(own, NATIVE_HOST))
    (request,) = echo_requests(bench)
    bench.receive(reply_to(request), RELAY)
    bench.receive(udp_packet(NATIVE_HOST, own), RELAY)
    bench.receive(Payload(bubble(NATIVE_HOST, own), None, OriginIndication(RELAY)).serialize(), SERVER_OF_B)
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
