"""The relay, rule by rule (docs/protocols/teredo.md section 7)."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Network

import pytest
from pydantic import ValidationError
from tests.teredo_world import vectors
from tests.teredo_world.bench import udp_packet
from tests.teredo_world.served_bench import (
    NETWORK,
    RELAY_NATIVE,
    ServedBench,
    echo_request,
    inner,
    knock,
    objects_of,
    relay_bench,
    use,
)
from tests.teredo_world.vectors import CLIENT_A, CLIENT_A_MAPPED, CLIENT_B, CLIENT_B_MAPPED, NATIVE_HOST

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.events import PathDown, PathUp, Stopped, Up
from tunnelmgr.api.network import Endpoint, LocalAddress, Network
from tunnelmgr.api.packets import (
    DestinationUnreachable,
    IPv6Packet,
    NeighbourSolicitation,
    UnreachableCode,
    icmpv6_packet,
    parse_icmpv6,
)
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr_teredo.address import TeredoAddress
from tunnelmgr_teredo.constants import TEREDO_PREFIX
from tunnelmgr_teredo.drops import Refused
from tunnelmgr_teredo.relay_limits import NoShares
from tunnelmgr_teredo.relay_peers import RelayPeers, Standing
from tunnelmgr_teredo.relay_settings import RelayServiceSettings
from tunnelmgr_teredo.trailers import NonceTrailer, UnknownTrailer
from tunnelmgr_teredo.wire import is_bubble, with_trailers

SERVER_1 = Endpoint(vectors.SERVER_1, 3544)
SYMMETRIC_PORT = Endpoint(CLIENT_A_MAPPED.address, 61234)
A_PATH = IPv6Network(CLIENT_A)


def client_at(address: str, port: int = 5000, server: str = "203.0.113.120", flags: int = 0) -> IPv6Address:
    return TeredoAddress(IPv4Address(server), flags, Endpoint(IPv4Address(address), port)).ipv6


def many_clients(count: int) -> list[IPv6Address]:
    return [client_at(str(IPv4Address("1.0.0.1") + number)) for number in range(count)]


def send(bench: ServedBench, client: IPv6Address = CLIENT_A, source: IPv6Address = NATIVE_HOST) -> list[Datagram]:
    """Send a native host's packet to a client."""
    return bench.send(udp_packet(source, client))


def answer(bench: ServedBench, knocked: Datagram, remote: Endpoint | None = None) -> list[Datagram]:
    """Answer the relay's bubble directly, as a client does."""
    asked = IPv6Packet.parse(knocked.data)
    mapped = TeredoAddress.parse(asked.destination).mapped
    return bench.take(knock(asked.destination, asked.source), remote or mapped, "relay")


def with_client(bench: ServedBench, client: IPv6Address = CLIENT_A, source: IPv6Address = NATIVE_HOST) -> ServedBench:
    """Let a native host and a client have found each other."""
    [knocked] = send(bench, client, source)
    answer(bench, knocked)
    bench.take_events(PathUp)
    return bench


def errors(bench: ServedBench) -> list[IPv6Packet]:
    """Take the ICMPv6 errors address unreachable that went to native hosts."""
    packets = [IPv6Packet.parse(packet) for packet in bench.delivered()]
    messages = [parse_icmpv6(packet) for packet in packets]
    for message in messages:
        assert isinstance(message, DestinationUnreachable)
        assert message.code == UnreachableCode.ADDRESS_UNREACHABLE
    return packets


# -- from native IPv6 to clients -------------------------------------------------------------------------------------------


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
    assert (path.prefix, path.remote, path.channel, path.valid_for) == (A_PATH, CLIENT_A_MAPPED, "relay", 30.0)
    assert path.local == IPv6Network("2000::/3")
    assert TEREDO_PREFIX in path.local_except
    assert IPv6Network("2002::/16") in path.local_except


@pytest.mark.requirement("T-RL-005")
def test_four_bubbles_two_seconds_apart_and_then_an_error_for_each_packet() -> None:
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
        pytest.param(client_at("192.0.2.1", server="192.168.1.1"), id="a private server"),
    ],
)
def test_nothing_is_sent_because_of_an_address_that_cannot_be(client: IPv6Address) -> None:
    network = Network((LocalAddress("eth0", IPv4Interface("198.51.100.1/24")),), native_source=RELAY_NATIVE)
    bench = relay_bench(network)
    assert send(bench, client) == []
    assert bench.wait(10) == []
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
    with pytest.raises(ValidationError, match="no native address"):
        relay_bench(bubble_source="fe80::1")


# -- from clients to native IPv6 -------------------------------------------------------------------------------------------


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


# -- time ------------------------------------------------------------------------------------------------------------------


def test_a_client_unheard_for_30_seconds_is_asked_again() -> None:
    bench = with_client(relay_bench())
    assert bench.wait(29) == []
    assert [datagram.remote for datagram in send(bench)] == [CLIENT_A_MAPPED]
    assert bench.wait(2) == []
    [knocked] = send(bench)
    assert is_bubble(IPv6Packet.parse(knocked.data))
    assert [path.prefix for path in bench.take_events(PathDown)] == [A_PATH]
    assert len(answer(bench, knocked)) == 1


