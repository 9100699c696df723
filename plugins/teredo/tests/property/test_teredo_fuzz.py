"""A hundred thousand damaged datagrams for each of the parsers, the client, and the server with its relay.

The other files of this folder look for a counterexample and make it small. Here the seed is fixed,
and the number large.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address
from random import Random

import pytest
from tests.teredo_world.bench import udp_packet
from tests.teredo_world.friends import PEERS_MAX, client_with_friends, friends
from tests.teredo_world.served_bench import server_bench
from tests.teredo_world.vectors import CLIENT_A, CLIENT_A_MAPPED, CLIENT_B, NATIVE_HOST, PACKETS, RELAY

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.events import Down
from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.wire.datagram import Payload

CASES = 100_000
PAUSE = 0.01  # seconds between two datagrams: refreshes, tests and limits run meanwhile

pytestmark = pytest.mark.requirement("T-SE-005")

PAYLOADS = [vector.payload for vector in PACKETS.values() if vector.payload]
REMOTES = [vector.source for vector in PACKETS.values()]


def damaged(random: Random) -> Iterator[bytes]:
    """Yield datagrams of the vectors with up to four octets changed; one in four cut, one in eight made of two."""
    for _ in range(CASES):
        data = bytearray(random.choice(PAYLOADS))
        for _ in range(random.randrange(5)):
            data[random.randrange(len(data))] = random.randrange(256)
        if not random.randrange(4):
            del data[random.randrange(len(data)) :]
        if not random.randrange(8):
            data += random.choice(PAYLOADS)
        yield bytes(data)


def sender(random: Random) -> Endpoint:
    """Return whom a datagram comes from: one of the vectors, or anybody."""
    if random.randrange(4):
        return random.choice(REMOTES)
    return Endpoint(IPv4Address(random.getrandbits(32)), random.getrandbits(16))


def test_parsers_read_or_refuse() -> None:
    refused = 0
    for data in damaged(Random(1)):
        try:
            Payload.parse(data).trailers()
        except WireError:
            refused += 1
    assert 0 < refused < CASES


def test_a_client_stays_qualified_bounded_and_true_to_its_friends() -> None:
    random = Random(2)
    bench = client_with_friends()
    before = friends(bench)
    for number, data in enumerate(damaged(random)):
        bench.receive(data, sender(random))
        if number % 100 == 0:
            bench.wait(100 * PAUSE)
            assert friends(bench) == before
            bench.receive(udp_packet(CLIENT_A, CLIENT_B), CLIENT_A_MAPPED)
            bench.receive(udp_packet(NATIVE_HOST, CLIENT_B), RELAY)
            bench.sent()
            bench.delivered()
            assert bench.take_events(Down) == []
            assert bench.client.status(bench.now).peers_total <= PEERS_MAX
    assert bench.state in {"qualified", "refreshing"}
    assert bench.address == CLIENT_B


def test_a_server_with_a_relay_sends_one_datagram_for_one_at_most() -> None:
    random = Random(3)
    bench = server_bench(relay=True)
    answered = 0
    for data in damaged(random):
        sent = bench.take(data, sender(random), random.choice(["primary", "secondary", "relay"]))
        answered += len(sent)
        assert len(sent) + len(bench.delivered()) <= 1
        bench.wait(PAUSE)
    assert answered > 0
