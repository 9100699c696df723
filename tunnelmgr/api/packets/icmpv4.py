"""ICMPv4 (RFC 792): the errors that concern a tunnel's outer packets, and echo."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.bounds import require_bits
from tunnelmgr.api.packets.checksum import checksum_is_valid, internet_checksum
from tunnelmgr.api.packets.echo import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmp_extensions import without_extensions
from tunnelmgr.api.packets.ipv4 import IPv4Packet, IPv4Quote
from tunnelmgr.api.packets.protocol import IpProtocol


class Icmpv4Type(IntEnum):
    ECHO_REPLY = 0
    DESTINATION_UNREACHABLE = 3
    SOURCE_QUENCH = 4
    REDIRECT = 5
    ECHO_REQUEST = 8
    TIME_EXCEEDED = 11
    PARAMETER_PROBLEM = 12


class Icmpv4UnreachableCode(IntEnum):
    """Codes of DESTINATION_UNREACHABLE that are acted upon; the registry has more."""

    NETWORK = 0
    HOST = 1
    PROTOCOL = 2
    PORT = 3
    FRAGMENTATION_NEEDED = 4
    ADMINISTRATIVELY_PROHIBITED = 13


@dataclass(frozen=True, slots=True)
class Icmpv4Error:
    """Destination unreachable, time exceeded or parameter problem, with the beginning of the packet it is about.

    `mtu`, in bytes, is that of the next hop when the code is fragmentation needed, where 0 means a router that does not
    say (RFC 1191 section 4); `pointer` is the offset of the problem in a parameter problem. Both are 0 elsewhere.
    """

    type: Icmpv4Type
    code: int
    quote: IPv4Quote
    mtu: int = 0
    pointer: int = 0

    def __post_init__(self) -> None:
        if self.type not in _ERRORS:
            raise WireError(f"ICMPv4 type {self.type} is no error we handle")
        require_bits("ICMPv4 code", self.code, 8)
        require_bits("next-hop MTU", self.mtu, 16)
        require_bits("pointer", self.pointer, 8)

    @classmethod
    def parse(cls, kind: int, code: int, body: bytes) -> Self:
        """Read what follows the ICMPv4 checksum."""
        if kind not in _ERRORS or len(body) < 4:
            raise WireError(f"no ICMPv4 error: type {kind}, {len(body)} bytes behind the checksum")
        pointer, length, mtu = struct.unpack_from("!BBH", body)
        return cls(
            Icmpv4Type(kind),
            code,
            IPv4Quote.parse(without_extensions(body[4:], 4 * length)),
            mtu=mtu if (kind, code) == _FRAGMENTATION_NEEDED else 0,
            pointer=pointer if kind == Icmpv4Type.PARAMETER_PROBLEM else 0,
        )

    def serialize(self) -> bytes:
        """Return what follows the ICMPv4 checksum."""
        return struct.pack("!BBH", self.pointer, 0, self.mtu) + self.quote.serialize()


@dataclass(frozen=True, slots=True)
class OtherIcmpv4:
    """A message of any other type: `body` is what follows the checksum."""

    type: int
    code: int
    body: bytes

    def __post_init__(self) -> None:
        require_bits("ICMPv4 type", self.type, 8)
        require_bits("ICMPv4 code", self.code, 8)

    def serialize(self) -> bytes:
        """Return what follows the ICMPv4 checksum."""
        return self.body


Icmpv4Message = Icmpv4Error | EchoRequest | EchoReply | OtherIcmpv4

_ERRORS = frozenset({Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4Type.TIME_EXCEEDED, Icmpv4Type.PARAMETER_PROBLEM})
_FRAGMENTATION_NEEDED = (Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4UnreachableCode.FRAGMENTATION_NEEDED)


def parse_icmpv4(packet: IPv4Packet) -> Icmpv4Message:
    """Read the ICMPv4 message in `packet`.

    Raises WireError if there is none or it is a fragment, if its checksum is wrong, or its code or body not of its type.
    """
    data = packet.payload
    if packet.protocol != IpProtocol.ICMPV4 or packet.is_fragment or len(data) < 4:
        raise WireError(f"no whole ICMPv4 message, but {len(data)} bytes of protocol {packet.protocol}")
    if not checksum_is_valid(data):
        raise WireError(f"ICMPv4 checksum {data[2:4].hex()} is wrong")
    kind, code, body = data[0], data[1], data[4:]
    if kind in _ERRORS:
        return Icmpv4Error.parse(kind, code, body)
    if kind == Icmpv4Type.ECHO_REQUEST:
        return EchoRequest.parse(code, body)
    if kind == Icmpv4Type.ECHO_REPLY:
        return EchoReply.parse(code, body)
    return OtherIcmpv4(kind, code, body)


def icmpv4_packet(message: Icmpv4Message, source: IPv4Address, destination: IPv4Address, ttl: int = 64) -> IPv4Packet:
    """Return `message` in a packet."""
    head, body = bytes((_type(message), message.code)), message.serialize()
    checksum = internet_checksum(head + bytes(2) + body)
    return IPv4Packet(source, destination, IpProtocol.ICMPV4, head + checksum.to_bytes(2, "big") + body, ttl)


def _type(message: Icmpv4Message) -> int:
    if isinstance(message, EchoRequest):
        return Icmpv4Type.ECHO_REQUEST
    if isinstance(message, EchoReply):
        return Icmpv4Type.ECHO_REPLY
    return message.type
