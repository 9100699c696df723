"""ICMPv6 messages in and out of IPv6 packets (RFC 4443), and the rules for answering a packet with an error.

A message is one of the dataclasses below; its type number and checksum are dealt with here, between message and packet.
"""

from dataclasses import replace
from enum import IntEnum
from ipaddress import IPv6Address

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.checksum import pseudo_header_sum
from tunnelmgr.api.packets.discovery import (
    DiscoveryMessage,
    NeighbourAdvertisement,
    NeighbourSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
)
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest, OtherIcmp, join_icmp, split_icmp
from tunnelmgr.api.packets.icmpv6_errors import (
    DestinationUnreachable,
    Icmpv6Error,
    PacketTooBig,
    ParameterProblem,
    ParameterProblemCode,
    TimeExceeded,
)
from tunnelmgr.api.packets.ipv6 import IPV6_HEADER_LENGTH, IPV6_MINIMUM_MTU, IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol

ERROR_HOP_LIMIT = 64  # RFC 1700 and what hosts use
QUOTE_MAX = IPV6_MINIMUM_MTU - IPV6_HEADER_LENGTH - 8  # bytes; RFC 4443 section 2.4 (c)
DISCOVERY_HOP_LIMIT = 255  # proof that no router forwarded the packet; RFC 4861 section 3.1


class Icmpv6Type(IntEnum):
    DESTINATION_UNREACHABLE = 1
    PACKET_TOO_BIG = 2
    TIME_EXCEEDED = 3
    PARAMETER_PROBLEM = 4
    ECHO_REQUEST = 128
    ECHO_REPLY = 129
    ROUTER_SOLICITATION = 133
    ROUTER_ADVERTISEMENT = 134
    NEIGHBOUR_SOLICITATION = 135
    NEIGHBOUR_ADVERTISEMENT = 136
    REDIRECT = 137


_KnownIcmpv6 = Icmpv6Error | EchoRequest | EchoReply | DiscoveryMessage
Icmpv6Message = _KnownIcmpv6 | OtherIcmp

_CLASSES: dict[int, type[_KnownIcmpv6]] = {
    Icmpv6Type.DESTINATION_UNREACHABLE: DestinationUnreachable,
    Icmpv6Type.PACKET_TOO_BIG: PacketTooBig,
    Icmpv6Type.TIME_EXCEEDED: TimeExceeded,
    Icmpv6Type.PARAMETER_PROBLEM: ParameterProblem,
    Icmpv6Type.ECHO_REQUEST: EchoRequest,
    Icmpv6Type.ECHO_REPLY: EchoReply,
    Icmpv6Type.ROUTER_SOLICITATION: RouterSolicitation,
    Icmpv6Type.ROUTER_ADVERTISEMENT: RouterAdvertisement,
    Icmpv6Type.NEIGHBOUR_SOLICITATION: NeighbourSolicitation,
    Icmpv6Type.NEIGHBOUR_ADVERTISEMENT: NeighbourAdvertisement,
}
_TYPES = {known: kind for kind, known in _CLASSES.items()}


def parse_icmpv6(packet: IPv6Packet) -> Icmpv6Message:
    """Read the ICMPv6 message in `packet`, behind whatever extension headers.

    Raises WireError if there is none or it is in fragments, if its checksum is wrong, its code or body not of its type,
    or if it is neighbour discovery with a hop limit other than 255 (RFC 4861 sections 6.1 and 7.1).
    """
    upper = packet.upper_layer()
    if upper.protocol != IpProtocol.ICMPV6 or upper.fragment is not None:
        raise WireError(f"no whole ICMPv6 message, but protocol {upper.protocol}")
    data = packet.payload[upper.offset :]
    pseudo_header = pseudo_header_sum(packet.source, packet.destination, IpProtocol.ICMPV6, len(data))
    kind, code, body = split_icmp("ICMPv6", data, pseudo_header)
    if Icmpv6Type.ROUTER_SOLICITATION <= kind <= Icmpv6Type.REDIRECT and packet.hop_limit != DISCOVERY_HOP_LIMIT:
        raise WireError(f"neighbour discovery with hop limit {packet.hop_limit}, must be {DISCOVERY_HOP_LIMIT}")
    return _CLASSES[kind].parse(code, body) if kind in _CLASSES else OtherIcmp(kind, code, body)


def icmpv6_packet(
    message: Icmpv6Message, source: IPv6Address, destination: IPv6Address, hop_limit: int = DISCOVERY_HOP_LIMIT
) -> IPv6Packet:
    """Return `message` in a packet. The default hop limit is what neighbour discovery must have and all others may."""
    kind = message.type if isinstance(message, OtherIcmp) else _TYPES[type(message)]
    body = message.serialize()
    pseudo_header = pseudo_header_sum(source, destination, IpProtocol.ICMPV6, 4 + len(body))
    payload = join_icmp(kind, message.code, body, pseudo_header)
    return IPv6Packet(source, destination, IpProtocol.ICMPV6, payload, hop_limit)


def icmpv6_error(error: Icmpv6Error, source: IPv6Address) -> IPv6Packet | None:
    """Return the packet that sends `error` from `source` to the sender of the packet it quotes, or None if it must not be.

    The quote may be the whole offending packet, or the part of it that another error quoted; it is cut so that the
    answer fits 1280 bytes. None when the packet is an ICMPv6 error or redirect, or cannot be told from one; when it was
    sent from no single host; or to many, except for the two errors that path MTU discovery and options need.
    Limiting the rate (RFC 4443 section 2.4 (f)) is left to the caller.
    """
    try:
        offending = IPv6Packet.quoted(error.quote)
        forbidden = _is_error_or_redirect(offending)
    except WireError:
        return None
    if forbidden or offending.source.is_unspecified or offending.source.is_multicast:
        return None
    if offending.destination.is_multicast and not _allowed_for_multicast(error):
        return None
    return icmpv6_packet(replace(error, quote=error.quote[:QUOTE_MAX]), source, offending.source, ERROR_HOP_LIMIT)


def _is_error_or_redirect(packet: IPv6Packet) -> bool:
    upper = packet.upper_layer()
    if upper.protocol != IpProtocol.ICMPV6:
        return False
    if not upper.begins_here or upper.offset >= len(packet.payload):
        return True  # the type is out of sight
    kind = packet.payload[upper.offset]
    return kind < Icmpv6Type.ECHO_REQUEST or kind == Icmpv6Type.REDIRECT


def _allowed_for_multicast(error: Icmpv6Error) -> bool:
    if isinstance(error, ParameterProblem):
        return error.code == ParameterProblemCode.UNRECOGNISED_OPTION
    return isinstance(error, PacketTooBig)
