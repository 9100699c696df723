"""How much a server sends to whom, and what a relay beside it changes."""

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest
from tests.teredo_world import vectors
from tests.teredo_world.around_server import OUR_CLIENT, SECRET, SOLICITATION, STRANGER, refused
from tests.teredo_world.bench import udp_packet
from tests.teredo_world.served_bench import (
    SERVER_2,
    ServedBench,
    echo_request,
    knock,
    objects_of,
    server_bench,
)
from tests.teredo_world.vectors import CLIENT_A, CLIENT_A_MAPPED, NATIVE_HOST, PACKETS, client_at

from tunnelmgr.api.events import Up
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.constants import GUEST_MEMORY, GUESTS_MAX, TEREDO_PREFIX
from tunnelmgr_teredo.relay.guests import Signatories
from tunnelmgr_teredo.wire.datagram import OriginIndication, Payload

# -- limits -----------------------------------------------------------------------------------------------------------


def sources(count: int, first: str = "198.51.100.0") -> list[Endpoint]:
    return [Endpoint(IPv4Address(first) + number, 40000) for number in range(count)]


def flood(bench: ServedBench, remotes: list[Endpoint], each: int, payload: Callable[[Endpoint], bytes]) -> int:
    """Send `each` datagrams from each source at one instant; return how many were answered or passed on."""
    return sum(len(bench.take(payload(remote), remote)) for remote in remotes for _ in range(each))


def solicitation(_: Endpoint) -> bytes:
    return SOLICITATION.payload


@pytest.mark.requirement("T-SV-025")
def test_one_address_is_answered_eight_times_and_four_times_a_second_from_then_on() -> None:
    bench = server_bench()
    assert flood(bench, [STRANGER], 20, solicitation) == 8
    bench.now += 1
    assert flood(bench, [STRANGER], 20, solicitation) == 4
    assert bench.dropped() == {"solicitation-limit": 28}


@pytest.mark.requirement("T-SV-025")
def test_a_network_under_fire_gets_no_more_than_its_share() -> None:
    """100,000 solicitations a second from one /24, a tenth of a second of them: the victim sees the burst and the rate."""
    bench = server_bench()
    assert flood(bench, sources(250), 40, solicitation) == 128
    bench.now += 1
    assert flood(bench, sources(250), 4, solicitation) == 64
    assert bench.take(SOLICITATION.payload, CLIENT_A_MAPPED), "other networks are answered all the while"


@pytest.mark.requirement("T-SV-025")
def test_there_is_a_limit_in_all() -> None:
    bench = server_bench()
    spread = [Endpoint(IPv4Address("1.0.0.1") + (number << 8), 40000) for number in range(6000)]
    assert flood(bench, spread, 1, solicitation) == 5000


@pytest.mark.requirement("T-SV-025")
def test_bubbles_to_one_address_are_limited_whoever_sends_them() -> None:
    """Thousands of Teredo addresses name the same victim."""
    bench = server_bench()

    def bubble_to_victim(remote: Endpoint) -> bytes:
        return knock(
            client_at(str(remote.address), remote.port, vectors.SERVER_2),
            client_at("192.0.2.50", 1024 + int(remote.address) % 256),
        )

    assert flood(bench, sources(200), 1, bubble_to_victim) == 64
    assert bench.dropped() == {"forward-limit": 136}
    assert bench.take(knock(CLIENT_A, client_at("192.0.2.51")), CLIENT_A_MAPPED)


@pytest.mark.requirement("T-SV-025")
def test_echo_tests_of_one_client_are_limited() -> None:
    bench = server_bench()
    for number in range(100):
        bench.take(echo_request(CLIENT_A, NATIVE_HOST + number), CLIENT_A_MAPPED)
    assert len(bench.delivered()) == 64
    assert bench.dropped() == {"echo-limit": 36}


@pytest.mark.requirement("T-SV-026")
def test_a_server_remembers_nobody_but_for_its_limits() -> None:
    """They keep 16,384 addresses: what holds no more after 24,000 than after 18,000 holds no more after a million."""
    bench = server_bench()

    def meet(first: int, count: int) -> int:
        for number in range(first, first + count):
            # Each in a network of its own.
            bench.take(SOLICITATION.payload, Endpoint(IPv4Address(0x10000001 + (number << 8)), 40000))
        return objects_of(bench.tunnel)

    after_18_000 = meet(0, 18_000)
    assert meet(18_000, 6_000) <= after_18_000 + 10


# -- with a relay beside it -------------------------------------------------------------------------------------------


def far_end(**settings: Any) -> ServedBench:
    return server_bench(relay=True, **settings)


def test_the_relay_has_a_port_of_its_own() -> None:
    bench = far_end()
    assert bench.channels[Endpoint(vectors.SERVER_1, 3545)] == "relay"
    [up] = bench.take_events(Up)
    assert (up.config.routes, up.config.translate) == ((TEREDO_PREFIX,), ())


def test_with_nat66_the_clients_sources_are_translated_and_status_says_what_that_means() -> None:
    bench = far_end(exit="nat66")
    [up] = bench.take_events(Up)
    assert up.config.translate == (TEREDO_PREFIX,)
    assert up.details["exit"] == "nat66: outgoing only, clients appear as this host"
    assert bench.tunnel.status(0).facts["exit"] == up.details["exit"]


