"""Explains an IPv6 packet as far as every transport's dissector needs it: the header, and the upper layer in a few words."""

from collections.abc import Iterator
from enum import Enum
from ipaddress import IPv6Address

from tunnelmgr.api.dissection import MALFORMED, Dissection, Field
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.discovery import (
    NeighbourAdvertisement,
    NeighbourSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
)
from tunnelmgr.api.packets.discovery_options import (
    LIFETIME_INFINITE,
    DiscoveryOption,
    MtuOption,
    PrefixInformation,
    RouteInformation,
)
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest, OtherIcmp
from tunnelmgr.api.packets.icmpv6 import Icmpv6Message, parse_icmpv6
from tunnelmgr.api.packets.icmpv6_errors import (
    DestinationUnreachable,
    PacketTooBig,
    ParameterProblem,
    TimeExceeded,
)
from tunnelmgr.api.packets.ipv6 import IPV6_HEADER_LENGTH, IPv6Packet, ipv6_length
from tunnelmgr.api.packets.protocol import IpProtocol

PROTOCOL = "ipv6"

_TCP_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")  # from the lowest bit; RFC 9293 section 3.1
_TCP_HEADER_LENGTH, _UDP_HEADER_LENGTH = 20, 8  # bytes
_SHOWN_BYTES = 32  # of longer data the beginning is shown


def dissect_ipv6(data: bytes, offset: int = 0) -> Dissection:
    """Explain the IPv6 packet `data` begins with; what follows it is ignored.

    The purpose names no address: who sends to whom is in the fields "source" and "destination". `offset` is where the
    packet stands in what the reader sees. Whatever is wrong makes it MALFORMED, with the reason.
    """
    try:
        ipv6_length(data)
        packet = IPv6Packet.parse(data)
    except WireError as error:
        return Dissection(PROTOCOL, MALFORMED, f"malformed: {error}")
    header = tuple(_header(packet, offset))
    try:
        kind, purpose, upper = _upper_layer(packet, offset + IPV6_HEADER_LENGTH)
    except WireError as error:
        return Dissection(PROTOCOL, MALFORMED, f"malformed: {error}", header)
    return Dissection(PROTOCOL, kind, purpose, header + upper)


def address_remark(address: IPv6Address) -> str:
    """Return what an address tells by itself: of 6to4 (RFC 3056 section 2), the IPv4 address of the site."""
    return f"6to4 site {address.sixtofour}" if address.sixtofour else ""


def shown(data: bytes) -> str:
    """Return bytes as people read them: hexadecimal, the beginning only of many."""
    return data.hex() if len(data) <= _SHOWN_BYTES else f"{data[:_SHOWN_BYTES].hex()}... ({len(data)} bytes)"


def _header(packet: IPv6Packet, offset: int) -> Iterator[Field]:
    if packet.traffic_class or packet.flow_label:
        classes = f"traffic class {packet.traffic_class:#04x}, flow label {packet.flow_label:#07x}"
        yield Field("version 6", classes, offset, 4)
    yield Field("payload length", str(len(packet.payload)), offset + 4, 2)
    yield Field("next header", str(packet.next_header), offset + 6, 1, _protocol_name(packet.next_header))
    yield Field("hop limit", str(packet.hop_limit), offset + 7, 1)
    yield Field("source", str(packet.source), offset + 8, 16, address_remark(packet.source))
    yield Field("destination", str(packet.destination), offset + 24, 16, address_remark(packet.destination))


_Upper = tuple[str, str, tuple[Field, ...]]


def _upper_layer(packet: IPv6Packet, offset: int) -> _Upper:
    if packet.next_header == IpProtocol.NO_NEXT_HEADER and not packet.payload:
        return "bubble", "nothing inside: a bubble", ()
    upper = packet.upper_layer()
    data, at = packet.payload[upper.offset :], offset + upper.offset
    if upper.fragment is not None and (upper.fragment.offset or upper.fragment.more):
        fragment = upper.fragment
        purpose = f"fragment of {_protocol_name(upper.protocol)} at byte {fragment.offset}, {len(data)} bytes"
        value = f"offset {fragment.offset}, {'more follow' if fragment.more else 'the last'}"
        return "fragment", purpose, (Field("fragment", value, at - 8, 8, f"identification {fragment.identification:#x}"),)
    match upper.protocol:
        case IpProtocol.ICMPV6:
            return _icmpv6(packet, data, at)
        case IpProtocol.UDP:
            return _udp(data, at)
        case IpProtocol.TCP:
            return _tcp(data, at)
        case protocol:
            name = _protocol_name(protocol)
            return f"protocol-{protocol}", f"{name}, {len(data)} bytes", (Field(name, shown(data), at, len(data)),)


def _udp(data: bytes, at: int) -> _Upper:
    source, destination = _ports(data, "UDP", _UDP_HEADER_LENGTH)
    payload = data[_UDP_HEADER_LENGTH:]
    fields = (
        Field("UDP source port", str(source), at, 2),
        Field("UDP destination port", str(destination), at + 2, 2),
        Field("UDP data", shown(payload), at + _UDP_HEADER_LENGTH, len(payload)),
    )
    return "udp", f"UDP {source} > {destination}, {len(payload)} bytes", fields


