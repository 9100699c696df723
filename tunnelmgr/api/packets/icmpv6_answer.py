"""Whether a packet may be answered with an ICMPv6 error, and the answer (RFC 4443 section 2.4)."""

from dataclasses import replace
from ipaddress import IPv6Address

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.icmpv6 import Icmpv6Type, icmpv6_packet
from tunnelmgr.api.packets.icmpv6_errors import Icmpv6Error, PacketTooBig, ParameterProblem, ParameterProblemCode
from tunnelmgr.api.packets.ipv6 import IPV6_HEADER_LENGTH, IPV6_MINIMUM_MTU, IPv6Packet, IPv6Quote
from tunnelmgr.api.packets.protocol import IpProtocol

ERROR_HOP_LIMIT = 64  # RFC 1700 and what hosts use
QUOTE_MAX = IPV6_MINIMUM_MTU - IPV6_HEADER_LENGTH - 8  # bytes; RFC 4443 section 2.4 (c)


def icmpv6_error(error: Icmpv6Error, source: IPv6Address) -> IPv6Packet | None:
    """Return the packet that sends `error` from `source` to the sender of the packet it quotes, or None if it must not be.

    The quote may be the whole offending packet, or the part of it that another error quoted; it is cut so that the
    answer fits 1280 bytes. None when the packet is an ICMPv6 error or redirect, or cannot be told from one; when it was
    sent from no single host; or to many, except for the two errors that path MTU discovery and options need.
    Limiting the rate (RFC 4443 section 2.4 (f)) is left to the caller.
    """
    try:
        offending = IPv6Quote.parse(error.quote).packet
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
