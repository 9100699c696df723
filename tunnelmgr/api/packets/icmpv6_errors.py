"""ICMPv6 error messages (RFC 4443 section 3), each with a quote: the start of the packet that caused it.

IPv6Packet.quoted(error.quote) reads that packet. A message made here may quote all of it; what is sent is cut to size by
icmpv6_error().
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.bounds import known_code, require_bits
from tunnelmgr.api.packets.icmp import without_extensions


class UnreachableCode(IntEnum):
    """RFC 4443 section 3.1 and, from 7 on, the IANA registry."""

    NO_ROUTE = 0
    ADMINISTRATIVELY_PROHIBITED = 1
    BEYOND_SCOPE = 2
    ADDRESS_UNREACHABLE = 3
    PORT_UNREACHABLE = 4
    SOURCE_POLICY = 5
    REJECT_ROUTE = 6
    SOURCE_ROUTING_HEADER = 7  # RFC 6550
    HEADERS_TOO_LONG = 8  # RFC 8883


class TimeExceededCode(IntEnum):
    HOP_LIMIT = 0
    REASSEMBLY = 1


class ParameterProblemCode(IntEnum):
    """RFC 4443 section 3.4 and, from 3 on, the IANA registry."""

    ERRONEOUS_FIELD = 0
    UNRECOGNISED_NEXT_HEADER = 1
    UNRECOGNISED_OPTION = 2
    INCOMPLETE_HEADER_CHAIN = 3  # RFC 7112
    SEGMENT_ROUTING_UPPER_LAYER = 4  # RFC 8754
    UNRECOGNISED_NEXT_HEADER_AT_NODE = 5  # this and those below: RFC 8883
    EXTENSION_HEADER_TOO_BIG = 6
    EXTENSION_HEADERS_TOO_LONG = 7
    TOO_MANY_EXTENSION_HEADERS = 8
    TOO_MANY_OPTIONS = 9
    OPTION_TOO_BIG = 10


@dataclass(frozen=True, slots=True)
class DestinationUnreachable:
    """RFC 4443 section 3.1."""

    code: UnreachableCode
    quote: bytes

    @classmethod
    def parse(cls, code: int, body: bytes) -> Self:
        return cls(known_code(UnreachableCode, code), _quote(body))

    def serialize(self) -> bytes:
        return bytes(4) + self.quote


@dataclass(frozen=True, slots=True)
class PacketTooBig:
    """RFC 4443 section 3.2; `mtu` in bytes, 32 bits. The receiver must not believe less than 1280 (RFC 8201 section 4)."""

    code: ClassVar[int] = 0

    mtu: int
    quote: bytes

    def __post_init__(self) -> None:
        require_bits("MTU", self.mtu, 32)

    @classmethod
    def parse(cls, code: int, body: bytes) -> Self:
        """The code is ignored, as RFC 4443 section 3.2 wants."""
        return cls(*_word_and_quote(body))

    def serialize(self) -> bytes:
        return struct.pack("!I", self.mtu) + self.quote


@dataclass(frozen=True, slots=True)
class TimeExceeded:
    """RFC 4443 section 3.3."""

    code: TimeExceededCode
    quote: bytes

    @classmethod
    def parse(cls, code: int, body: bytes) -> Self:
        return cls(known_code(TimeExceededCode, code), _quote(body))

    def serialize(self) -> bytes:
        return bytes(4) + self.quote


@dataclass(frozen=True, slots=True)
class ParameterProblem:
    """RFC 4443 section 3.4; `pointer` is the offset of the problem in the original packet, in bytes, 32 bits."""

    code: ParameterProblemCode
    pointer: int
    quote: bytes

    def __post_init__(self) -> None:
        require_bits("pointer", self.pointer, 32)

    @classmethod
    def parse(cls, code: int, body: bytes) -> Self:
        return cls(known_code(ParameterProblemCode, code), *_word_and_quote(body))

    def serialize(self) -> bytes:
        return struct.pack("!I", self.pointer) + self.quote


Icmpv6Error = DestinationUnreachable | PacketTooBig | TimeExceeded | ParameterProblem


def _word_and_quote(body: bytes) -> tuple[int, bytes]:
    if len(body) < 4:
        raise WireError(f"ICMPv6 error needs 4 bytes behind the checksum, got {len(body)}")
    return int.from_bytes(body[:4], "big"), body[4:]


def _quote(body: bytes) -> bytes:
    word, quote = _word_and_quote(body)
    return without_extensions(quote, 8 * (word >> 24))  # in units of 8 bytes: RFC 4884 section 4
