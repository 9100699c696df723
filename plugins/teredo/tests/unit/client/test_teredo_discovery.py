"""Local client discovery: teredo.md section 4.11. The client is B of the vectors, at 10.0.0.20 on eth0."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from itertools import pairwise

import pytest
from tests.teredo_world.bench import Bench, ScriptedRandom, network, udp_packet
from tests.teredo_world.vectors import CLIENT_B, CLIENT_B_MAPPED, NATIVE_HOST, PACKETS, SERVER_2

from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import Failed, FailureCode, OpenChannel
from tunnelmgr.api.events import Notice, PathUp
from tunnelmgr.api.network import Endpoint, LocalAddress, Network
from tunnelmgr_teredo.client.contacts import CONTACT_TIME
from tunnelmgr_teredo.constants import (
    ALL_NODES,
    BUBBLE_INTERVAL,
    BUBBLE_WINDOW,
    DISCOVERY_GROUP,
    DISCOVERY_INTERVAL,
    LOCAL_PEER_MEMORY,
)
from tunnelmgr_teredo.wire.address import TeredoAddress
from tunnelmgr_teredo.wire.datagram import bubble

GROUP = Endpoint(DISCOVERY_GROUP, 3544)
NEIGHBOUR = TeredoAddress(SERVER_2, 0x0042, Endpoint(CLIENT_B_MAPPED.address, 9000)).ipv6
NEIGHBOUR_LOCAL = Endpoint(IPv4Address("10.0.0.21"), 4096)


def client(**settings: object) -> Bench:
    bench = Bench(ScriptedRandom(flags=0x2081), server=str(SERVER_2), local_discovery=True, **settings)
    bench.client.start(bench.now, network(), {})
    service, discovery = bench.take_events(OpenChannel)
    assert discovery == OpenChannel(
        "discovery", ChannelKind.MULTICAST, Endpoint(IPv4Address(0), 3544), group=DISCOVERY_GROUP
    )
    bench.open(service)
    for sent in bench.sent():
        bench.advertise(sent, CLIENT_B_MAPPED, SERVER_2)
    bench.refreshes = CLIENT_B_MAPPED
    return bench


def announce(
    bench: Bench,
    source: IPv6Address = NEIGHBOUR,
    destination: IPv6Address = ALL_NODES,
    remote: Endpoint = NEIGHBOUR_LOCAL,
    local: Endpoint | None = GROUP,
    data: bytes | None = None,
) -> None:
    payload = data if data is not None else bubble(source, destination, 1)
    bench.client.receive_datagram(Datagram("discovery", payload, remote, local, "eth0"), bench.now)


def announcements(bench: Bench) -> list[Datagram]:
    return [sent for sent in bench.sent() if sent.remote == GROUP]


@pytest.mark.requirement("T-LD-001")
def test_discovery_is_off_by_default() -> None:
    bench = Bench(ScriptedRandom(flags=0x2081), server=str(SERVER_2)).start()
    assert [effect for effect in bench.said if isinstance(effect, OpenChannel)][1:] == []
    for sent in bench.sent():
        bench.advertise(sent, CLIENT_B_MAPPED, SERVER_2)
    announce(bench)
    assert announcements(bench) == []
    assert bench.client.status(bench.now).peers_total == 0


@pytest.mark.requirement("T-LD-002")
def test_a_client_announces_itself_at_once_and_every_200_to_300_seconds() -> None:
    bench = client()
    (first,) = announcements(bench)
    assert (first.channel, first.ttl, first.interface) == ("service", 1, "eth0")
    assert first.data == bubble(CLIENT_B, ALL_NODES, 1)
    times = []
    for _ in range(10_000):
        bench.wait(1)
        times += [bench.now] * len(announcements(bench))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(gaps) > 30
    assert 199 <= min(gaps) < 215
    assert 285 < max(gaps) <= 301


@pytest.mark.requirement("T-LD-002", "T-LD-007")
def test_without_an_address_a_client_neither_announces_itself_nor_answers() -> None:
    bench = client()
    bench.wait(DISCOVERY_INTERVAL[1] + 1)
    assert len(announcements(bench)) in {2, 3}
    bench.refreshes = None
    while bench.state != "offline":
        bench.wake()
    bench.sent()
    announce(bench)
    bench.wait(DISCOVERY_INTERVAL[1] + 100)
    assert [sent for sent in bench.sent() if sent.remote in {GROUP, NEIGHBOUR_LOCAL}] == []


@pytest.mark.requirement("T-LD-002")
def test_all_links_hear_an_announcement() -> None:
    bench = Bench(local_discovery=True)
    addresses = [LocalAddress(name, IPv4Interface(at)) for name, at in (("eth0", "10.0.0.20/24"), ("wlan0", "10.1.0.20/24"))]
    bench.client.start(bench.now, Network((*addresses, addresses[0]), source=IPv4Address("10.0.0.20")), {})
    bench.open(bench.take_events(OpenChannel)[0])
    for sent in bench.sent():
        bench.advertise(sent)
    assert [sent.interface for sent in announcements(bench)] == ["eth0", "wlan0"]


@pytest.mark.requirement("T-LD-007", "T-RX-014")
def test_a_neighbour_is_answered_on_the_link_and_not_yet_trusted() -> None:
    bench = client()
    bench.sent()
    for remote, local in (
        (Endpoint(IPv4Address("10.0.1.21"), 4096), GROUP),
        (Endpoint(IPv4Address("10.0.0.20"), 4096), GROUP),
        (NEIGHBOUR_LOCAL, Endpoint(IPv4Address("10.0.0.20"), 3544)),
    ):
        announce(bench, remote=remote, local=local)
        assert bench.sent() == [], "not on the link, or not to all of it"
    announce(bench)
    assert [(sent.remote, sent.data) for sent in bench.sent()] == [(NEIGHBOUR_LOCAL, bubble(CLIENT_B, NEIGHBOUR))]
    assert bench.take_events(PathUp) == []
    announce(bench)
    assert bench.sent() == [], "within the limits"


@pytest.mark.requirement("T-LD-003", "T-LD-004", "T-LD-005", "T-LD-006")
@pytest.mark.parametrize(
    "wrong",
    [
        {"local": Endpoint(IPv4Address("10.0.0.20"), 3544)},
        {"local": None},
        {"source": NATIVE_HOST},
        {"source": IPv6Address("fe80::1")},
        {"source": TeredoAddress(SERVER_2, 0, Endpoint(IPv4Address("192.0.2.11"), 9000)).ipv6},
        {"source": CLIENT_B},
        {"remote": Endpoint(IPv4Address("10.0.1.21"), 4096)},
        {"remote": Endpoint(IPv4Address("198.51.100.9"), 4096)},
        {"remote": Endpoint(IPv4Address("10.0.0.20"), 4096)},
        {"destination": CLIENT_B},
        {"data": udp_packet(NEIGHBOUR, ALL_NODES)},
        {"data": PACKETS["bubble-discovery"].payload},
    ],
    ids=[
        "unicast",
        "unknown",
        "native",
        "link-local",
        "another NAT",
        "us",
        "link",
        "far",
        "our address",
        "to us",
        "data",
        "A",
    ],
)
def test_what_is_no_announcement_of_a_neighbour_is_dropped(wrong: dict[str, object]) -> None:
    bench = client()
    bench.sent()
    announce(bench, **wrong)  # type: ignore[arg-type]
    assert bench.dropped("discovery") == 1
    assert bench.sent() == []
    assert bench.client.status(bench.now).peers_total == 0
    announce(bench)
    assert bench.client.status(bench.now).peers_total == 1, "where nothing is wrong, it is one"


@pytest.mark.requirement("T-RX-015", "T-TX-004", "T-LD-007")
def test_a_neighbour_is_reached_on_the_link() -> None:
    bench = client()
    announce(bench)
    bench.wait(BUBBLE_INTERVAL)
    bench.sent()
    packet = udp_packet(CLIENT_B, NEIGHBOUR)
    bench.send(packet)
    sent = bench.sent()
    assert [datagram.remote for datagram in sent] == [NEIGHBOUR_LOCAL, GROUP], "a bubble, and an announcement"
    bench.receive(bubble(NEIGHBOUR, CLIENT_B), NEIGHBOUR_LOCAL)
    assert bench.take_events(PathUp)[0].remote == NEIGHBOUR_LOCAL
    assert [(datagram.remote, datagram.data) for datagram in bench.sent()] == [(NEIGHBOUR_LOCAL, packet)]


@pytest.mark.requirement("T-LD-008")
@pytest.mark.parametrize(("seconds", "local"), [(LOCAL_PEER_MEMORY - 1, True), (LOCAL_PEER_MEMORY + 1, False)])
def test_a_neighbour_is_remembered_for_a_while(seconds: float, local: bool) -> None:
    bench = client()
    announce(bench)
    bench.wait(seconds)
    assert len(announcements(bench)) in {3, 4}
    bench.send(udp_packet(CLIENT_B, NEIGHBOUR))
    assert (NEIGHBOUR_LOCAL in [sent.remote for sent in bench.sent()]) == local


@pytest.mark.requirement("T-LD-008")
def test_a_neighbour_that_has_left_is_tried_as_any_other_peer_the_next_time() -> None:
    bench = client()
    announce(bench)
    bench.wait(BUBBLE_WINDOW + 10)
    announce(bench)
    bench.wait(BUBBLE_INTERVAL)
    bench.send(udp_packet(CLIENT_B, NEIGHBOUR))
    bench.wait(CONTACT_TIME)
    bench.sent()
    bench.wait(BUBBLE_WINDOW + 1)
    bench.send(udp_packet(CLIENT_B, NEIGHBOUR))
    assert [sent.remote.port for sent in bench.sent() if sent.remote != GROUP] == [9000, 3544]


@pytest.mark.requirement("T-LD-008")
def test_a_neighbour_that_does_not_answer_is_held_for_one_that_has_left() -> None:
    bench = client()
    announce(bench)
    bench.wait(BUBBLE_INTERVAL)
    bench.send(udp_packet(CLIENT_B, NEIGHBOUR))
    bench.wait(BUBBLE_WINDOW + 10)
    bench.sent()
    bench.send(udp_packet(CLIENT_B, NEIGHBOUR))
    assert [sent.remote.port for sent in bench.sent() if sent.remote != GROUP] == [9000, 3544]


@pytest.mark.requirement("T-LD-008", "T-PE-002")
def test_a_neighbour_this_host_talks_to_is_not_forgotten_for_a_crowd_of_others() -> None:
    bench = client(peers_max=16)
    announce(bench)
    bench.wait(BUBBLE_INTERVAL)
    bench.send(udp_packet(CLIENT_B, NEIGHBOUR))
    for number in range(100):
        crowd = TeredoAddress(SERVER_2, 0, Endpoint(CLIENT_B_MAPPED.address, 9100 + number)).ipv6
        announce(bench, crowd, remote=Endpoint(NEIGHBOUR_LOCAL.address, 9100 + number))
    known = {peer.address for peer in bench.client.status(bench.now).peers}
    assert str(NEIGHBOUR) in known
    assert len(known) <= 16


def test_a_group_that_cannot_be_joined_is_told_and_does_not_matter() -> None:
    bench = Bench(local_discovery=True)
    bench.client.start(bench.now, network(), {})
    service, joining = bench.take_events(OpenChannel)
    bench.answer(joining, Failed(FailureCode.IN_USE, "UDP port 3544 is taken"))
    bench.open(service)
    for sent in bench.sent():
        bench.advertise(sent)
    assert "teredo.no-discovery" in [notice.code for notice in bench.take_events(Notice)]
    assert bench.state == "qualified"
    assert bench.sent() == []