def _tcp(data: bytes, at: int) -> _Upper:
    source, destination = _ports(data, "TCP", _TCP_HEADER_LENGTH)
    length = (data[12] >> 4) * 4
    if not _TCP_HEADER_LENGTH <= length <= len(data):
        raise WireError(f"TCP header of {length} bytes in {len(data)} bytes")
    flags = " ".join(name for bit, name in enumerate(_TCP_FLAGS) if data[13] >> bit & 1) or "no flags"
    fields = (
        Field("TCP source port", str(source), at, 2),
        Field("TCP destination port", str(destination), at + 2, 2),
        Field("TCP flags", flags, at + 13, 1),
        Field("TCP data", shown(data[length:]), at + length, len(data) - length),
    )
    return "tcp", f"TCP {source} > {destination} {flags}, {len(data) - length} bytes", fields


def _ports(data: bytes, protocol: str, header_length: int) -> tuple[int, int]:
    if len(data) < header_length:
        raise WireError(f"{protocol} header needs {header_length} bytes, got {len(data)}")
    return int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")


def _icmpv6(packet: IPv6Packet, data: bytes, at: int) -> _Upper:
    message = parse_icmpv6(packet)
    kind, purpose = _icmpv6_words(message)
    head = (
        Field("ICMPv6 type", str(data[0]), at, 1, kind.replace("-", " ")),
        Field("ICMPv6 code", str(data[1]), at + 1, 1),
        Field("ICMPv6 checksum", f"0x{data[2:4].hex()}", at + 2, 2, "right"),
    )
    return kind, purpose, head + tuple(_icmpv6_body(message, data, at))


_WORDS: dict[type[Icmpv6Message], tuple[str, str]] = {
    EchoRequest: ("echo-request", "echo request {0.sequence}"),
    EchoReply: ("echo-reply", "echo reply {0.sequence}"),
    RouterSolicitation: ("router-solicitation", "asks for a router"),
    RouterAdvertisement: ("router-advertisement", "a router advertises itself"),
    NeighbourSolicitation: ("neighbour-solicitation", "asks for neighbour {0.target}"),
    NeighbourAdvertisement: ("neighbour-advertisement", "tells of neighbour {0.target}"),
    PacketTooBig: ("packet-too-big", "error: packet too big, {0.mtu} bytes at most"),
    TimeExceeded: ("time-exceeded", "error: time exceeded ({code})"),
    DestinationUnreachable: ("destination-unreachable", "error: destination unreachable ({code})"),
    ParameterProblem: ("parameter-problem", "error: parameter problem ({code}) at byte {0.pointer}"),
    OtherIcmp: ("icmpv6-{0.type}", "ICMPv6 type {0.type}"),
}
"""Kind and purpose of each message."""


def _icmpv6_words(message: Icmpv6Message) -> tuple[str, str]:
    code = _spoken(message.code.name) if isinstance(message.code, Enum) else ""
    kind, purpose = (words.format(message, code=code) for words in _WORDS[type(message)])
    return kind, purpose


def _icmpv6_body(message: Icmpv6Message, data: bytes, at: int) -> Iterator[Field]:
    match message:
        case EchoRequest() | EchoReply():
            yield Field("identifier", f"{message.identifier:#06x}", at + 4, 2)
            yield Field("sequence", str(message.sequence), at + 6, 2)
            yield Field("data", shown(message.data), at + 8, len(message.data))
        case RouterSolicitation():
            yield from _options(message.options, at + 8)
        case RouterAdvertisement():
            yield Field("router lifetime", f"{message.router_lifetime} s", at + 6, 2)
            yield Field("retransmit timer", f"{message.retransmit_timer} ms", at + 12, 4)
            yield from _options(message.options, at + 16)
        case _:
            yield Field("body", shown(data[4:]), at + 4, len(data) - 4)


def _options(options: tuple[DiscoveryOption, ...], at: int) -> Iterator[Field]:
    for option in options:
        length = 2 + len(option.serialize())
        match option:
            case PrefixInformation():
                marks = [word for word, holds in (("on-link", option.on_link), ("autonomous", option.autonomous)) if holds]
                lifetimes = f"valid {_lifetime(option.valid_lifetime)}, preferred {_lifetime(option.preferred_lifetime)}"
                yield Field("prefix", str(option.prefix), at, length, ", ".join([*marks, lifetimes]))
            case RouteInformation():
                yield Field("route", str(option.prefix), at, length, _lifetime(option.lifetime))
            case MtuOption():
                yield Field("MTU", str(option.mtu), at, length)
            case _:
                yield Field(f"option {option.type}", shown(option.body), at, length)
        at += length


def _lifetime(seconds: int) -> str:
    return "for ever" if seconds == LIFETIME_INFINITE else f"{seconds} s"


def _protocol_name(number: int) -> str:
    try:
        return _spoken(IpProtocol(number).name) if number not in _NAMES else _NAMES[number]
    except ValueError:
        return f"protocol {number}"


_NAMES = {
    int(IpProtocol.ICMPV4): "ICMPv4",
    int(IpProtocol.ICMPV6): "ICMPv6",
    int(IpProtocol.TCP): "TCP",
    int(IpProtocol.UDP): "UDP",
    int(IpProtocol.IPV6): "IPv6",
    int(IpProtocol.ESP): "ESP",
}


def _spoken(name: str) -> str:
    return name.replace("_", " ").lower()
