from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from tests.teredo_world.bench import Bench, ScriptedRandom, udp_packet
from tests.teredo_world.vectors import CLIENT_A_MAPPED, CLIENT_B, CLIENT_B_MAPPED, NATIVE_HOST, SERVER_2

from tunnelmgr.api.events import PathDown, PathUp
from tunnelmgr.api.limits import TokenBucket, TokenBuckets
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.status import PathUse
from tunnelmgr_teredo.client.bubbles import RoundLimit
from tunnelmgr_teredo.client.packet_queue import PacketQueues
from tunnelmgr_teredo.client.peers import Peer, PeerList, PeerStanding
from tunnelmgr_teredo.constants import (
    BUBBLE_INTERVAL,
    BUBBLES_MAX,
    PEER_IDLE_MAX,
    PEER_SWEEP_INTERVAL,
    QUEUE_BYTES_MAX,
    QUEUE_PACKETS_MAX,
    QUEUES_BYTES_MAX,
)
from tunnelmgr_teredo.wire.address import TeredoAddress
from tunnelmgr_teredo.wire.datagram import bubble


def peer(number: int, standing: PeerStanding = PeerStanding.UNSOLICITED, at: float = 0.0) -> Peer:
    return Peer(IPv6Address(number), None, at, standing)


# -- the list -----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-PE-002")
def test_a_full_list_evicts_the_peer_used_longest_ago() -> None:
    peers = PeerList(4)
    known = [peer(number, PeerStanding.ESTABLISHED) for number in range(4)]
    for one in known:
        peers.add(one)
    peers.touch(known[0])
    assert peers.add(peer(9, PeerStanding.ESTABLISHED)) == [known[1]]
    assert len(peers) == 4


@pytest.mark.requirement("T-PE-002")
def test_strangers_go_before_peers_this_host_wants_and_those_before_established_ones() -> None:
    peers = PeerList(6)
    established = [peer(number, PeerStanding.ESTABLISHED) for number in range(3)]
    wanted, stranger = peer(10, PeerStanding.SOLICITED), peer(11)
    for one in (*established, wanted, stranger):
        peers.add(one)
    peers.touch(stranger)
    peers.add(peer(12, PeerStanding.ESTABLISHED))
    evicted = [peers.add(peer(number, PeerStanding.ESTABLISHED))[0] for number in range(20, 23)]
    assert evicted == [stranger, wanted, established[0]]


@pytest.mark.requirement("T-PE-005")
def test_strangers_have_half_of_the_list_at_most() -> None:
    peers = PeerList(10)
    for number in range(100):
        peers.add(peer(number, PeerStanding.SOLICITED if number % 2 else PeerStanding.UNSOLICITED))
    assert len(peers) == 5


@pytest.mark.requirement("T-PE-006")
def test_a_flood_of_strangers_leaves_a_hundred_friends() -> None:
    peers = PeerList(4096)
    friends = [peer(number, PeerStanding.ESTABLISHED) for number in range(100)]
    for friend in friends:
        peers.add(friend)
    for number in range(1000, 21_000):  # each one finds the list as the one before left it: a million would not differ
        peers.add(peer(number))
    assert all(peers.get(friend.address) is friend for friend in friends)
    assert len(peers) == 100 + 2048
    assert (peers.get(peer(18_951).address), peers.get(peer(18_952).address) is None) == (None, False), "the oldest went"


@pytest.mark.requirement("T-PE-006", "T-PE-002", "T-PE-005")
def test_forged_packets_from_matching_mappings_leave_the_paths_of_friends_alone() -> None:
    bench = Bench(ScriptedRandom(flags=0x1C2D), peers_max=64).qualified(CLIENT_A_MAPPED)
    for number in range(10):
        friend = TeredoAddress(SERVER_2, number, CLIENT_B_MAPPED).ipv6
        bench.send(udp_packet(bench.address, friend))
        bench.receive(bubble(friend, bench.address), CLIENT_B_MAPPED)
    friends = {str(path.prefix) for path in bench.take_events(PathUp)}
    assert len(friends) == 10
    for number in range(300):
        mapped = Endpoint(IPv4Address("198.51.100.0") + number % 250 + 1, 1024 + number)
        bench.receive(bubble(TeredoAddress(SERVER_2, 0, mapped).ipv6, bench.address), mapped)
    gone = {str(path.prefix) for path in bench.take_events(PathDown)}
    assert not gone & friends
    known = bench.client.status(bench.now).peers_total
    assert known <= 64
    assert len(gone) == 10 + 300 - known, "who is forgotten has no path"


@pytest.mark.requirement("T-PE-002", "T-PE-005")
def test_peers_that_answered_us_may_fill_the_whole_list() -> None:
    bench = Bench(ScriptedRandom(flags=0x1C2D), peers_max=16).qualified(CLIENT_A_MAPPED)
    for number in range(16):
        mapped = Endpoint(IPv4Address("198.51.100.1") + number, 4096)
        friend = TeredoAddress(SERVER_2, 0, mapped).ipv6
        bench.send(udp_packet(bench.address, friend))
        bench.receive(bubble(friend, bench.address), mapped)
    assert bench.client.status(bench.now).peers_total == 16
    assert bench.take_events(PathDown) == []


