"""One qualification and one first ping, captured on the client's link: each datagram against docs/protocols/teredo.md.

Read here by offsets, not by our own Teredo codec, and once more by tshark's dissector.
"""

import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.netns.capture import Capture, capturing
from tests.netns.program import Tunnelmgr, ping
from tests.peers.miredo import RELAY_PORT
from tests.peers.teredo_internet import teredo_internet
from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.udp import UdpDatagram
from tunnelmgr.lab.namespaces import Offload

SERVER = IPv4Address("192.0.2.1")
SECONDARY = IPv4Address("192.0.2.2")
RELAY = IPv4Address("198.51.100.1")
NAT = IPv4Address("203.0.113.1")
SERVER_PORT = 3544
# RFC 4861 section 4.1 from fe80::ffff:ffff:ffff to ff02::2: `rs-restricted-plain` of tests/data/teredo-vectors.json.
SOLICITATION = bytes.fromhex(
    "6000000000083afffe800000000000000000ffffffffffffff02000000000000000000000000000285007d3700000000"
)


class Recorded(NamedTuple):
    """One story: what was captured, and what the program said of itself afterwards."""

    capture: Capture
    address: IPv6Address
    native: IPv6Address
    port: int

    def conversation(self, *others: IPv4Address) -> list[tuple[str, IPv4Packet, UdpDatagram]]:
        """What went to and came from these outer addresses, in order.

        The look at the NAT's filtering is left out: it has a port of its own (RFC 4380 section 5.2.1).
        """
        return [
            (f"to {packet.destination}" if packet.destination in others else f"from {packet.source}", packet, datagram)
            for packet, datagram in self.capture.udp()
            if {packet.source, packet.destination} & set(others)
            and self.port in {datagram.source_port, datagram.destination_port}
        ]


@pytest.fixture
def recorded(miredo_programs: None, lab_name: Callable[[], str], tmp_path: Path) -> Recorded:
    """Bring a client up and ping once."""
    with teredo_internet(lab_name(), tmp_path) as internet:
        client = Tunnelmgr(internet.home.inside, tmp_path)
        with capturing(client.host, "eth0") as capture:
            client.up()
            assert ping(client.host, internet.native.ipv6, 1) == 1
        port = int(client.tunnel()["facts"]["local"].rpartition(":")[2])
        recorded = Recorded(capture, client.address(), internet.native.ipv6, port)
        client.run("down", "home")
        return recorded


def obfuscated(address: IPv4Address, port: int) -> bytes:
    """Port and address as RFC 4380 section 4 writes them: every bit inverted."""
    return (port ^ 0xFFFF).to_bytes(2) + (int(address) ^ 0xFFFF_FFFF).to_bytes(4)


def addresses(packet: bytes) -> tuple[IPv6Address, IPv6Address]:
    return IPv6Address(packet[8:24]), IPv6Address(packet[24:40])


@pytest.mark.requirement("T-CL-005", "T-CL-006", "T-PK-010", "T-PK-011", "T-PK-013", "T-AD-001", "T-AD-002", "T-AD-004")
def test_the_qualification_is_what_the_specification_says(recorded: Recorded) -> None:
    exchange = recorded.conversation(SERVER, SECONDARY)[:4]
    assert sorted(direction for direction, _, _ in exchange) == [
        f"from {SERVER}",
        f"from {SECONDARY}",
        f"to {SERVER}",
        f"to {SECONDARY}",
    ]
    assert exchange[0][0] == f"to {SERVER}", "the primary address is asked first"
    nonces = set()
    for direction, outer, datagram in exchange:
        data = datagram.payload
        header, nonce, confirmation = data[:4], data[4:12], data[12]
        assert (header, confirmation) == (b"\x00\x01\x00\x00", 0), "authentication without identifier (section 3.1)"
        assert nonce != bytes(8)
        nonces.add(nonce)
        if direction.startswith("to"):
            assert (datagram.source_port, datagram.destination_port) == (recorded.port, SERVER_PORT)
            assert data[13:] == SOLICITATION
            assert len(data) == 61
            assert not outer.dont_fragment
            assert outer.tos == 0
        else:
            assert len(data) == 117
            origin = data[13:21]
            assert origin == b"\x00\x00" + obfuscated(NAT, recorded.port), "our NAT keeps ports (section 3.2)"
    assert len(nonces) == 2, "one nonce for each solicitation, echoed in its answer"
    packed = recorded.address.packed
    assert packed[:8] == b"\x20\x01\x00\x00" + SERVER.packed
    assert packed[10:] == obfuscated(NAT, recorded.port)
    assert int.from_bytes(packed[8:10]) & ~0x3CFF == 0, "cone, z, U and G bits are zero (section 2)"


