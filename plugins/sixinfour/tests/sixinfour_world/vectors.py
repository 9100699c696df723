"""The vectors of docs/protocols/sixinfour.md section 11, and the world they are from."""

import json
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from tunnelmgr.api.datagrams import Datagram, IcmpReceived
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.icmpv4 import Icmpv4Error, parse_icmpv4
from tunnelmgr.api.packets.ipv4 import IPv4Packet

_FILE = Path(__file__).parents[4] / "tests" / "data" / "sixinfour-vectors.json"
_DATA = json.loads(_FILE.read_text())

TABLES: dict[str, list[dict[str, Any]]] = _DATA["tables"]
CLIENT, SERVER = IPv4Address("192.0.2.1"), IPv4Address("203.0.113.4")
CLIENT6, SERVER6 = IPv6Address("2001:db8:1:2::2"), IPv6Address("2001:db8:1:2::1")
_PACKETS = {packet["name"]: packet for packet in _DATA["packets"]}


def names(prefix: str) -> list[str]:
    """Return the vectors whose names begin so."""
    return [name for name in _PACKETS if name.startswith(prefix)]


def outer(name: str) -> IPv4Packet:
    return IPv4Packet.parse(bytes.fromhex(_PACKETS[name]["ipv4_hex"]))


def inner(name: str) -> bytes:
    return bytes.fromhex(_PACKETS[name]["ipv6_hex"])


def datagram(name: str, channel: str = "raw41/1") -> Datagram:
    """Return a vector as it arrives on a channel."""
    packet = outer(name)
    remote, local = Endpoint(packet.source, 0), Endpoint(packet.destination, 0)
    return Datagram(channel, packet.payload, remote, local, tos=packet.tos, ttl=packet.ttl)


def error(name: str, channel: str = "raw41/1") -> IcmpReceived:
    """Return an ICMPv4 vector as a channel reports it."""
    packet = outer(name)
    message = parse_icmpv4(packet)
    assert isinstance(message, Icmpv4Error)
    quoted = message.quote.packet
    reporter, remote = Endpoint(packet.source, 0), Endpoint(quoted.destination, 0)
    return IcmpReceived(channel, message.type, message.code, message.mtu, reporter, remote, quoted.payload)
