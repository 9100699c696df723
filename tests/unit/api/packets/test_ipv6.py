from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Address

import pytest

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.ecn import Ecn
from tunnelmgr.api.packets.ipv6 import (
    IPV6_DESTINATION,
    IPV6_HOP_LIMIT,
    IPV6_NEXT_HEADER,
    IPV6_SOURCE,
    IPv6Packet,
    ipv6_length,
)

PACKET = IPv6Packet(
    IPv6Address("2001:db8::1"),
    IPv6Address("2001:db8::2"),
    next_header=17,
    payload=b"payload",
    hop_limit=7,
    traffic_class=0xBB,
    flow_label=0xABCDE,
)
WIRE = bytes.fromhex(
    "6bbabcde0007110720010db800000000000000000000000120010db8000000000000000000000002"
) + b"payload"  # fmt: skip


def test_every_field_is_where_rfc_8200_section_3_draws_it() -> None:
    assert IPv6Packet.parse(WIRE) == PACKET
    assert PACKET.serialize() == WIRE


def test_the_traffic_class_is_dscp_and_ecn() -> None:
    assert (PACKET.traffic_class >> 2, PACKET.ecn) == (46, Ecn.CE)


def test_trailers_behind_the_packet_are_split_off(teredo: Callable[[str], bytes]) -> None:
    data = teredo("data-with-trailer")
    packet, trailing = IPv6Packet.split(data)
    assert trailing == bytes.fromhex("010401020304")
    assert packet == IPv6Packet.parse(data)
    assert packet.serialize() + trailing == data


def test_a_bubble_has_no_payload(teredo: Callable[[str], bytes]) -> None:
    packet = IPv6Packet.parse(teredo("bubble-direct"))
    assert (packet.next_header, packet.payload, packet.hop_limit) == (59, b"", 255)


@pytest.mark.parametrize("name", ["neg-data-truncated", "neg-data-version4", "neg-empty"])
def test_what_is_not_a_whole_ipv6_packet_is_refused(teredo: Callable[[str], bytes], name: str) -> None:
    with pytest.raises(WireError):
        IPv6Packet.parse(teredo(name))


def test_the_length_is_told_without_building_a_packet() -> None:
    assert ipv6_length(memoryview(WIRE + b"padding")) == len(WIRE)
    with pytest.raises(WireError, match="in 46 bytes"):
        ipv6_length(WIRE[:-1])


def test_raw_offsets_point_at_the_fields() -> None:
    assert WIRE[IPV6_SOURCE] == PACKET.source.packed
    assert WIRE[IPV6_DESTINATION] == PACKET.destination.packed
    assert (WIRE[IPV6_NEXT_HEADER], WIRE[IPV6_HOP_LIMIT]) == (17, 7)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("next_header", 256),
        ("hop_limit", -1),
        ("traffic_class", 256),
        ("flow_label", 1 << 20),
        ("payload", bytes(65536)),
    ],
)
def test_a_packet_that_cannot_be_sent_cannot_be_made(field: str, value: int | bytes) -> None:
    fields = {"source": PACKET.source, "destination": PACKET.destination, "next_header": 59, field: value}
    with pytest.raises(WireError):
        IPv6Packet(**fields)  # type: ignore[arg-type]


def test_a_quote_may_stop_anywhere_behind_the_header() -> None:
    assert IPv6Packet.quoted(WIRE[:43]) == replace(PACKET, payload=b"pay")
    with pytest.raises(WireError):
        IPv6Packet.quoted(WIRE[:39])
