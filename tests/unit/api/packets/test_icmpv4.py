from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest, OtherIcmp
from tunnelmgr.api.packets.icmpv4 import (
    Icmpv4Error,
    Icmpv4Message,
    Icmpv4Type,
    Icmpv4UnreachableCode,
    icmpv4_packet,
    parse_icmpv4,
)
from tunnelmgr.api.packets.ipv4 import IPv4Packet, IPv4Quote
from tunnelmgr.api.packets.ipv6 import IPv6Packet

ROUTER, HOST = IPv4Address("198.51.100.1"), IPv4Address("192.0.2.1")
QUOTE = IPv4Quote.of(IPv4Packet(HOST, IPv4Address("203.0.113.4"), protocol=41, payload=bytes(1380)), payload_max=128)


def through_the_wire(message: Icmpv4Message) -> Icmpv4Message:
    return parse_icmpv4(IPv4Packet.parse(icmpv4_packet(message, ROUTER, HOST).serialize()))


def test_fragmentation_needed_tells_the_mtu_and_quotes_the_tunnelled_packet(sixinfour: Callable[[str], bytes]) -> None:
    error = parse_icmpv4(IPv4Packet.parse(sixinfour("icmp4-frag-needed-1400")))
    assert isinstance(error, Icmpv4Error)
    assert (error.code, error.mtu) == (Icmpv4UnreachableCode.FRAGMENTATION_NEEDED, 1400)
    assert error.quote.total_length == 1460
    assert (error.quote.packet.protocol, str(error.quote.packet.destination)) == (41, "203.0.113.4")
    assert str(IPv6Packet.quoted(error.quote.packet.payload).source) == "2001:db8:1:2::2"


@pytest.mark.parametrize(
    ("name", "code", "quoted"),
    [
        ("icmp4-frag-needed-0", Icmpv4UnreachableCode.FRAGMENTATION_NEEDED, 8),
        ("icmp4-host-unreachable", Icmpv4UnreachableCode.HOST, 108),
        ("icmp4-proto-unreachable", Icmpv4UnreachableCode.PROTOCOL, 28),
        ("icmp4-quote-8", Icmpv4UnreachableCode.HOST, 8),
    ],
)
def test_real_errors_come_back_byte_for_byte(sixinfour: Callable[[str], bytes], name: str, code: int, quoted: int) -> None:
    packet = IPv4Packet.parse(sixinfour(name))
    error = parse_icmpv4(packet)
    assert isinstance(error, Icmpv4Error)
    assert (error.code, error.mtu, len(error.quote.packet.payload)) == (code, 0, quoted)
    assert icmpv4_packet(error, packet.source, packet.destination).payload == packet.payload


def test_a_pointer_belongs_to_parameter_problems_only() -> None:
    problem = Icmpv4Error(Icmpv4Type.PARAMETER_PROBLEM, 0, QUOTE, pointer=20)
    assert through_the_wire(problem) == problem
    exceeded = Icmpv4Error(Icmpv4Type.TIME_EXCEEDED, 0, QUOTE)
    assert through_the_wire(replace(exceeded, pointer=20)) == exceeded


def test_extensions_behind_a_quote_are_cut_off() -> None:
    extensions = bytes.fromhex("2000dfff00080101000fa1ff")  # an MPLS label stack: RFC 4950
    body = Icmpv4Error(Icmpv4Type.TIME_EXCEEDED, 0, QUOTE).serialize() + bytes(4) + extensions
    length = (len(body) - 4 - len(extensions)) // 4
    error = Icmpv4Error.parse(11, 0, bytes((0, length)) + body[2:])
    assert error.quote.packet.payload == QUOTE.packet.payload + bytes(4)


def test_a_stray_length_byte_does_not_shorten_the_quote() -> None:
    body = Icmpv4Error(Icmpv4Type.TIME_EXCEEDED, 0, QUOTE).serialize()
    assert [Icmpv4Error.parse(11, 0, bytes((0, length)) + body[2:]).quote for length in (1, 255)] == [QUOTE, QUOTE]


def test_echo_is_answered_in_kind() -> None:
    request = EchoRequest(identifier=0xBEEF, sequence=7, data=b"ping")
    assert through_the_wire(request) == request
    assert through_the_wire(request.reply()) == EchoReply(0xBEEF, 7, b"ping")


def test_other_types_are_kept() -> None:
    assert through_the_wire(OtherIcmp(13, 0, bytes(16))) == OtherIcmp(13, 0, bytes(16))


def test_what_holds_no_sound_icmp_message_is_refused() -> None:
    packet = icmpv4_packet(EchoRequest(1, 2), ROUTER, HOST)
    for broken, reason in [
        (replace(packet, protocol=17), "protocol 17"),
        (replace(packet, fragment_offset=8), "no whole"),
        (replace(packet, payload=b"\x08\x00\xff"), "got 3"),
        (replace(packet, payload=packet.payload + b"\x01"), "checksum"),
        (icmpv4_packet(OtherIcmp(8, 1, bytes(4)), ROUTER, HOST), "code 1"),
        (icmpv4_packet(OtherIcmp(0, 0, bytes(3)), ROUTER, HOST), "4 bytes"),
        (icmpv4_packet(OtherIcmp(3, 1, bytes(3)), ROUTER, HOST), "3 bytes"),
        (icmpv4_packet(OtherIcmp(3, 1, bytes(8)), ROUTER, HOST), "20 bytes"),
    ]:
        with pytest.raises(WireError, match=reason):
            parse_icmpv4(broken)


def test_an_error_of_a_type_that_is_none_cannot_be_made() -> None:
    with pytest.raises(WireError, match="no error"):
        Icmpv4Error(Icmpv4Type.REDIRECT, 0, QUOTE)
