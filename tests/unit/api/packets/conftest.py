"""Packets from the vector files of tests/data, by name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.udp import UdpDatagram

DATA = Path(__file__).parents[3] / "data"


def _packets(file: str) -> dict[str, dict[str, str]]:
    return {packet["name"]: packet for packet in json.loads((DATA / file).read_text())["packets"]}


@pytest.fixture(scope="session")
def teredo() -> Callable[[str], bytes]:
    """Return what gives the UDP payload of a Teredo vector."""
    packets = _packets("teredo-vectors.json")

    def udp_payload(name: str) -> bytes:
        outer = IPv4Packet.parse(bytes.fromhex(packets[name]["ipv4_hex"]))
        return UdpDatagram.parse(outer.payload, outer.source, outer.destination).payload

    return udp_payload


@pytest.fixture(scope="session")
def sixinfour() -> Callable[[str], bytes]:
    """Return what gives the whole IP packet of a 6in4 vector."""
    packets = _packets("sixinfour-vectors.json")
    return lambda name: bytes.fromhex(packets[name].get("ipv4_hex") or packets[name]["ipv6_hex"])


@pytest.fixture(scope="session")
def datagrams() -> list[bytes]:
    """Every IPv4 datagram of both vector files."""
    files = ("teredo-vectors.json", "sixinfour-vectors.json")
    packets = [packet for file in files for packet in _packets(file).values()]
    return [bytes.fromhex(packet["ipv4_hex"]) for packet in packets if "ipv4_hex" in packet]