def test_a_client_the_data_plane_hears_stays_trusted() -> None:
    bench = with_client(relay_bench())
    for _ in range(10):
        bench.wait(20)
        bench.uses(use(CLIENT_A, bench.now))
    assert [datagram.remote for datagram in send(bench)] == [CLIENT_A_MAPPED]
    assert bench.take_events(PathDown) == []


def test_use_without_reception_does_not_count() -> None:
    bench = with_client(relay_bench())
    for _ in range(4):
        bench.wait(10)
        bench.uses(use(CLIENT_A, None), use(CLIENT_B, bench.now))
    assert bench.take_events(PathDown)


def test_a_silent_client_may_speak_again_and_is_forgotten_after_five_minutes() -> None:
    bench = with_client(relay_bench())
    bench.wait(200)
    assert bench.tunnel.status(bench.now).peers_total == 1
    bench.take(udp_packet(CLIENT_A, NATIVE_HOST), CLIENT_A_MAPPED, "relay")
    assert len(bench.delivered()) == 1
    assert bench.take_events(PathUp)
    bench.wait(299)
    assert bench.tunnel.status(bench.now).peers_total == 1
    bench.wait(12)
    assert bench.tunnel.status(bench.now).peers_total == 0
    assert bench.tunnel.next_timeout() is None


def test_paths_are_renewed_when_the_relay_itself_hears_a_client() -> None:
    bench = with_client(relay_bench())
    for _ in range(3):
        bench.wait(6)
        bench.take(knock(CLIENT_A, IPv6Address("fe80::1")), CLIENT_A_MAPPED, "relay")
        assert len(bench.take_events(PathUp)) == 1
    bench.take(knock(CLIENT_A, IPv6Address("fe80::1")), CLIENT_A_MAPPED, "relay")
    assert bench.take_events(PathUp) == []


def test_each_client_is_looked_at_once_in_eight_seconds_however_often_it_was_met() -> None:
    bench = with_client(relay_bench())
    for _ in range(5):
        bench.wait(35)
        [knocked] = send(bench)
        answer(bench, knocked)
    checks = vars(vars(bench.tunnel)["_relaying"])["_checks"]
    bench.wait(8)
    assert len(checks) == 1


def test_a_thousand_clients_fall_silent_in_small_pieces() -> None:
    bench = relay_bench()
    for client in many_clients(1000):
        bench.now += 0.02
        [knocked] = send(bench, client)
        answer(bench, knocked)
    bench.take_events(PathUp)
    bench.now += 60  # all are overdue
    most = rounds = 0
    while (at := bench.tunnel.next_timeout()) is not None and at < bench.now + 1:
        bench.now = max(at, bench.now)
        bench.tunnel.handle_timeout(bench.now)
        went = len(bench.take_events(PathDown))
        most, rounds = max(most, went), rounds + 1
    assert 0 < most <= 64
    assert rounds >= 1000 / 64
    assert bench.tunnel.status(bench.now).facts["clients"] == 0


def test_a_thousand_silent_clients_that_speak_again_are_passed_over_in_small_pieces() -> None:
    peers = RelayPeers(1000, NoShares())
    for number in range(1000):
        peer = peers.enter(number.to_bytes(16), NATIVE_HOST.packed, now=0.0)
        peers.move(peer, Standing.SILENT)
    for peer in peers:
        peers.move(peer, Standing.TRUSTED)
    looks = 0
    while peers.silent_since is not None:
        assert peers.longest_silent() is None
        looks += 1
    assert looks >= 1000 / 64
    with pytest.raises(Refused):
        peers.enter(bytes(16), NATIVE_HOST.packed, now=1.0)


def test_a_status_looks_at_some_clients_only_and_shows_the_latest() -> None:
    bench = relay_bench()
    clients = many_clients(1000)
    for client in clients:
        bench.now += 0.02
        [knocked] = send(bench, client)
        answer(bench, knocked)
    peers = bench.tunnel.status(bench.now).peers
    assert [peer.address for peer in peers] == [str(client) for client in reversed(clients[-256:])]


# -- bounds and fairness ---------------------------------------------------------------------------------------------------

SWEEPER = IPv6Address("2001:db8:bad::1")


@pytest.mark.requirement("T-RL-013")
def test_a_sweep_is_held_to_its_rate() -> None:
    bench = relay_bench()
    asked = sum(len(send(bench, client, SWEEPER)) for client in many_clients(2000))
    assert asked == 256
    assert bench.dropped() == {"newcomer-limit": 1744}
    bench.now += 1
    assert sum(len(send(bench, client, SWEEPER)) for client in many_clients(4000)[2000:]) == 64
    assert len(errors(bench)) <= 200, "and it is not told more than anybody else"


