"""The relay, rule by rule (docs/protocols/teredo.md section 7)."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Network

import pytest
from pydantic import ValidationError
from tests.teredo_world import vectors
from tests.teredo_world.around_relay import A_PATH, answer, errors, send, with_client
from tests.teredo_world.bench import udp_packet
from tests.teredo_world.served_bench import (
    RELAY_NATIVE,
    knock,
    relay_bench,
)
from tests.teredo_world.vectors import CLIENT_A, CLIENT_A_MAPPED, CLIENT_B, CLIENT_B_MAPPED, NATIVE_HOST, client_at

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.events import PathUp, Up
from tunnelmgr.api.network import Endpoint, LocalAddress, Network
from tunnelmgr.api.packets.discovery import NeighbourSolicitation
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr_teredo.constants import PEER_VALIDITY, RELAY_CONTACT_ROUNDS, RELAY_CONTACT_TIMEOUT, TEREDO_PREFIX
from tunnelmgr_teredo.wire.datagram import is_bubble, with_trailers
from tunnelmgr_teredo.wire.trailers import NonceTrailer, UnknownTrailer

SERVER_1 = Endpoint(vectors.SERVER_1, 3544)

SYMMETRIC_PORT = Endpoint(CLIENT_A_MAPPED.address, 61234)


# -- from native IPv6 to clients --------------------------------------------------------------------------------------


@pytest.mark.requirement("T-RL-005", "T-RL-015", "T-RL-004")
def test_an_unknown_client_is_asked_through_its_server() -> None:
    bench = relay_bench()
    [knocked] = send(bench)
    assert (knocked.channel, knocked.remote) == ("relay", SERVER_1)
    packet = IPv6Packet.parse(knocked.data)
    assert is_bubble(packet)
    assert packet.destination == CLIENT_A
    assert packet.source in IPv6Network("fe80::/64")


@pytest.mark.requirement("T-RL-004")
def test_the_cone_bit_of_a_client_changes_nothing() -> None:
    [knocked] = send(relay_bench(), client_at("192.0.2.1", flags=0x8000))
    assert knocked.remote == SERVER_1


@pytest.mark.requirement("T-RL-003", "T-RL-008")
def test_a_client_that_answers_gets_what_waited_for_it_in_order() -> None:
    bench = relay_bench()
    packets = [udp_packet(NATIVE_HOST, CLIENT_A, bytes([number])) for number in range(5)]
    [knocked] = bench.send(packets[0])
    assert [bench.send(packet) for packet in packets[1:]] == [[], [], [], []]
    assert answer(bench, knocked) == [Datagram("relay", packet, CLIENT_A_MAPPED) for packet in packets]
    assert bench.send(packets[0]) == [Datagram("relay", packets[0], CLIENT_A_MAPPED)]


@pytest.mark.requirement("T-RL-003")
def test_the_data_plane_is_told_of_a_trusted_client() -> None:
    bench = relay_bench()
    [knocked] = send(bench)
    answer(bench, knocked)
    [path] = bench.take_events(PathUp)
    assert (path.prefix, path.remote, path.channel, path.valid_for) == (A_PATH, CLIENT_A_MAPPED, "relay", PEER_VALIDITY)
    assert path.local == IPv6Network("2000::/3")
    assert TEREDO_PREFIX in path.local_except
    assert IPv6Network("2002::/16") in path.local_except


@pytest.mark.requirement("T-RL-005")
def test_four_bubbles_are_given_two_seconds_each_and_then_an_error_goes_to_each_packet() -> None:
    bench = relay_bench()
    send(bench)
    send(bench, source=NATIVE_HOST + 1)
    assert len(bench.wait(1.9)) == 0
    assert len(bench.wait(0.2)) == 1
    assert len(bench.wait(3.9)) == 2
    assert bench.wait(1.9) == []
    assert bench.delivered() == []
    assert bench.wait(0.2) == []
    told = errors(bench)
    assert [(packet.source, packet.destination) for packet in told] == [
        (RELAY_NATIVE, NATIVE_HOST),
        (RELAY_NATIVE, NATIVE_HOST + 1),
    ]
    status = bench.tunnel.status(bench.now)
    assert (status.peers_total, status.facts["clients"], status.facts["client_networks"]) == (0, 0, 0)
    assert bench.tunnel.next_timeout() is None


@pytest.mark.requirement("T-RL-006")
def test_a_queue_keeps_the_last_eight_packets_and_goes_with_its_client() -> None:
    bench = relay_bench()
    packets = [udp_packet(NATIVE_HOST, CLIENT_A, bytes([number])) for number in range(12)]
    [knocked] = bench.send(packets[0])
    for packet in packets[1:]:
        assert bench.send(packet) == [], "it has been asked"
    assert bench.dropped() == {"queue-full": 4}
    assert [datagram.data for datagram in answer(bench, knocked)] == packets[4:]


@pytest.mark.requirement("T-RL-001")
def test_a_destination_that_is_no_teredo_address_is_unreachable() -> None:
    bench = relay_bench()
    assert send(bench, IPv6Address("2001:db8::7")) == []
    [told] = errors(bench)
    assert told.destination == NATIVE_HOST


@pytest.mark.requirement("T-RL-002", "T-AD-012")
@pytest.mark.parametrize(
    "client",
    [
        pytest.param(client_at("10.0.0.53", 53), id="private"),
        pytest.param(client_at("224.0.0.1"), id="multicast"),
        pytest.param(client_at("127.0.0.1"), id="loopback"),
        pytest.param(client_at("255.255.255.255"), id="broadcast"),
        pytest.param(client_at("198.51.100.255"), id="broadcast of our own link"),
        pytest.param(client_at("198.51.100.1"), id="our own address"),
        pytest.param(client_at("192.0.2.1", 0), id="port 0"),
        pytest.param(client_at("192.0.2.1", server=IPv4Address("192.168.1.1")), id="a private server"),
    ],
)
def test_nothing_is_sent_because_of_an_address_that_cannot_be(client: IPv6Address) -> None:
    network = Network((LocalAddress("eth0", IPv4Interface("198.51.100.1/24")),), native_source=RELAY_NATIVE)
    bench = relay_bench(network)
    assert send(bench, client) == []
    assert bench.wait(RELAY_CONTACT_TIMEOUT * RELAY_CONTACT_ROUNDS) == []
    assert (bench.dropped(), bench.delivered()) == ({"destination": 1}, [])


@pytest.mark.requirement("T-RL-014")
@pytest.mark.parametrize(
    "source",
    ["fe80::1", "ff02::1", "::", "::1", "fd00::1", "2001:0:1::1", "3ffe:831f::1", "2002:a00:1::1", "::ffff:192.0.2.1"],
)
def test_clients_get_nothing_from_sources_that_are_no_native_hosts(source: str) -> None:
    bench = with_client(relay_bench())
    assert send(bench, source=IPv6Address(source)) == []
    assert (bench.dropped(), bench.delivered()) == ({"source": 1}, [])


@pytest.mark.parametrize("destination", ["ff0e::1", "ff02::1", "fe80::1"])
def test_multicast_and_link_local_destinations_are_dropped_silently(destination: str) -> None:
    bench = relay_bench()
    assert send(bench, IPv6Address(destination)) == []
    assert (bench.dropped(), bench.delivered()) == ({"scope": 1}, [])


@pytest.mark.requirement("T-RL-007")
def test_a_relay_behind_a_nat_opens_it() -> None:
    assert [datagram.remote for datagram in send(relay_bench(behind_nat=True))] == [SERVER_1, CLIENT_A_MAPPED]


@pytest.mark.requirement("T-RL-012")
def test_errors_are_limited_and_come_from_a_global_address() -> None:
    bench = relay_bench()
    for number in range(300):
        send(bench, IPv6Address("2001:db8::7") + number)
    assert len(errors(bench)) == 100
    bench.now += 1
    send(bench, IPv6Address("2001:db8::7"))
    assert [packet.source for packet in errors(bench)] == [RELAY_NATIVE]


@pytest.mark.requirement("T-RL-012")
def test_without_a_global_address_there_are_no_errors() -> None:
    bench = relay_bench(Network())
    send(bench, IPv6Address("2001:db8::7"))
    assert bench.delivered() == []


@pytest.mark.requirement("T-RL-015")
def test_a_global_address_can_be_named_to_ask_from() -> None:
    source = IPv6Address("2001:db8:2::53")
    bench = relay_bench(bubble_source=str(source))
    [knocked] = send(bench)
    assert IPv6Packet.parse(knocked.data).source == source
    assert answer(bench, knocked, SYMMETRIC_PORT) == [], "its answers prove nothing"
    assert len(answer(bench, knocked)) == 1
    send(bench, IPv6Address("2001:db8::7"))
    assert [packet.source for packet in errors(bench)] == [source]
    with pytest.raises(ValidationError, match="not a native address"):
        relay_bench(bubble_source="fe80::1")


# -- from clients to native IPv6 --------------------------------------------------------------------------------------


def test_packets_of_a_trusted_client_are_passed_on_without_what_is_behind_them() -> None:
    bench = with_client(relay_bench())
    packet = udp_packet(CLIENT_A, NATIVE_HOST)
    assert bench.take(with_trailers(packet, NonceTrailer(b"abcd")), CLIENT_A_MAPPED, "relay") == []
    assert bench.delivered() == [packet]


@pytest.mark.requirement("T-RL-009")
def test_nobody_uses_a_relay_that_nobody_asked_for() -> None:
    bench = relay_bench()
    assert bench.take(udp_packet(CLIENT_A, NATIVE_HOST), CLIENT_A_MAPPED, "relay") == []
    assert bench.take(knock(CLIENT_A, IPv6Address("fe80::1")), CLIENT_A_MAPPED, "relay") == []
    assert (bench.dropped(), bench.delivered()) == ({"no-entry": 2}, [])


@pytest.mark.requirement("T-RL-008")
def test_a_client_is_where_its_address_says() -> None:
    bench = relay_bench()
    send(bench)
    for remote in (CLIENT_B_MAPPED, SYMMETRIC_PORT):
        assert bench.take(udp_packet(CLIENT_A, NATIVE_HOST), remote, "relay") == []
        assert bench.take(knock(CLIENT_A, IPv6Address("fe80::1")), remote, "relay") == []
    assert (bench.dropped(), bench.delivered()) == ({"mismatch": 4}, [])
    assert bench.take_events(PathUp) == []


@pytest.mark.requirement("T-RL-008", "T-RL-015")
def test_a_client_behind_a_symmetric_nat_proves_where_it_is_by_answering() -> None:
    bench = relay_bench()
    [knocked] = send(bench)
    [sent] = answer(bench, knocked, SYMMETRIC_PORT)
    assert sent.remote == SYMMETRIC_PORT
    assert [path.remote for path in bench.take_events(PathUp)] == [SYMMETRIC_PORT]
    assert bench.take(udp_packet(CLIENT_A, NATIVE_HOST), SYMMETRIC_PORT, "relay") == []
    assert len(bench.delivered()) == 1


@pytest.mark.requirement("T-RL-008")
def test_a_proof_cannot_point_us_at_another_host() -> None:
    bench = relay_bench()
    [knocked] = send(bench)
    assert answer(bench, knocked, Endpoint(CLIENT_B_MAPPED.address, CLIENT_A_MAPPED.port)) == []
    assert bench.dropped() == {"mismatch": 1}


@pytest.mark.requirement("T-RL-008")
def test_the_proof_of_one_client_is_no_proof_of_another() -> None:
    bench = relay_bench()
    [knocked_a] = send(bench)
    other = client_at(str(CLIENT_A_MAPPED.address), 7)
    [knocked_b] = send(bench, other)
    proof = IPv6Packet.parse(knocked_b.data).source
    assert proof != IPv6Packet.parse(knocked_a.data).source
    assert bench.take(knock(CLIENT_A, proof), SYMMETRIC_PORT, "relay") == []
    assert bench.dropped() == {"mismatch": 1}


@pytest.mark.requirement("T-RL-008")
def test_a_path_in_use_is_not_moved_by_whoever_forges_a_source() -> None:
    bench = relay_bench()
    [knocked] = send(bench)
    answer(bench, knocked, SYMMETRIC_PORT)
    bench.take_events(PathUp)
    assert bench.take(udp_packet(CLIENT_A, NATIVE_HOST), CLIENT_A_MAPPED, "relay") == []
    assert bench.dropped() == {"mismatch": 1}
    assert [datagram.remote for datagram in send(bench)] == [SYMMETRIC_PORT]


@pytest.mark.requirement("T-RL-014")
@pytest.mark.parametrize(
    "destination",
    [
        *("2001:0:c633:6476:2081:dfff:3fff:fdf5", "3ffe:831f::1", "2002:c0a8:101::1", "2002:7f00:1::1"),
        *("fd00::1", "fe80::1", "ff0e::1", "::1", "::ffff:192.0.2.1"),
    ],
)
def test_no_packet_leads_into_another_tunnel_or_nowhere(destination: str) -> None:
    bench = with_client(relay_bench())
    assert bench.take(udp_packet(CLIENT_A, IPv6Address(destination)), CLIENT_A_MAPPED, "relay") == []
    assert (bench.dropped(), bench.delivered()) == ({"not-served": 1}, [])


@pytest.mark.requirement("T-RL-014")
def test_6to4_addresses_of_public_hosts_are_native_enough() -> None:
    bench = with_client(relay_bench())
    bench.take(udp_packet(CLIENT_A, IPv6Address("2002:c000:201::1")), CLIENT_A_MAPPED, "relay")
    assert len(bench.delivered()) == 1


@pytest.mark.requirement("T-RL-010")
def test_a_sites_relay_serves_the_site() -> None:
    bench = relay_bench(serves=["2001:db8:cafe::/48", "fd00:1::/32"])
    [knocked] = send(bench)
    answer(bench, knocked)
    [path] = bench.take_events(PathUp)
    assert (path.local, path.local_also) == (IPv6Network("2001:db8:cafe::/48"), (IPv6Network("fd00:1::/32"),))
    for destination, served in (("2001:db8:cafe::2", 1), ("fd00:1::2", 1), ("2001:db8:beef::1", 0), ("fd00:2::1", 0)):
        bench.take(udp_packet(CLIENT_A, IPv6Address(destination)), CLIENT_A_MAPPED, "relay")
        assert len(bench.delivered()) == served
    assert send(bench, CLIENT_B, IPv6Address("2001:db8:beef::1")) == []


@pytest.mark.requirement("T-RL-010", "T-RL-011")
def test_a_host_specific_relay_serves_its_host_and_forwards_nothing() -> None:
    bench = relay_bench(serves="host")
    [up] = bench.take_events(Up)
    assert up.config.routes == (TEREDO_PREFIX,)
    assert (up.config.addresses, up.config.default_route, up.config.forwarding) == ((), False, False)
    [knocked] = send(bench)
    answer(bench, knocked)
    [path] = bench.take_events(PathUp)
    assert path.local == IPv6Network(NATIVE_HOST)
    bench.take(udp_packet(CLIENT_A, NATIVE_HOST), CLIENT_A_MAPPED, "relay")
    assert len(bench.delivered()) == 1
    bench.take(udp_packet(CLIENT_A, NATIVE_HOST + 1), CLIENT_A_MAPPED, "relay")
    assert (bench.dropped(), bench.delivered()) == ({"not-served": 1}, [])
    [knocked] = send(bench, CLIENT_B, NATIVE_HOST + 2)
    answer(bench, knocked)
    [path] = bench.take_events(PathUp)
    assert (path.local, path.local_also) == (IPv6Network(NATIVE_HOST + 2), (IPv6Network(NATIVE_HOST),))


def test_a_public_relay_forwards() -> None:
    [up] = relay_bench().take_events(Up)
    assert (up.config.routes, up.config.forwarding, up.config.listening) == ((TEREDO_PREFIX,), True, True)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        pytest.param(
            IPv6Packet(CLIENT_A, NATIVE_HOST, IpProtocol.ROUTING, bytes([59, 0, 0, 1, 0, 0, 0, 0])).serialize(),
            "routing-header",
            id="source routing",
        ),
        pytest.param(
            icmpv6_packet(NeighbourSolicitation(NATIVE_HOST), CLIENT_A, NATIVE_HOST).serialize(),
            "link-only",
            id="neighbour discovery",
        ),
        pytest.param(with_trailers(udp_packet(CLIENT_A, NATIVE_HOST), UnknownTrailer(0x41, b"")), "malformed", id="0x41"),
        pytest.param(udp_packet(CLIENT_A, NATIVE_HOST)[:-1], "malformed", id="truncated"),
        pytest.param(udp_packet(NATIVE_HOST, NATIVE_HOST), "inner-source", id="no Teredo source"),
    ],
)
def test_what_no_client_should_send_is_dropped(packet: bytes, reason: str) -> None:
    bench = with_client(relay_bench())
    assert bench.take(packet, CLIENT_A_MAPPED, "relay") == []
    assert (bench.dropped(), bench.delivered()) == ({reason: 1}, [])
