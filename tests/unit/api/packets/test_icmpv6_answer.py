from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Address

import pytest

from tunnelmgr.api.packets.discovery import NeighbourSolicitation
from tunnelmgr.api.packets.icmp import EchoRequest, OtherIcmp
from tunnelmgr.api.packets.icmpv4 import Icmpv4Error, parse_icmpv4
from tunnelmgr.api.packets.icmpv6 import icmpv6_error, icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.icmpv6_errors import (
    DestinationUnreachable,
    Icmpv6Error,
    PacketTooBig,
    ParameterProblem,
    ParameterProblemCode,
    TimeExceeded,
    TimeExceededCode,
    UnreachableCode,
)
from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet

HOST, FAR, ROUTER = IPv6Address("2001:db8::1"), IPv6Address("2001:db8:f::1"), IPv6Address("2001:db8:1:2::1")
UDP = IPv6Packet(HOST, FAR, next_header=17, payload=bytes(1400))
FRAGMENT_OF_ICMPV6 = bytes((58, 0, 0x04, 0xD0, 0, 0, 0, 1)) + bytes(100)  # 1232 bytes into its packet
GROUP = IPv6Address("ff02::1")


def unreachable(offending: IPv6Packet) -> DestinationUnreachable:
    return DestinationUnreachable(UnreachableCode.ADDRESS_UNREACHABLE, offending.serialize())


def test_a_translated_packet_too_big_is_the_one_of_the_vectors(sixinfour: Callable[[str], bytes]) -> None:
    outer = parse_icmpv4(IPv4Packet.parse(sixinfour("icmp4-frag-needed-1400")))
    assert isinstance(outer, Icmpv4Error)
    expected = IPv6Packet.parse(sixinfour("icmp6-ptb-from-1400"))
    assert icmpv6_error(PacketTooBig(outer.mtu - 20, outer.quote.packet.payload), expected.source) == expected


def test_the_answer_goes_to_the_sender_and_quotes_what_fits_1280_bytes() -> None:
    answer = icmpv6_error(unreachable(UDP), source=ROUTER)
    assert answer is not None
    assert (answer.source, answer.destination) == (ROUTER, HOST)
    assert len(answer.serialize()) == 1280
    assert parse_icmpv6(answer) == replace(unreachable(UDP), quote=UDP.serialize()[:1232])


def test_a_small_packet_is_quoted_whole() -> None:
    small = replace(UDP, payload=b"small")
    answer = icmpv6_error(TimeExceeded(TimeExceededCode.HOP_LIMIT, small.serialize()), ROUTER)
    assert answer is not None
    assert parse_icmpv6(answer) == TimeExceeded(TimeExceededCode.HOP_LIMIT, small.serialize())


@pytest.mark.parametrize("message", [EchoRequest(1, 2), OtherIcmp(143, 0, bytes(4)), NeighbourSolicitation(FAR)])
def test_informational_icmpv6_is_answered(message: EchoRequest | OtherIcmp | NeighbourSolicitation) -> None:
    assert icmpv6_error(unreachable(icmpv6_packet(message, HOST, FAR)), ROUTER) is not None


@pytest.mark.parametrize(
    "offending",
    [
        pytest.param(icmpv6_packet(unreachable(replace(UDP, payload=b"")), HOST, FAR), id="error"),
        pytest.param(icmpv6_packet(OtherIcmp(127, 0, b""), HOST, FAR), id="unknown error"),
        pytest.param(icmpv6_packet(OtherIcmp(137, 0, bytes(36)), HOST, FAR), id="redirect"),
        pytest.param(IPv6Packet(HOST, FAR, next_header=58), id="type out of sight"),
        pytest.param(IPv6Packet(HOST, FAR, next_header=44, payload=FRAGMENT_OF_ICMPV6), id="later fragment of icmpv6"),
        pytest.param(IPv6Packet(HOST, FAR, next_header=60, payload=b"\x3a\xff"), id="headers cut short"),
        pytest.param(replace(UDP, source=IPv6Address("::")), id="unspecified source"),
        pytest.param(replace(UDP, source=GROUP), id="multicast source"),
        pytest.param(replace(UDP, destination=GROUP), id="multicast destination"),
    ],
)
def test_packets_that_must_not_be_answered_are_not(offending: IPv6Packet) -> None:
    assert icmpv6_error(unreachable(offending), ROUTER) is None


def test_an_error_behind_extension_headers_is_still_one() -> None:
    error = icmpv6_packet(PacketTooBig(1280, b""), HOST, FAR)
    hidden = replace(error, next_header=60, payload=bytes((58, 0, 1, 4, 0, 0, 0, 0)) + error.payload)
    assert icmpv6_error(unreachable(hidden), ROUTER) is None


@pytest.mark.parametrize(
    ("error", "allowed"),
    [
        (PacketTooBig(1280, b""), True),
        (ParameterProblem(ParameterProblemCode.UNRECOGNISED_OPTION, 42, b""), True),
        (ParameterProblem(ParameterProblemCode.UNRECOGNISED_NEXT_HEADER, 6, b""), False),
        (TimeExceeded(TimeExceededCode.HOP_LIMIT, b""), False),
    ],
)
def test_multicast_is_answered_for_path_mtu_and_options_only(error: Icmpv6Error, allowed: bool) -> None:
    quoting = replace(error, quote=replace(UDP, destination=GROUP).serialize())
    assert (icmpv6_error(quoting, ROUTER) is not None) == allowed


def test_a_quote_too_short_for_a_header_is_not_answered() -> None:
    assert icmpv6_error(PacketTooBig(1280, UDP.serialize()[:39]), ROUTER) is None
