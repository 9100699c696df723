"""Echo request and reply: the same for ICMPv4 (RFC 792) and ICMPv6 (RFC 4443 section 4) but for the type numbers."""

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.bounds import require_bits, require_code_zero


@dataclass(frozen=True, slots=True)
class EchoRequest:
    """Asks for `data` back; `identifier` and `sequence` (16 bits each) belong to the sender."""

    code: ClassVar[int] = 0

    identifier: int
    sequence: int
    data: bytes = b""

    def __post_init__(self) -> None:
        _require_fields(self.identifier, self.sequence)

    @classmethod
    def parse(cls, code: int, body: bytes) -> Self:
        """Read what follows the ICMP checksum."""
        require_code_zero("echo request", code)
        return cls(*_split(body))

    def serialize(self) -> bytes:
        """Return what follows the ICMP checksum."""
        return struct.pack("!HH", self.identifier, self.sequence) + self.data

    def reply(self) -> "EchoReply":
        return EchoReply(self.identifier, self.sequence, self.data)


@dataclass(frozen=True, slots=True)
class EchoReply:
    """The answer to an EchoRequest, all of its fields repeated."""

    code: ClassVar[int] = 0

    identifier: int
    sequence: int
    data: bytes = b""

    def __post_init__(self) -> None:
        _require_fields(self.identifier, self.sequence)

    @classmethod
    def parse(cls, code: int, body: bytes) -> Self:
        """Read what follows the ICMP checksum."""
        require_code_zero("echo reply", code)
        return cls(*_split(body))

    def serialize(self) -> bytes:
        """Return what follows the ICMP checksum."""
        return struct.pack("!HH", self.identifier, self.sequence) + self.data


def _require_fields(identifier: int, sequence: int) -> None:
    require_bits("echo identifier", identifier, 16)
    require_bits("echo sequence", sequence, 16)


def _split(body: bytes) -> tuple[int, int, bytes]:
    if len(body) < 4:
        raise WireError(f"echo needs 4 bytes behind the checksum, got {len(body)}")
    identifier, sequence = struct.unpack_from("!HH", body)
    return identifier, sequence, body[4:]
