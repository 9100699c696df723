"""What clients do around a server on the bench."""

from ipaddress import IPv4Address, IPv6Address

from tests.teredo_world import vectors
from tests.teredo_world.served_bench import (
    ServedBench,
)
from tests.teredo_world.vectors import CLIENT_A_MAPPED, PACKETS

from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.wire.address import TeredoAddress

STRANGER = Endpoint(IPv4Address("198.51.100.77"), 40000)
SECRET = {"client_id": "alice", "secret": "correct horse battery"}
SOLICITATION = PACKETS["rs-restricted-nonce"]


def client_of(server: IPv4Address, mapped: Endpoint) -> IPv6Address:
    return TeredoAddress(server, 0, mapped).ipv6


OUR_CLIENT = client_of(vectors.SERVER_1, Endpoint(IPv4Address("192.0.2.50"), 5000))


def own_client_at(address: str, port: int = 5000) -> IPv6Address:
    return client_of(vectors.SERVER_1, Endpoint(IPv4Address(address), port))


def refused(bench: ServedBench, payload: bytes, remote: Endpoint = CLIENT_A_MAPPED) -> dict[str, int]:
    """Give the server a datagram that must have no effect; return what was counted."""
    before = bench.dropped()
    assert bench.take(payload, remote) == []
    assert bench.delivered() == []
    counted = bench.dropped()
    return {reason: count - before.get(reason, 0) for reason, count in counted.items() if count != before.get(reason)}
