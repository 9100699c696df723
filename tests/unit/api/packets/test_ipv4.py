from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.ecn import Ecn
from tunnelmgr.api.packets.ipv4 import IPv4Packet, IPv4Quote

PACKET = IPv4Packet(
    IPv4Address("192.168.0.1"),
    IPv4Address("192.168.0.199"),
    protocol=17,
    payload=bytes(95),
    dont_fragment=True,
)
WIRE = bytes.fromhex("45000073000040004011b861c0a80001c0a800c7") + bytes(95)
ROUTER_ALERT = bytes.fromhex("94040000")  # RFC 2113


def resummed(header: str) -> bytes:
    """The header with whatever is in its checksum field made right."""
    data = bytearray.fromhex(header)
    data[10:12] = bytes(2)
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    data[10:12] = (~(total + (total >> 16)) & 0xFFFF).to_bytes(2, "big")
    return bytes(data)


def test_a_well_known_header_is_read_and_written() -> None:
    assert IPv4Packet.parse(WIRE) == PACKET
    assert PACKET.serialize() == WIRE


def test_every_vector_comes_back_byte_for_byte(datagrams: list[bytes]) -> None:
    assert len(datagrams) > 90
    assert [IPv4Packet.parse(datagram).serialize() for datagram in datagrams] == datagrams


def test_bytes_beyond_the_total_length_are_ignored() -> None:
    assert IPv4Packet.parse(WIRE + b"ethernet padding") == PACKET


def test_tos_is_dscp_and_ecn() -> None:
    packet = replace(PACKET, tos=0xBB)
    assert (packet.tos >> 2, packet.ecn) == (46, Ecn.CE)
    assert IPv4Packet.parse(packet.serialize()) == packet


def test_options_are_kept() -> None:
    packet = replace(PACKET, options=ROUTER_ALERT + b"\x01\x01\x01\x00")
    assert packet.header_length == 28
    assert IPv4Packet.parse(packet.serialize()) == packet


@pytest.mark.parametrize("options", ["07", "94050000", "94000000", "94010000", "01010107", "00" * 44])
def test_malformed_options_are_refused(options: str) -> None:
    with pytest.raises(WireError, match="option"):
        replace(PACKET, options=bytes.fromhex(options))


def test_bytes_behind_the_end_of_options_are_not_options() -> None:
    assert replace(PACKET, options=bytes.fromhex("009400ff")).header_length == 24


def test_a_wrong_header_checksum_is_refused() -> None:
    with pytest.raises(WireError, match="checksum b862"):
        IPv4Packet.parse(WIRE[:11] + b"\x62" + WIRE[12:])


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "needs 20 bytes"),
        ("60000000" + "00" * 16, "version 6"),
        ("44000014000000004011" + "00" * 10, "header of 16 bytes"),
        ("46000018000000004011" + "00" * 10, "header of 24 bytes"),
        ("45000013000000004011" + "00" * 10, "total length 19"),
        ("45000015000000004011" + "00" * 10, "total length 21"),
    ],
)
def test_impossible_headers_are_refused(header: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        IPv4Packet.parse(bytes.fromhex(header))


def test_the_reserved_flag_is_refused() -> None:
    with pytest.raises(WireError, match="reserved"):
        IPv4Packet.parse(resummed("4500001400008000401100000a0000010a000002"))


def test_fragments_carry_their_offset_in_bytes() -> None:
    first = replace(PACKET, dont_fragment=False, more_fragments=True, payload=bytes(16))
    last = replace(PACKET, fragment_offset=16)
    assert first.serialize()[6:8] == b"\x20\x00"
    assert last.serialize()[6:8] == b"\x40\x02"
    assert [IPv4Packet.parse(packet.serialize()) for packet in (first, last)] == [first, last]
    assert first.is_fragment
    assert last.is_fragment
    assert not PACKET.is_fragment


def test_fragments_that_cannot_be_put_together_are_refused() -> None:
    with pytest.raises(WireError, match="not the last"):
        IPv4Packet.parse(replace(PACKET, more_fragments=True).serialize())
    with pytest.raises(WireError, match="beyond 65535"):
        IPv4Packet.parse(replace(PACKET, fragment_offset=65528).serialize())
    with pytest.raises(WireError, match="multiple of 8"):
        replace(PACKET, fragment_offset=12)


def test_a_quote_keeps_the_length_of_the_whole_packet() -> None:
    quote = IPv4Quote.parse(WIRE[:28])
    assert (quote.total_length, quote.packet.payload) == (115, bytes(8))
    assert quote == IPv4Quote.of(PACKET)
    assert quote.serialize() == WIRE[:28]


def test_a_quote_is_read_although_a_router_changed_it_without_summing_again() -> None:
    assert IPv4Quote.parse(WIRE[:8] + b"\x3f" + WIRE[9:28]).packet.ttl == 63


def test_a_quote_ends_where_the_quoted_packet_did() -> None:
    small = replace(PACKET, payload=b"tiny").serialize()
    assert IPv4Quote.parse(small + bytes(108)).packet.payload == b"tiny"