@pytest.mark.requirement("T-RL-013")
def test_a_sweep_takes_nothing_from_others() -> None:
    """One network, new source addresses all the time, against a table with room for 64."""
    bench = relay_bench(peers_max=64)
    friends = [NATIVE_HOST + (number << 64) for number in range(40)]
    clients = [client_at("192.0.2.200", 1000 + number) for number in range(40)]
    for friend, client in zip(friends, clients, strict=True):
        with_client(bench, client, friend)
    for client in many_clients(3000):
        send(bench, client, SWEEPER + (int(client) & 0xFFFF))
        bench.now += 0.001
    for friend, client in zip(friends, clients, strict=True):
        [sent] = send(bench, client, friend)
        assert sent.remote == TeredoAddress.parse(client).mapped
    assert bench.dropped().keys() == {"table-full"}
    bench.wait(10)
    assert len(send(bench, CLIENT_A, NATIVE_HOST + (99 << 64))) == 1, "there is room for one more friend"


@pytest.mark.requirement("T-RL-013")
def test_a_network_has_no_more_than_a_quarter_of_the_list() -> None:
    """Even when every client it names answers, and it takes its time."""
    bench = relay_bench(peers_max=64)
    for client in many_clients(40):
        bench.now += 0.1
        for knocked in send(bench, client, SWEEPER):
            answer(bench, knocked)
    assert bench.tunnel.status(bench.now).facts["clients"] == 16
    assert bench.dropped() == {"table-full": 24}


def test_for_a_new_client_the_one_longest_silent_goes() -> None:
    bench = relay_bench(peers_max=64)
    clients = many_clients(64)
    for number, client in enumerate(clients):
        bench.now += 0.1
        with_client(bench, client, NATIVE_HOST + (number << 64))
    assert send(bench, CLIENT_A, NATIVE_HOST + (99 << 64)) == []
    bench.wait(45)
    assert len(send(bench, CLIENT_A, NATIVE_HOST + (99 << 64))) == 1
    known = {peer.address for peer in bench.tunnel.status(bench.now).peers}
    assert known == {*map(str, clients[1:]), str(CLIENT_A)}


@pytest.mark.requirement("T-RL-013", "T-RL-006")
def test_a_host_that_sweeps_the_address_space_costs_bounded_memory() -> None:
    """12,000 destinations in half a minute; a million differ in nothing but the time they take."""
    bench = relay_bench()

    def sweep(first: int) -> int:
        for number in range(6_000):
            send(bench, client_at(str(IPv4Address("1.0.0.1") + first + number)), SWEEPER + number)
            if number % 20 == 0:
                bench.wait(0.05)
                bench.delivered()
        return objects_of(bench.tunnel)

    first = sweep(0)
    assert bench.tunnel.status(bench.now).peers_total <= 256 + 64 * 8
    assert sweep(6_000) < first * 1.1
    assert bench.dropped()["bubble-limit"] > 0, "nor does it flood their server"
    assert bench.wait(10)
    assert bench.tunnel.status(bench.now).peers_total == 0


def test_bubbles_through_one_server_are_limited() -> None:
    """Many native networks, one server that they all could be made to hit."""
    bench = relay_bench()
    hit = 0
    for number, client in enumerate(many_clients(400)):
        hit += len(send(bench, client, NATIVE_HOST + (number << 64)))
    assert hit == 256
    assert bench.dropped() == {"bubble-limit": 144}


def test_limits_can_be_off_for_benchmarks() -> None:
    bench = relay_bench(limits="off", peers_max=4096)
    assert sum(len(send(bench, client, SWEEPER)) for client in many_clients(1000)) == 1000


# -- the rest --------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-SE-006")
def test_status_tells_of_clients_and_what_was_done() -> None:
    bench = with_client(relay_bench(address="198.51.100.1"))
    send(bench, CLIENT_B)
    bench.now += 3
    status = bench.tunnel.status(bench.now)
    assert status.state == "listening"
    assert status.facts == {
        "relay": "198.51.100.1:3545",
        "serves": "everyone",
        "clients": 1,
        "client_networks": 1,
        "encrypted": False,
    }
    known, unknown = status.peers
    assert (known.address, known.endpoint, known.path, known.last_received) == (
        str(CLIENT_A),
        str(CLIENT_A_MAPPED),
        "direct",
        3,
    )
    assert (unknown.endpoint, unknown.path, unknown.last_received) == (None, "none", None)
    assert (bench.count("bubbles-sent"), bench.count("bubbles-received"), bench.count("packets-sent")) == (2, 1, 1)


@pytest.mark.parametrize("serves", ["2001::/16", ["fe80::/10"], ["ff00::/8"], [], ["::/0"]])
def test_what_no_relay_can_serve_is_refused(serves: object) -> None:
    with pytest.raises(ValidationError, match="serve"):
        RelayServiceSettings.model_validate({"serves": serves})


def test_it_stops_at_once() -> None:
    bench = relay_bench()
    bench.tunnel.stop(bench.now)
    assert bench.take_events(Stopped)


def test_an_echo_reply_waits_like_any_other_packet() -> None:
    """The answer to a client's echo test is how most clients meet a relay."""
    bench = relay_bench()
    packet = echo_request(NATIVE_HOST, CLIENT_A)
    [knocked] = bench.send(packet)
    assert [sent.source for sent in inner(answer(bench, knocked))] == [NATIVE_HOST]
    assert NETWORK.native_source == RELAY_NATIVE
