"""Trailers: type, length and value behind the IPv6 packet (RFC 6081 section 4).

A malformed trailer ends the reading, and what came before it counts; an unknown one is skipped, or condemns the packet,
as the upper two bits of its type say.
"""

import struct
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import ClassVar, Self, TypeVar

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.constants import ALTERNATE_ADDRESSES_MAX, TRAILER_NONCE_LENGTH

_ENDPOINT = struct.Struct("!4sH")


class MalformedTrailerError(WireError):
    """A trailer at which reading stops."""


@dataclass(frozen=True, slots=True)
class NonceTrailer:
    """Proves that a direct bubble answers an indirect one (RFC 6081 section 4.2)."""

    type: ClassVar[int] = 0x01

    nonce: bytes

    @classmethod
    def parse(cls, value: bytes) -> Self:
        _require_length("nonce", value, TRAILER_NONCE_LENGTH)
        return cls(value)

    def serialize(self) -> bytes:
        return self.nonce


@dataclass(frozen=True, slots=True)
class AlternateAddresses:
    """Further endpoints of a client behind the same NAT (RFC 6081 section 4.3), in order of preference."""

    type: ClassVar[int] = 0x03

    endpoints: tuple[Endpoint, ...]

    @classmethod
    def parse(cls, value: bytes) -> Self:
        """Raises WireError, which condemns the whole bubble, for an impossible length."""
        count, rest = divmod(len(value) - 2, _ENDPOINT.size)
        if rest or not 1 <= count <= ALTERNATE_ADDRESSES_MAX:
            raise WireError(f"alternate address trailer of {len(value)} bytes")
        return cls(tuple(Endpoint(IPv4Address(address), port) for address, port in _ENDPOINT.iter_unpack(value[2:])))

    def serialize(self) -> bytes:
        return bytes(2) + b"".join(_ENDPOINT.pack(endpoint.address.packed, endpoint.port) for endpoint in self.endpoints)


class Discovery(Enum):
    """What a neighbour discovery option trailer says."""

    SOLICITATION = 0
    ADVERTISEMENT = 1


@dataclass(frozen=True, slots=True)
class NeighbourDiscovery:
    """Asks whether a path still works, or answers that it does (RFC 6081 section 4.4)."""

    type: ClassVar[int] = 0x04

    discovery: Discovery

    @classmethod
    def parse(cls, value: bytes) -> Self:
        _require_length("neighbour discovery", value, 4)
        if value[0] > Discovery.ADVERTISEMENT.value:
            raise MalformedTrailerError(f"neighbour discovery trailer of type {value[0]}")
        return cls(Discovery(value[0]))

    def serialize(self) -> bytes:
        return bytes((self.discovery.value, 0, 0, 0))


@dataclass(frozen=True, slots=True)
class RandomPort:
    """The port a client behind a symmetric NAT expects to appear from (RFC 6081 section 4.5).

    Type 5 as in that section; the registry in section 9 of the RFC says 2, which no implementation sends.
    """

    type: ClassVar[int] = 0x05

    port: int

    @classmethod
    def parse(cls, value: bytes) -> Self:
        _require_length("random port", value, 2)
        return cls(int.from_bytes(value, "big"))

    def serialize(self) -> bytes:
        return self.port.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class UnknownTrailer:
    """A trailer of a type that is to be skipped."""

    type: int
    value: bytes

    def serialize(self) -> bytes:
        return self.value


Trailer = NonceTrailer | AlternateAddresses | NeighbourDiscovery | RandomPort | UnknownTrailer
T = TypeVar("T", NonceTrailer, AlternateAddresses, NeighbourDiscovery, RandomPort)

_KNOWN: dict[int, type[NonceTrailer | AlternateAddresses | NeighbourDiscovery | RandomPort]] = {
    known.type: known for known in (NonceTrailer, AlternateAddresses, NeighbourDiscovery, RandomPort)
}


def parse_trailers(data: bytes) -> tuple[Trailer, ...]:
    """Read the bytes behind an IPv6 packet.

    Raises WireError when the datagram is to be dropped: an unknown type that says so, or impossible alternate addresses.
    """
    trailers: list[Trailer] = []
    while len(data) >= 2 and 2 + data[1] <= len(data):
        kind, value, data = data[0], data[2 : 2 + data[1]], data[2 + data[1] :]
        if kind not in _KNOWN and kind >> 6 == 0b01:
            raise WireError(f"trailer of unknown type {kind:#04x}, which condemns the packet")
        try:
            trailers.append(_KNOWN[kind].parse(value) if kind in _KNOWN else UnknownTrailer(kind, value))
        except MalformedTrailerError:
            break
    return tuple(trailers)


def serialize_trailers(trailers: tuple[Trailer, ...]) -> bytes:
    values = [(trailer.type, trailer.serialize()) for trailer in trailers]
    return b"".join(bytes((kind, len(value))) + value for kind, value in values)


def first_trailer(trailers: tuple[Trailer, ...], kind: type[T]) -> T | None:
    """Return the first trailer of a kind; repeated ones are ignored."""
    return next((trailer for trailer in trailers if isinstance(trailer, kind)), None)


def _require_length(name: str, value: bytes, length: int) -> None:
    if len(value) != length:
        raise MalformedTrailerError(f"{name} trailer of {len(value)} bytes, must be {length}")
