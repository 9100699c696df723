"""What a relay remembers, for how long, and on whose behalf."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from pydantic import ValidationError
from tests.teredo_world.around_relay import A_PATH, answer, errors, send, with_client
from tests.teredo_world.bench import udp_packet
from tests.teredo_world.served_bench import (
    NETWORK,
    RELAY_NATIVE,
    echo_request,
    inner,
    knock,
    objects_of,
    relay_bench,
    use,
)
from tests.teredo_world.vectors import CLIENT_A, CLIENT_A_MAPPED, CLIENT_B, NATIVE_HOST, client_at

from tunnelmgr.api.events import PathDown, PathUp, Stopped
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.constants import (
    PATH_RENEWAL_INTERVAL,
    PEER_VALIDITY,
    RELAY_CHECK_INTERVAL,
    RELAY_CHORES_MAX,
    RELAY_CONTACT_ROUNDS,
    RELAY_CONTACT_TIMEOUT,
    RELAY_NEWCOMERS_PER_NETWORK,
    RELAY_PEER_MEMORY,
)
from tunnelmgr_teredo.drops import Refused
from tunnelmgr_teredo.relay.peers import ClientStanding, RelayPeers
from tunnelmgr_teredo.relay.settings import RelayServiceSettings
from tunnelmgr_teredo.wire.address import TeredoAddress
from tunnelmgr_teredo.wire.datagram import is_bubble

GIVEN_UP = RELAY_CONTACT_ROUNDS * RELAY_CONTACT_TIMEOUT
"""Seconds until a client that does not answer is given up."""


def many_clients(count: int) -> list[IPv6Address]:
    return [client_at(str(IPv4Address("1.0.0.1") + number)) for number in range(count)]


# -- time -------------------------------------------------------------------------------------------------------------


def test_a_client_unheard_for_a_while_is_asked_again() -> None:
    bench = with_client(relay_bench())
    assert bench.wait(PEER_VALIDITY - 1) == []
    assert [datagram.remote for datagram in send(bench)] == [CLIENT_A_MAPPED]
    assert bench.wait(2) == []
    [knocked] = send(bench)
    assert is_bubble(IPv6Packet.parse(knocked.data))
    assert [path.prefix for path in bench.take_events(PathDown)] == [A_PATH]
    assert len(answer(bench, knocked)) == 1


def test_a_client_the_data_plane_hears_stays_trusted() -> None:
    bench = with_client(relay_bench())
    for _ in range(10):
        bench.wait(PEER_VALIDITY - 10)
        bench.uses(use(CLIENT_A, bench.now))
    assert [datagram.remote for datagram in send(bench)] == [CLIENT_A_MAPPED]
    assert bench.take_events(PathDown) == []


def test_use_without_reception_does_not_count() -> None:
    bench = with_client(relay_bench())
    for _ in range(4):
        bench.wait(10)
        bench.uses(use(CLIENT_A, None), use(CLIENT_B, bench.now))
    assert bench.take_events(PathDown)


def test_a_silent_client_may_speak_again_and_is_forgotten_in_the_end() -> None:
    bench = with_client(relay_bench())
    bench.wait(RELAY_PEER_MEMORY - 100)
    assert bench.tunnel.status(bench.now).peers_total == 1
    bench.take(udp_packet(CLIENT_A, NATIVE_HOST), CLIENT_A_MAPPED, "relay")
    assert len(bench.delivered()) == 1
    assert bench.take_events(PathUp)
    bench.wait(RELAY_PEER_MEMORY - 1)
    assert bench.tunnel.status(bench.now).peers_total == 1
    bench.wait(RELAY_CHECK_INTERVAL + 4)
    assert bench.tunnel.status(bench.now).peers_total == 0
    assert bench.tunnel.next_timeout() is None


def test_paths_are_renewed_when_the_relay_itself_hears_a_client() -> None:
    bench = with_client(relay_bench())
    for _ in range(3):
        bench.wait(PATH_RENEWAL_INTERVAL + 1)
        bench.take(knock(CLIENT_A, IPv6Address("fe80::1")), CLIENT_A_MAPPED, "relay")
        assert len(bench.take_events(PathUp)) == 1
    bench.take(knock(CLIENT_A, IPv6Address("fe80::1")), CLIENT_A_MAPPED, "relay")
    assert bench.take_events(PathUp) == []


def test_each_client_is_looked_at_once_at_a_time_however_often_it_was_met() -> None:
    bench = with_client(relay_bench())
    for _ in range(5):
        bench.wait(PEER_VALIDITY + 5)
        [knocked] = send(bench)
        answer(bench, knocked)
    checks = vars(vars(bench.tunnel)["_relaying"])["_checks"]
    bench.wait(RELAY_CHECK_INTERVAL)
    assert len(checks) == 1


def test_a_thousand_clients_fall_silent_in_small_pieces() -> None:
    bench = relay_bench()
    for client in many_clients(1000):
        bench.now += 0.02
        [knocked] = send(bench, client)
        answer(bench, knocked)
    bench.take_events(PathUp)
    bench.now += 2 * PEER_VALIDITY  # all are overdue
    most = rounds = 0
    while (at := bench.tunnel.next_timeout()) is not None and at < bench.now + 1:
        bench.now = max(at, bench.now)
        bench.tunnel.handle_timeout(bench.now)
        went = len(bench.take_events(PathDown))
        most, rounds = max(most, went), rounds + 1
    assert 0 < most <= RELAY_CHORES_MAX
    assert rounds >= 1000 / RELAY_CHORES_MAX
    assert bench.tunnel.status(bench.now).facts["clients"] == 0


def test_a_thousand_silent_clients_that_speak_again_are_passed_over_in_small_pieces() -> None:
    peers = RelayPeers(1000)
    for number in range(1000):
        peer = peers.enter(number.to_bytes(16), (NATIVE_HOST + (number << 64)).packed, now=0.0)
        peers.move(peer, ClientStanding.SILENT)
    for peer in peers:
        peers.move(peer, ClientStanding.TRUSTED)
    looks = 0
    while peers.silent_since is not None:
        assert peers.longest_silent() is None
        looks += 1
    assert looks >= 1000 / RELAY_CHORES_MAX
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


# -- bounds and fairness ----------------------------------------------------------------------------------------------


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
    bench.wait(GIVEN_UP + 2)
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
    bench.wait(PEER_VALIDITY + 15)
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
    burst, rate = RELAY_NEWCOMERS_PER_NETWORK
    assert bench.tunnel.status(bench.now).peers_total <= burst + rate * GIVEN_UP, "those who may still answer"
    assert sweep(6_000) < first * 1.1
    assert bench.dropped()["bubble-limit"] > 0, "nor does it flood their server"
    assert bench.wait(GIVEN_UP + 2)
    assert bench.tunnel.status(bench.now).peers_total == 0


def test_bubbles_through_one_server_are_limited() -> None:
    """Many native networks, one server that they all could be made to hit."""
    bench = relay_bench()
    hit = 0
    for number, client in enumerate(many_clients(400)):
        hit += len(send(bench, client, NATIVE_HOST + (number << 64)))
    assert hit == 256
    assert bench.dropped() == {"bubble-limit": 144}


# -- the rest ---------------------------------------------------------------------------------------------------------


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
