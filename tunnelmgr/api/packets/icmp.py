"""What ICMPv4 (RFC 792) and ICMPv6 (RFC 4443) share: echo, messages that are not looked into, and how a message is framed.

A message's `parse` and `serialize` deal with what follows the checksum. Its type number depends on the family, and is known
there.
"""

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.bounds import require_bits, require_code_zero
from tunnelmgr.api.packets.checksum import checksum_is_valid, internet_checksum

QUOTE_BEFORE_EXTENSIONS_MIN = 128  # bytes; RFC 4884 section 4


@dataclass(frozen=True, slots=True)
class _EchoMessage:
    code: ClassVar[int] = 0

    identifier: int
    sequence: int
    data: bytes = b""

    def __post_init__(self) -> None:
        require_bits("echo identifier", self.identifier, 16)
        require_bits("echo sequence", self.sequence, 16)

    @classmethod
    def parse(cls, code: int, body: bytes) -> Self:
        require_code_zero("echo", code)
        if len(body) < 4:
            raise WireError(f"echo needs 4 bytes behind the checksum, got {len(body)}")
        identifier, sequence = struct.unpack_from("!HH", body)
        return cls(identifier, sequence, body[4:])

    def serialize(self) -> bytes:
        return struct.pack("!HH", self.identifier, self.sequence) + self.data


class EchoReply(_EchoMessage):
    """The answer to an EchoRequest, all of its fields repeated."""

    __slots__ = ()


class EchoRequest(_EchoMessage):
    """Asks for `data` back; `identifier` and `sequence` (16 bits each) belong to the sender."""

    __slots__ = ()

    def reply(self) -> EchoReply:
        return EchoReply(self.identifier, self.sequence, self.data)


@dataclass(frozen=True, slots=True)
class OtherIcmp:
    """A message of a type without a class of its own."""

    type: int
    code: int
    body: bytes

    def __post_init__(self) -> None:
        require_bits("ICMP type", self.type, 8)
        require_bits("ICMP code", self.code, 8)

    def serialize(self) -> bytes:
        return self.body


def split_icmp(family: str, data: bytes, pseudo_header: int = 0) -> tuple[int, int, bytes]:
    """Return type, code and what follows the checksum of "ICMPv4" or "ICMPv6". Raises WireError for a wrong checksum."""
    if len(data) < 4:
        raise WireError(f"{family} header needs 4 bytes, got {len(data)}")
    if not checksum_is_valid(data, pseudo_header):
        raise WireError(f"{family} checksum {data[2:4].hex()} is wrong")
    return data[0], data[1], data[4:]


def join_icmp(kind: int, code: int, body: bytes, pseudo_header: int = 0) -> bytes:
    """Return a whole message with its checksum."""
    head = bytes((kind, code))
    return head + internet_checksum(head + bytes(2) + body, pseudo_header).to_bytes(2, "big") + body


def without_extensions(quote: bytes, length: int) -> bytes:
    """Return what an error quotes without the extensions behind it: MPLS labels, interface names (RFC 4884).

    `length` bytes are the quote itself, as the message says. A length too short or too long is one that an old sender left
    in a field then unused: all is quote.
    """
    return quote[:length] if QUOTE_BEFORE_EXTENSIONS_MIN <= length <= len(quote) else quote
