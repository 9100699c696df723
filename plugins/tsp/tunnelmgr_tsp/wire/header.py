"""The eight bytes before every control message over UDP (docs/protocols/tsp.md section 3)."""

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Self

from tunnelmgr.api.errors import WireError
from tunnelmgr_tsp.constants import SEQUENCE_BITS

HEADER_LENGTH = 8  # bytes
_CONTROL = 0xF << SEQUENCE_BITS
_HEADER = struct.Struct("!II")


class Kind(Enum):
    """What a datagram is, by the high nibble of its first byte: there is no other marker."""

    CONTROL = "control"
    IPV6 = "ipv6"
    OTHER = "other"

    @classmethod
    def of(cls, data: bytes) -> "Kind":
        """Classify the payload of a datagram."""
        match data[0] >> 4 if data else None:
            case 0xF:
                return cls.CONTROL
            case 0x6:
                return cls.IPV6
            case _:
                return cls.OTHER


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
