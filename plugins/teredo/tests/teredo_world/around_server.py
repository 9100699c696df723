"""What clients do around a server on the bench."""

from ipaddress import IPv4Address

from tests.teredo_world.served_bench import (
    ServedBench,
)
from tests.teredo_world.vectors import CLIENT_A_MAPPED, PACKETS, client_at

from tunnelmgr.api.network import Endpoint

STRANGER = Endpoint(IPv4Address("198.51.100.77"), 40000)
SECRET = {"client_id": "alice", "secret": "correct horse battery"}
SOLICITATION = PACKETS["rs-restricted-nonce"]
OUR_CLIENT = client_at("192.0.2.50")


def refused(bench: ServedBench, payload: bytes, remote: Endpoint = CLIENT_A_MAPPED) -> dict[str, int]:
    """Give the server a datagram that must have no effect; return what was counted."""
    before = bench.dropped()
    assert bench.take(payload, remote) == []
    assert bench.delivered() == []
    counted = bench.dropped()
    return {reason: count - before.get(reason, 0) for reason, count in counted.items() if count != before.get(reason)}
