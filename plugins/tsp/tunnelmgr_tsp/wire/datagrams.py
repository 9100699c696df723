"""What a datagram holds: a control message behind eight bytes of header, or a packet (docs/protocols/tsp.md section 3).

Both share one socket over UDP. A packet comes here where no path of the data plane carries it: fragments, options, and what
is forged.
"""

import struct
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Network
from typing import Self

from tunnelmgr.api.addresses import is_within
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.ipv6 import IPV6_HEADER_LENGTH, IPv6Packet, ipv6_length
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr_tsp.constants import SEQUENCE_BITS

ECHO_REQUEST = b"ECHO REQUEST"
"""Asks for a sign of life; it begins no session (section 11)."""

HEADER_LENGTH = 8  # bytes
_CONTROL = 0xF << SEQUENCE_BITS
_HEADER = struct.Struct("!II")
_NEVER = tuple(map(IPv6Network, ("::/8", "fe80::/10", "ff00::/8")))
_MULTICAST = 0xFF  # first byte of an address; RFC 4291 section 2.7
_NEIGHBOUR_DISCOVERY = range(133, 138)  # RFC 4861: valid on a link only


class Kind(Enum):
    """What a datagram is, by the high nibble of its first byte: there is no other marker."""

    CONTROL = 0xF
    IPV6 = 0x6
    OTHER = None

    @classmethod
    def of(cls, data: bytes) -> "Kind":
        """Classify the payload of a datagram."""
        return next((kind for kind in cls if data and data[0] >> 4 == kind.value), cls.OTHER)


@dataclass(frozen=True, slots=True)
class ControlMessage:
    """One control datagram. `sequence` has 28 bits; `timestamp`, 32 bits, is the client's own and opaque to the broker."""

    sequence: int
    timestamp: int
    text: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a whole datagram."""
        if len(data) < HEADER_LENGTH or Kind.of(data) is not Kind.CONTROL:
            raise WireError(f"not a TSP control message: {data[:HEADER_LENGTH].hex()}")
        word, timestamp = _HEADER.unpack_from(data)
        return cls(word & ~_CONTROL, timestamp, data[HEADER_LENGTH:])

    def serialize(self) -> bytes:
        return _HEADER.pack(_CONTROL | self.sequence, self.timestamp) + self.text


def why_not_sent(packet: bytes) -> str:
    """Return how a packet of this host that `parse_inner` refuses is counted: its kernel tells the link of its groups."""
    return "dropped-multicast" if len(packet) >= IPV6_HEADER_LENGTH and packet[24] == _MULTICAST else "dropped-malformed"


def parse_inner(data: bytes) -> tuple[IPv6Packet, bytes]:
    """Return the packet in a datagram, parsed and raw.

    Raises WireError when there is none, when it is neighbour discovery, or when an address of it belongs on a link.
    """
    packet = IPv6Packet.parse(data)
    if is_within(packet.source, _NEVER) or is_within(packet.destination, _NEVER):
        raise WireError(f"from {packet.source} to {packet.destination}")
    if packet.next_header == IpProtocol.ICMPV6 and packet.payload and packet.payload[0] in _NEIGHBOUR_DISCOVERY:
        raise WireError("neighbour discovery")
    return packet, data[: ipv6_length(data)]