def test_the_relay_asks_our_own_clients_without_going_through_the_network() -> None:
    bench = far_end()
    [asked] = bench.send(udp_packet(NATIVE_HOST, CLIENT_A))
    assert (asked.channel, asked.remote) == ("primary", CLIENT_A_MAPPED)
    payload = Payload.parse(asked.data)
    assert payload.origin == OriginIndication(Endpoint(vectors.SERVER_1, 3545))
    bubble = IPv6Packet.parse(payload.packet)
    answer = knock(CLIENT_A, bubble.source)
    [sent] = bench.take(answer, CLIENT_A_MAPPED, "relay")
    assert (sent.channel, sent.remote) == ("relay", CLIENT_A_MAPPED)
    assert bench.take(udp_packet(CLIENT_A, NATIVE_HOST), CLIENT_A_MAPPED, "relay") == []
    assert len(bench.delivered()) == 1


def test_behind_a_translating_provider_the_relay_names_its_public_address() -> None:
    bench = server_bench([vectors.SERVER_1], bind=["10.1.2.3"], relay=True)
    assert Endpoint(IPv4Address("10.1.2.3"), 3545) in bench.channels
    [asked] = bench.send(udp_packet(NATIVE_HOST, CLIENT_A))
    assert Payload.parse(asked.data).origin == OriginIndication(Endpoint(vectors.SERVER_1, 3545))


def test_the_relay_asks_clients_of_other_servers_through_these() -> None:
    [asked] = far_end().send(udp_packet(NATIVE_HOST, vectors.CLIENT_B))
    assert (asked.channel, asked.remote) == ("relay", SERVER_2)


def test_the_relays_own_questions_are_limited_like_everybody_elses() -> None:
    bench = far_end(peers_max=4096)
    asked = [bench.send(udp_packet(NATIVE_HOST, client_at("192.0.2.50", 1024 + number))) for number in range(100)]
    assert sum(map(len, asked)) == 64
    assert bench.count("dropped-forward-limit") == 36


def test_status_counts_both_apart() -> None:
    bench = far_end()
    bench.take_vector(SOLICITATION)
    bench.take(knock(CLIENT_A, OUR_CLIENT), CLIENT_A_MAPPED, "relay")
    assert bench.count("datagrams-received") == bench.count("relay-datagrams-received") == 1
    assert bench.count("relay-dropped-no-entry") == 1
    bench.send(udp_packet(NATIVE_HOST, CLIENT_A))
    assert bench.tunnel.status(bench.now).peers_total == 1


def test_a_far_end_with_secrets_carries_nothing_for_strangers() -> None:
    """Whoever makes up an address of his own needs no advertisement to use it."""
    bench = far_end(secure=[SECRET])
    assert refused(bench, PACKETS["echo-test-request"].payload) == {"unsigned": 1}
    assert bench.send(udp_packet(NATIVE_HOST, CLIENT_A)) == []
    bench.take_vector(PACKETS["rs-secure-hmac-sha1"])
    bench.take_vector(PACKETS["echo-test-request"])
    assert len([packet for packet in bench.delivered() if packet == PACKETS["echo-test-request"].payload]) == 1
    assert len(bench.send(udp_packet(NATIVE_HOST, CLIENT_A))) == 1
    bench.now += GUEST_MEMORY + 1
    assert bench.send(udp_packet(NATIVE_HOST, CLIENT_A)) == []


def test_a_far_end_for_some_networks_carries_nothing_for_others() -> None:
    own = f"{CLIENT_A_MAPPED.address}/32"
    others = far_end(exit="nat66", clients=["198.51.100.0/24"])
    for packet in (SOLICITATION.payload, PACKETS["echo-test-request"].payload):
        others.take(packet, CLIENT_A_MAPPED)
    assert others.tunnel.status(others.now).counters["dropped-stranger"] == 2
    assert others.sent() == others.send(udp_packet(NATIVE_HOST, CLIENT_A)) == []
    bench = far_end(exit="nat66", clients=["198.51.100.0/24", own])
    assert len(bench.take(SOLICITATION.payload, CLIENT_A_MAPPED)) == 1
    assert len(bench.send(udp_packet(NATIVE_HOST, CLIENT_A))) == 1


@pytest.mark.parametrize(
    ("settings", "is_open"),
    [
        ({"exit": "nat66"}, True),
        ({"exit": "nat66", "clients": ["192.0.2.0/24"]}, False),
        ({"exit": "nat66", "secure": [SECRET]}, False),
        ({"exit": "native"}, False),
    ],
)
def test_a_far_end_that_strangers_use_in_its_name_says_so(settings: dict[str, Any], is_open: bool) -> None:
    bench = far_end(**settings)
    [up] = bench.take_events(Up)
    assert bool(up.exposure) is bool(up.exposure_hint) is is_open


def test_strangers_may_knock_at_the_clients_of_a_far_end_with_secrets() -> None:
    assert len(far_end(secure=[SECRET]).take(knock(CLIENT_A, OUR_CLIENT), CLIENT_A_MAPPED)) == 1


def test_mappings_of_clients_with_secrets_are_bounded() -> None:
    guests = Signatories()
    for number in range(GUESTS_MAX + 1):
        guests.welcome(Endpoint(IPv4Address(number), 1), 0.0)
        if number == 1:
            guests.welcome(Endpoint(IPv4Address(0), 1), 0.0)
    assert guests.admits(Endpoint(IPv4Address(0), 1), 1.0)
    assert not guests.admits(Endpoint(IPv4Address(1), 1), 1.0)