@pytest.mark.requirement("T-TX-003", "T-TX-012", "T-RX-005", "T-RX-008", "T-RX-011")
def test_the_first_ping_makes_the_six_packets(recorded: Recorded) -> None:
    # What follows the qualification: the echo test, its bubble, ours, its answer, and the ping both ways.
    story = recorded.conversation(SERVER, SECONDARY, RELAY)[4:]
    assert [direction for direction, _, _ in story] == [
        f"to {SERVER}",
        f"from {SERVER}",
        f"to {RELAY}",
        f"from {RELAY}",
        f"to {RELAY}",
        f"from {RELAY}",
    ]
    test, indirect, direct, answer, request, reply = (datagram.payload for _, _, datagram in story)

    assert addresses(test) == (recorded.address, recorded.native)
    assert (len(test), test[6], test[7], test[40]) == (64, 58, 128, 128), "an echo request with hop limit 128 (4.10)"
    nonce = test[48:]
    assert len(set(nonce)) > 4

    assert indirect[:8] == b"\x00\x00" + obfuscated(RELAY, RELAY_PORT), "the server tells where the bubble came from"
    bubble = indirect[8:]
    assert (len(bubble), bubble[4:6], bubble[6]) == (40, b"\x00\x00", 59)
    relay_address, ours = addresses(bubble)
    assert ours == recorded.address
    assert relay_address.is_link_local, "Miredo's own scheme (3.4)"

    assert (len(direct), direct[4:6], direct[6]) == (40, b"\x00\x00", 59)
    assert addresses(direct) == (recorded.address, relay_address)

    assert addresses(answer) == (recorded.native, recorded.address)
    assert answer[40] == 129
    assert answer[44:] == test[44:], "identifier, sequence and nonce come back"

    assert addresses(request) == (recorded.address, recorded.native)
    assert (request[40], reply[40]) == (128, 129)
    assert addresses(reply) == (recorded.native, recorded.address)
    assert request[44:] == reply[44:]


@pytest.mark.requirement("T-PK-015")
def test_every_datagram_has_a_checksum_that_is_right(
    miredo_programs: None, lab_name: Callable[[], str], tmp_path: Path
) -> None:
    # Where the link does not leave checksums to a card, what is captured is what would be on the wire.
    with teredo_internet(lab_name(), tmp_path, offload=Offload.NO_CHECKSUMS) as internet:
        client = Tunnelmgr(internet.home.inside, tmp_path)
        with capturing(client.host, "eth0") as capture:
            client.up()
            assert ping(client.host, internet.native.ipv6, 1) == 1
            client.run("down", "home")
        outer = [IPv4Packet.parse(frame[14:]) for _, frame in capture.frames if frame[12:14] == b"\x08\x00"]
        sent = [packet for packet in outer if packet.source == internet.home.inside.ipv4]
    assert len(sent) >= 5, "two solicitations, the echo test, a bubble, the ping"
    for packet in sent:
        assert packet.payload[6:8] != b"\0\0"
        UdpDatagram.parse(packet.payload, packet.source, packet.destination)  # raises for a wrong checksum


def test_tshark_agrees(recorded: Recorded, tshark: str, tmp_path: Path) -> None:
    file = recorded.capture.write(tmp_path / "client.pcap")
    dissect = [tshark, "-n", "-r", str(file)]
    for port in (recorded.port, RELAY_PORT):
        dissect += ["-d", f"udp.port=={port},teredo"]

    def fields(display_filter: str, *names: str) -> list[list[str]]:
        words = [*dissect, "-Y", display_filter, "-T", "fields", *(word for name in names for word in ("-e", name))]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        return [line.split("\t") for line in said.splitlines()]

    assert fields("_ws.malformed || _ws.expert.severity == error", "frame.number") == []
    assert fields("icmpv6.checksum.status == 0", "frame.number") == [], "a bad ICMPv6 checksum"
    teredo = fields(f"teredo && udp.port == {recorded.port}", "ipv6.src", "icmpv6.type", "teredo.orig.addr", "ipv6.nxt")
    assert len(teredo) == 10, "four datagrams of the qualification, the six packets"
    types = [row[1] for row in teredo if row[3] == "58"]
    assert sorted(types[:4]) == ["133", "133", "134", "134"], "the server may answer before its second address is asked"
    assert types[4:] == ["128", "129", "128", "129"]
    assert [row[2] for row in teredo if row[3] == "59"] == [str(RELAY), ""], "two bubbles, one with its origin"
    assert teredo[4][0] == str(recorded.address)
