"""ICMPv4 (RFC 792): the errors that concern a tunnel's outer packets, and echo."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.bounds import require_bits
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest, OtherIcmp, join_icmp, split_icmp, without_extensions
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
        if kind not in _ERRORS or len(body) < 4:
            raise WireError(f"no ICMPv4 error: type {kind}, {len(body)} bytes behind the checksum")
        pointer, length, mtu = struct.unpack_from("!BBH", body)
        return cls(
            Icmpv4Type(kind),
            code,
            IPv4Quote.parse(without_extensions(body[4:], 4 * length)),
            mtu=mtu if (kind, code) == FRAGMENTATION_NEEDED else 0,
            pointer=pointer if kind == Icmpv4Type.PARAMETER_PROBLEM else 0,
        )

    def serialize(self) -> bytes:
        return struct.pack("!BBH", self.pointer, 0, self.mtu) + self.quote.serialize()


Icmpv4Message = Icmpv4Error | EchoRequest | EchoReply | OtherIcmp

_ERRORS = frozenset({Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4Type.TIME_EXCEEDED, Icmpv4Type.PARAMETER_PROBLEM})
FRAGMENTATION_NEEDED = (Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4UnreachableCode.FRAGMENTATION_NEEDED)
_ECHOES: dict[int, type[EchoRequest | EchoReply]] = {
    Icmpv4Type.ECHO_REQUEST: EchoRequest,
    Icmpv4Type.ECHO_REPLY: EchoReply,
}
_TYPES = {echo: kind for kind, echo in _ECHOES.items()}


def parse_icmpv4(packet: IPv4Packet) -> Icmpv4Message:
    """Read the ICMPv4 message in `packet`.

    Raises WireError if there is none or it is a fragment, if its checksum is wrong, or its code or body not of its type.
    """
    if packet.protocol != IpProtocol.ICMPV4 or packet.is_fragment:
        raise WireError(f"no whole ICMPv4 message, but {len(packet.payload)} bytes of protocol {packet.protocol}")
    kind, code, body = split_icmp("ICMPv4", packet.payload)
    if kind in _ERRORS:
        return Icmpv4Error.parse(kind, code, body)
    return _ECHOES[kind].parse(code, body) if kind in _ECHOES else OtherIcmp(kind, code, body)


def icmpv4_packet(message: Icmpv4Message, source: IPv4Address, destination: IPv4Address, ttl: int = 64) -> IPv4Packet:
    """Return `message` in a packet."""
    kind = message.type if isinstance(message, Icmpv4Error | OtherIcmp) else _TYPES[type(message)]
    payload = join_icmp(kind, message.code, message.serialize())
    return IPv4Packet(source, destination, IpProtocol.ICMPV4, payload, ttl)
