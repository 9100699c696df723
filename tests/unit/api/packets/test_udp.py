from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.udp import UdpDatagram

V4 = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.7")
V6 = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")


def test_the_datagram_inside_a_teredo_packet_is_read(teredo: Callable[[str], bytes]) -> None:
    packet = IPv6Packet.parse(teredo("data-direct"))
    datagram = UdpDatagram.parse(packet.payload, packet.source, packet.destination)
    assert datagram == UdpDatagram(40100, 40101, b"hello, teredo")
    assert datagram.serialize(packet.source, packet.destination) == packet.payload


def test_a_zero_checksum_is_legal_over_ipv4_only() -> None:
    unchecked = bytes.fromhex("0dd810000009000061")
    assert UdpDatagram.parse(unchecked, *V4).payload == b"a"
    with pytest.raises(WireError, match="without a checksum"):
        UdpDatagram.parse(unchecked, *V6)


def test_a_checksum_that_comes_out_as_zero_is_sent_as_ffff() -> None:
    probe = UdpDatagram(1, 2, bytes(2)).serialize(*V6)
    datagram = UdpDatagram(1, 2, probe[6:8])  # adding the checksum itself makes the sum come out as zero
    assert datagram.serialize(*V6)[6:8] == b"\xff\xff"
    assert UdpDatagram.parse(datagram.serialize(*V6), *V6) == datagram


def test_a_wrong_checksum_is_refused() -> None:
    data = UdpDatagram(1, 2, b"payload").serialize(*V4)
    with pytest.raises(WireError, match="checksum"):
        UdpDatagram.parse(data[:-1] + b"x", *V4)


def test_a_datagram_delivered_to_another_address_is_refused() -> None:
    data = UdpDatagram(1, 2, b"payload").serialize(*V4)
    with pytest.raises(WireError, match="checksum"):
        UdpDatagram.parse(data, V4[0], IPv4Address("198.51.100.8"))


def test_bytes_beyond_the_udp_length_are_ignored() -> None:
    datagram = UdpDatagram(1, 2, b"payload")
    assert UdpDatagram.parse(datagram.serialize(*V4) + b"padding", *V4) == datagram


@pytest.mark.parametrize("length", [0, 7, 10])
def test_an_impossible_length_is_refused(length: int) -> None:
    with pytest.raises(WireError, match="length"):
        UdpDatagram.parse(b"\0\1\0\2" + length.to_bytes(2, "big") + bytes(3), *V4)


def test_a_datagram_that_cannot_be_sent_cannot_be_made() -> None:
    with pytest.raises(WireError, match="length"):
        UdpDatagram(1, 2, bytes(65528))
    with pytest.raises(WireError, match="port"):
        UdpDatagram(-1, 2, b"")