@pytest.mark.requirement("T-PE-006")
def test_a_peer_that_spoke_first_becomes_a_friend_by_lasting() -> None:
    bench = Bench(ScriptedRandom(flags=0x1C2D), peers_max=16).qualified(CLIENT_A_MAPPED)
    bench.refreshes = CLIENT_A_MAPPED
    for _ in range(8):
        bench.receive(bubble(CLIENT_B, bench.address), CLIENT_B_MAPPED)
        use = PathUse(IPv6Network(CLIENT_B), bench.now, bench.now, 1, 100, 1, 100)
        bench.client.paths_used([use], bench.now)
        bench.wait(5)
    for number in range(100):
        mapped = Endpoint(IPv4Address("198.51.100.1"), 1024 + number)
        bench.receive(bubble(TeredoAddress(SERVER_2, 0, mapped).ipv6, bench.address), mapped)
    assert str(CLIENT_B) in {known.address for known in bench.client.status(bench.now).peers}


@pytest.mark.requirement("T-PE-001")
def test_idle_peers_are_forgotten() -> None:
    bench = Bench(ScriptedRandom(flags=0x1C2D)).qualified(CLIENT_A_MAPPED)
    bench.refreshes = CLIENT_A_MAPPED
    bench.receive(bubble(CLIENT_B, bench.address), CLIENT_B_MAPPED)
    bench.send(udp_packet(bench.address, NATIVE_HOST))
    bench.wait(PEER_IDLE_MAX - 10)
    assert bench.client.status(bench.now).peers_total == 2
    bench.wait(PEER_SWEEP_INTERVAL + 20)
    assert bench.client.status(bench.now).peers_total == 0


# -- queues -------------------------------------------------------------------------------------------------------------


class Queues(PacketQueues):
    """Queues that tell how many packets they dropped since they were asked last."""

    def __init__(self, size: int = QUEUES_BYTES_MAX) -> None:
        self.outbox = Outbox()
        super().__init__(self.outbox, size)

    def dropped(self) -> int:
        return self.outbox.counters.pop("dropped-queue-full", 0)


@pytest.mark.requirement("T-PE-004", "T-PE-007")
def test_a_queue_is_first_in_first_out_and_drops_the_oldest() -> None:
    queues = Queues()
    for number in range(QUEUE_PACKETS_MAX + 2):
        queues.hold("peer", bytes((number,)))
    assert queues.dropped() == 2
    assert [waiting.packet[0] for waiting in queues.drain("peer")] == list(range(2, QUEUE_PACKETS_MAX + 2))
    assert not queues.drain("peer")


@pytest.mark.requirement("T-PE-004")
def test_a_queue_is_bounded_in_bytes_too() -> None:
    queues = Queues()
    queues.hold("peer", bytes(QUEUE_BYTES_MAX + 1))
    assert queues.dropped() == 1
    for _ in range(5):
        queues.hold("peer", bytes(4000))
    assert queues.dropped() == 3
    queues.hold("peer", bytes(QUEUE_BYTES_MAX))
    assert queues.dropped() == 2
    assert [len(waiting.packet) for waiting in queues.drain("peer")] == [QUEUE_BYTES_MAX]


@pytest.mark.requirement("T-PE-004")
def test_all_queues_together_are_bounded_and_give_back_what_they_held() -> None:
    queues = Queues(10_000)
    for _ in range(2):
        for peer in range(20):
            queues.hold(peer, bytes(1000))
        assert queues.dropped() == 10
        assert sum(len(queues.drain(peer)) for peer in range(20)) == 10
    alone = Queues(8000)
    for _ in range(20):
        alone.hold("peer", bytes(1000))
    assert alone.dropped() == 12
    assert len(alone.drain("peer")) == 8, "what goes makes room"


# -- limits -------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-TX-008", "T-TX-009", "T-TX-013")
def test_rounds_are_two_seconds_apart_and_four_in_300_seconds() -> None:
    limit = RoundLimit()
    assert limit.earliest(100.0, None) == 100.0
    assert limit.earliest(100.0, 99.5) == 101.5
    for at in (100.0, 102.0, 104.0, 106.0):
        assert limit.earliest(at, None) == at
        limit.count(at)
        assert limit.earliest(at + 1, None) in (at + 2, None)
    assert limit.earliest(399.9, None) is None
    assert limit.earliest(400.0, None) == 400.0


@pytest.mark.requirement("T-TX-009")
def test_a_direct_answer_resets_the_limit() -> None:
    limit = RoundLimit()
    for _ in range(BUBBLES_MAX):
        limit.count(0.0)
    assert limit.earliest(BUBBLE_INTERVAL, None) is None
    limit.answered()
    assert limit.earliest(BUBBLE_INTERVAL, None) == BUBBLE_INTERVAL


def test_a_token_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(3, 2.0)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(10.5), bucket.take(10.5)] == [True, False]
    assert sum(bucket.take(10.5 + number / 100) for number in range(1, 1001)) == 20


def test_buckets_are_kept_apart_and_bounded() -> None:
    buckets: TokenBuckets[int] = TokenBuckets(1, 0.001, keys_max=10)
    assert buckets.take(1, 0.0)
    assert not buckets.take(1, 0.0)
    assert buckets.take(2, 0.0)
    for key in range(100, 110):
        buckets.take(key, 0.0)
    assert buckets.take(1, 0.0), "forgotten"
