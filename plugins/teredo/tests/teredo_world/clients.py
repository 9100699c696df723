"""Clients A and B of the vectors on the bench, and what the tests of their qualification and reception share."""

from ipaddress import IPv4Address

import pytest
from tests.teredo_world.bench import (
    SECONDARY,
    SERVER,
    Bench,
    ScriptedRandom,
    network,
)
from tests.teredo_world.vectors import (
    CLIENT_B,
    CLIENT_B_MAPPED,
    NONCE,
    PACKETS,
    SERVER_1,
    SERVER_2,
)

from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.wire.datagram import is_bubble

PRIMARY_ENDPOINT = Endpoint(SERVER, 3544)
SECONDARY_ENDPOINT = Endpoint(SECONDARY, 3544)
SERVER_OF_B = Endpoint(SERVER_2, 3544)
SERVER_OF_A = Endpoint(SERVER_1, 3544)
STRANGER = Endpoint(IPv4Address("192.0.2.77"), 9999)


def client_a(**settings: object) -> Bench:
    """Return client A of the vectors, which has just asked its server."""
    return Bench(ScriptedRandom(nonce=NONCE, flags=0x1C2D), port=4096, **settings).start(network("192.168.1.10"))


def receive(bench: Bench, name: str) -> None:
    bench.receive(PACKETS[name].payload, PACKETS[name].source)


@pytest.fixture
def client_b() -> Bench:
    bench = Bench(ScriptedRandom(flags=0x2081), server=str(SERVER_2)).qualified(CLIENT_B_MAPPED, SERVER_2)
    assert bench.address == CLIENT_B
    bench.refreshes = CLIENT_B_MAPPED
    return bench


def echo_requests(bench: Bench) -> list[IPv6Packet]:
    """Take what was sent; return the echo tests among it."""
    packets = [IPv6Packet.parse(sent.data) for sent in bench.sent() if sent.remote == SERVER_OF_B]
    return [packet for packet in packets if not is_bubble(packet)]


def reply_to(request: IPv6Packet) -> bytes:
    message = parse_icmpv6(request)
    assert isinstance(message, EchoRequest)
    return icmpv6_packet(message.reply(), request.destination, request.source).serialize()
