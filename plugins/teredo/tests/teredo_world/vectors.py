"""The vectors of docs/protocols/teredo.md section 11, and the world they are from."""

import json
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.wire.address import TeredoAddress

_FILE = Path(__file__).parents[4] / "tests" / "data" / "teredo-vectors.json"
_DATA = json.loads(_FILE.read_text())

SERVER_1 = IPv4Address("203.0.113.120")
SERVER_1_SECONDARY = IPv4Address("203.0.113.121")
SERVER_2 = IPv4Address("198.51.100.118")
CLIENT_A = IPv6Address("2001:0:cb00:7178:1c2d:efff:3fff:fdfe")
CLIENT_A_MAPPED = Endpoint(IPv4Address("192.0.2.1"), 4096)
CLIENT_B = IPv6Address("2001:0:c633:6476:2081:dfff:3fff:fdf5")
CLIENT_B_MAPPED = Endpoint(IPv4Address("192.0.2.10"), 8192)
RELAY = Endpoint(IPv4Address("198.51.100.200"), 3545)
NATIVE_HOST = IPv6Address("2001:db8:cafe::1")
NONCE = bytes.fromhex("1122334455667788")


def client_at(address: str, port: int = 5000, server: IPv4Address = SERVER_1, flags: int = 0) -> IPv6Address:
    """Return the Teredo address of a client behind such a mapping."""
    return TeredoAddress(server, flags, Endpoint(IPv4Address(address), port)).ipv6


@dataclass(frozen=True, slots=True)
class Vector:
    """One datagram of the file."""

    name: str
    payload: bytes
    source: Endpoint
    destination: Endpoint
    ttl: int


ADDRESSES = _DATA["addresses"]


def _vector(packet: dict[str, str]) -> Vector:
    outer = bytes.fromhex(packet["ipv4_hex"])
    source = Endpoint(IPv4Address(outer[12:16]), int.from_bytes(outer[20:22], "big"))
    destination = Endpoint(IPv4Address(outer[16:20]), int.from_bytes(outer[22:24], "big"))
    return Vector(packet["name"], bytes.fromhex(packet["udp_payload_hex"]), source, destination, outer[8])


PACKETS = {packet["name"]: _vector(packet) for packet in _DATA["packets"]}
