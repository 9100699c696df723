from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Address

import pytest

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.discovery import RouterSolicitation
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest, OtherIcmp
from tunnelmgr.api.packets.icmpv6 import Icmpv6Message, icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.icmpv6_errors import (
    DestinationUnreachable,
    PacketTooBig,
    ParameterProblem,
    ParameterProblemCode,
    TimeExceeded,
    TimeExceededCode,
    UnreachableCode,
)
from tunnelmgr.api.packets.ipv6 import IPv6Packet

A, B = IPv6Address("2001:db8::a"), IPv6Address("2001:db8::b")
QUOTE = IPv6Packet(B, A, next_header=59).serialize()


def through_the_wire(message: Icmpv6Message) -> Icmpv6Message:
    return parse_icmpv6(IPv6Packet.parse(icmpv6_packet(message, A, B).serialize()))


def test_the_echo_test_of_a_teredo_client_is_read_and_written(teredo: Callable[[str], bytes]) -> None:
    packet = IPv6Packet.parse(teredo("echo-test-request"))
    request = EchoRequest(identifier=0x5445, sequence=1, data=bytes(range(16)))
    assert parse_icmpv6(packet) == request
    assert icmpv6_packet(request, packet.source, packet.destination, packet.hop_limit) == packet
    assert parse_icmpv6(IPv6Packet.parse(teredo("echo-test-reply"))) == request.reply()


def test_an_unreachable_quotes_the_packet_it_is_about(teredo: Callable[[str], bytes]) -> None:
    error = parse_icmpv6(IPv6Packet.parse(teredo("neg-echo-unreachable-from-router")))
    assert isinstance(error, DestinationUnreachable)
    assert error.code is UnreachableCode.ADMINISTRATIVELY_PROHIBITED
    quoted = IPv6Packet.quoted(error.quote)
    # Eight routers had forwarded it.
    assert replace(quoted, hop_limit=quoted.hop_limit + 8) == IPv6Packet.parse(teredo("echo-test-request"))
    assert isinstance(parse_icmpv6(quoted), EchoRequest)


@pytest.mark.parametrize(
    "message",
    [
        DestinationUnreachable(UnreachableCode.ADDRESS_UNREACHABLE, QUOTE),
        PacketTooBig(1280, QUOTE),
        TimeExceeded(TimeExceededCode.HOP_LIMIT, QUOTE),
        ParameterProblem(ParameterProblemCode.UNRECOGNISED_NEXT_HEADER, 6, QUOTE),
        EchoReply(1, 2, b""),
        OtherIcmp(143, 0, bytes(4)),
    ],
)
def test_every_kind_of_message_survives_the_wire(message: Icmpv6Message) -> None:
    assert through_the_wire(message) == message


def test_a_message_behind_extension_headers_is_found() -> None:
    packet = icmpv6_packet(EchoRequest(1, 2), A, B)
    wrapped = replace(packet, next_header=60, payload=bytes((58, 0, 1, 4, 0, 0, 0, 0)) + packet.payload)
    assert parse_icmpv6(wrapped) == EchoRequest(1, 2)


def test_messages_carry_the_hop_limit_discovery_needs() -> None:
    packet = icmpv6_packet(RouterSolicitation(), A, B)
    assert packet.hop_limit == 255
    with pytest.raises(WireError, match="hop limit 64"):
        parse_icmpv6(replace(packet, hop_limit=64))


def test_the_code_of_packet_too_big_is_ignored() -> None:
    assert through_the_wire(OtherIcmp(2, 9, bytes.fromhex("00000500") + QUOTE)) == PacketTooBig(1280, QUOTE)


def test_extensions_behind_a_quote_are_cut_off() -> None:
    quote = QUOTE + bytes(88)
    assert through_the_wire(OtherIcmp(3, 0, b"\x10\0\0\0" + quote + b"extension")) == TimeExceeded(
        TimeExceededCode.HOP_LIMIT, quote
    )


def test_what_holds_no_sound_icmpv6_message_is_refused() -> None:
    packet = icmpv6_packet(EchoRequest(1, 2), A, B)
    fragment = bytes((58, 0, 0, 1, 0, 0, 0, 0)) + packet.payload
    for broken, reason in [
        (replace(packet, next_header=17), "protocol 17"),
        (replace(packet, next_header=44, payload=fragment), "no whole"),
        (replace(packet, payload=b"\x80\x00\xff"), "got 3"),
        (replace(packet, payload=packet.payload + b"\x01"), "checksum"),
        (replace(packet, source=IPv6Address("2001:db8::c")), "checksum"),
        (icmpv6_packet(OtherIcmp(1, 200, bytes(4)), A, B), "UnreachableCode 200"),
        (icmpv6_packet(OtherIcmp(2, 0, bytes(3)), A, B), "got 3"),
        (icmpv6_packet(OtherIcmp(128, 1, bytes(4)), A, B), "code 1"),
        (icmpv6_packet(OtherIcmp(128, 0, bytes(3)), A, B), "got 3"),
    ]:
        with pytest.raises(WireError, match=reason):
            parse_icmpv6(broken)


def test_a_message_that_cannot_be_sent_cannot_be_made() -> None:
    with pytest.raises(WireError, match="identifier"):
        EchoRequest(65536, 0)
    with pytest.raises(WireError, match="MTU"):
        PacketTooBig(-1, QUOTE)
    with pytest.raises(WireError, match="code"):
        OtherIcmp(200, 256, b"")
