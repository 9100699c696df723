"""IPv6 packets explained in words."""

from ipaddress import IPv6Address

import pytest

from tunnelmgr.api.dissection import MALFORMED, Field
from tunnelmgr.api.packets.discovery import NeighbourSolicitation, RouterSolicitation
from tunnelmgr.api.packets.explained import dissect_ipv6
from tunnelmgr.api.packets.icmp import EchoRequest, OtherIcmp
from tunnelmgr.api.packets.icmpv6 import Icmpv6Message, icmpv6_packet
from tunnelmgr.api.packets.icmpv6_errors import PacketTooBig, TimeExceeded, TimeExceededCode
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.packets.udp import UdpDatagram

HERE, THERE = IPv6Address("2001:db8::1"), IPv6Address("2002:c000:201::1")
TCP_SYN = bytes.fromhex("9c40005000000001000000005002faf000000000")


def packet(next_header: int, payload: bytes) -> bytes:
    return IPv6Packet(HERE, THERE, next_header, payload).serialize()


def icmpv6(message: Icmpv6Message) -> bytes:
    return icmpv6_packet(message, HERE, THERE).serialize()


@pytest.mark.parametrize(
    ("data", "kind", "purpose"),
    [
        (icmpv6(EchoRequest(7, 2, b"hello")), "echo-request", "echo request 2"),
        (icmpv6(RouterSolicitation()), "router-solicitation", "asks for a router"),
        (icmpv6(NeighbourSolicitation(HERE)), "neighbour-solicitation", "asks for neighbour 2001:db8::1"),
        (icmpv6(PacketTooBig(1280, b"")), "packet-too-big", "error: packet too big, 1280 bytes at most"),
        (icmpv6(TimeExceeded(TimeExceededCode.HOP_LIMIT, b"")), "time-exceeded", "error: time exceeded (hop limit)"),
        (icmpv6(OtherIcmp(143, 0, b"")), "icmpv6-143", "ICMPv6 type 143"),
        (packet(IpProtocol.UDP, UdpDatagram(5, 6, b"abc").serialize(HERE, THERE)), "udp", "UDP 5 > 6, 3 bytes"),
        (packet(IpProtocol.TCP, TCP_SYN), "tcp", "TCP 40000 > 80 SYN, 0 bytes"),
        (packet(IpProtocol.NO_NEXT_HEADER, b""), "bubble", "nothing inside: a bubble"),
        (packet(IpProtocol.ESP, bytes(12)), "protocol-50", "ESP, 12 bytes"),
        (packet(200, b"x"), "protocol-200", "protocol 200, 1 bytes"),
    ],
)
def test_a_packet_is_told_in_words(data: bytes, kind: str, purpose: str) -> None:
    found = dissect_ipv6(data)
    assert (found.kind, found.purpose) == (kind, purpose)


def test_a_fragment_is_named_and_not_taken_for_a_whole() -> None:
    header = bytes((IpProtocol.UDP, 0, 0x05, 0x01, 0, 0, 0, 9))
    assert dissect_ipv6(packet(IpProtocol.FRAGMENT, header + bytes(8))).purpose == "fragment of UDP at byte 1280, 8 bytes"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "IPv6 header needs 40 bytes, got 0"),
        (packet(IpProtocol.UDP, bytes(20))[:-1], "IPv6 packet of 60 bytes in 59 bytes"),
        (packet(IpProtocol.UDP, bytes(7)), "UDP header needs 8 bytes, got 7"),
        (packet(IpProtocol.TCP, bytes(20)), "TCP header of 0 bytes in 20 bytes"),
        (icmpv6(EchoRequest(7, 2))[:-1] + b"\x03", "ICMPv6 checksum"),
    ],
)
def test_what_is_broken_is_explained_by_the_reason(data: bytes, reason: str) -> None:
    found = dissect_ipv6(data)
    assert found.kind == MALFORMED
    assert found.purpose.startswith(f"malformed: {reason}")


def test_fields_lie_where_they_say() -> None:
    data = icmpv6(EchoRequest(7, 2, b"hello"))
    behind = bytes(8) + data
    fields = {field.name: field for field in dissect_ipv6(data, offset=8).fields}
    assert fields["source"] == Field("source", "2001:db8::1", 16, 16)
    assert fields["destination"] == Field("destination", "2002:c000:201::1", 32, 16, "6to4 site 192.0.2.1")
    assert fields["data"] == Field("data", b"hello".hex(), 56, 5)
    assert behind[56:61] == b"hello"
