"""ICMPv6 messages in and out of IPv6 packets (RFC 4443), and the rules for answering a packet with an error.

A message is one of the dataclasses below; its type number and checksum are dealt with here, between message and packet.
"""

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.bounds import require_bits
from tunnelmgr.api.packets.checksum import checksum_is_valid, internet_checksum, pseudo_header_sum
from tunnelmgr.api.packets.discovery import (
    NeighbourAdvertisement,
    NeighbourSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
)
from tunnelmgr.api.packets.echo import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6_errors import DestinationUnreachable, PacketTooBig, ParameterProblem, TimeExceeded
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol

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


@dataclass(frozen=True, slots=True)
class OtherIcmpv6:
    """A message of a type without a class of its own: `body` is what follows the checksum."""

    type: int
    code: int
    body: bytes

    def __post_init__(self) -> None:
        require_bits("ICMPv6 type", self.type, 8)
        require_bits("ICMPv6 code", self.code, 8)

    def serialize(self) -> bytes:
        """Return what follows the ICMPv6 checksum."""
        return self.body


_KnownIcmpv6 = (
    DestinationUnreachable
    | PacketTooBig
    | TimeExceeded
    | ParameterProblem
    | EchoRequest
    | EchoReply
    | RouterSolicitation
    | RouterAdvertisement
    | NeighbourSolicitation
    | NeighbourAdvertisement
)
Icmpv6Message = _KnownIcmpv6 | OtherIcmpv6

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
    if len(data) < 4:
        raise WireError(f"ICMPv6 header needs 4 bytes, got {len(data)}")
    if not checksum_is_valid(data, _pseudo_sum(packet.source, packet.destination, len(data))):
        raise WireError(f"ICMPv6 checksum {data[2:4].hex()} is wrong")
    kind, code, body = data[0], data[1], data[4:]
    if Icmpv6Type.ROUTER_SOLICITATION <= kind <= Icmpv6Type.REDIRECT and packet.hop_limit != DISCOVERY_HOP_LIMIT:
        raise WireError(f"neighbour discovery with hop limit {packet.hop_limit}, must be {DISCOVERY_HOP_LIMIT}")
    return _CLASSES[kind].parse(code, body) if kind in _CLASSES else OtherIcmpv6(kind, code, body)


def icmpv6_packet(
    message: Icmpv6Message, source: IPv6Address, destination: IPv6Address, hop_limit: int = DISCOVERY_HOP_LIMIT
) -> IPv6Packet:
    """Return `message` in a packet. The default hop limit is what neighbour discovery must have and all others may."""
    kind = message.type if isinstance(message, OtherIcmpv6) else _TYPES[type(message)]
    body = message.serialize()
    head = bytes((kind, message.code))
    checksum = internet_checksum(head + bytes(2) + body, _pseudo_sum(source, destination, 4 + len(body)))
    payload = head + checksum.to_bytes(2, "big") + body
    return IPv6Packet(source, destination, IpProtocol.ICMPV6, payload, hop_limit)


def _pseudo_sum(source: IPv6Address, destination: IPv6Address, length: int) -> int:
    return pseudo_header_sum(source, destination, IpProtocol.ICMPV6, length)
