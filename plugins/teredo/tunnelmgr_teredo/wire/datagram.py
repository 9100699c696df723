"""What a Teredo datagram holds (RFC 4380 section 5.1.1, RFC 6081 section 4), and the packets that are always alike.

payload = [authentication] [origin indication] IPv6 packet [trailers]
"""

import hmac
import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.ipv6 import IPv6Packet, ipv6_length
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr_teredo.constants import BUBBLE_HOP_LIMIT, NONCE_LENGTH
from tunnelmgr_teredo.wire.trailers import Trailer, parse_trailers, serialize_trailers

_AUTHENTICATION, _ORIGIN = b"\x00\x01", b"\x00\x00"
_ORIGIN_LAYOUT = struct.Struct("!2sHI")


@dataclass(frozen=True, slots=True)
class Authentication:
    """Ties an answer to the question by `nonce`, and to a shared secret where `value` is not empty."""

    nonce: bytes
    client_id: bytes = b""
    value: bytes = b""
    confirmation: int = 0
    """From a server: not 0 asks the client to get a new key."""

    @classmethod
    def split(cls, data: bytes) -> tuple[Self, bytes]:
        """Read the header at the start of `data`; return it and the bytes behind it."""
        if len(data) < 4 or len(data) < 13 + data[2] + data[3]:
            raise WireError(f"authentication header runs past the end: {data[:4].hex()} in {len(data)} bytes")
        value_at = 4 + data[2]
        nonce_at = value_at + data[3]
        end = nonce_at + NONCE_LENGTH
        return cls(data[nonce_at:end], data[4:value_at], data[value_at:nonce_at], data[end]), data[end + 1 :]

    def serialize(self) -> bytes:
        lengths = bytes((len(self.client_id), len(self.value)))
        return _AUTHENTICATION + lengths + self.client_id + self.value + self.nonce + bytes((self.confirmation,))


@dataclass(frozen=True, slots=True)
class OriginIndication:
    """The endpoint a server received a packet from."""

    endpoint: Endpoint

    @classmethod
    def split(cls, data: bytes) -> tuple[Self, bytes]:
        """Read the indication at the start of `data`; return it and the bytes behind it."""
        if len(data) < _ORIGIN_LAYOUT.size or data[:2] != _ORIGIN:
            raise WireError(f"not an origin indication: {data[:8].hex()}")
        _, port, address = _ORIGIN_LAYOUT.unpack_from(data)
        return cls(Endpoint(IPv4Address(address ^ 0xFFFF_FFFF), port ^ 0xFFFF)), data[_ORIGIN_LAYOUT.size :]

    def serialize(self) -> bytes:
        # Inverted so that a NAT which rewrites addresses inside payloads does not recognise ours.
        return _ORIGIN_LAYOUT.pack(_ORIGIN, self.endpoint.port ^ 0xFFFF, int(self.endpoint.address) ^ 0xFFFF_FFFF)


@dataclass(frozen=True, slots=True)
class Payload:
    """One datagram, taken apart. `packet` is exactly the IPv6 packet, `behind` whatever follows it."""

    packet: bytes
    authentication: Authentication | None = None
    origin: OriginIndication | None = None
    behind: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises WireError for anything but the grammar above; trailers are read on demand."""
        authentication, origin = None, None
        if data[:2] == _AUTHENTICATION:
            authentication, data = Authentication.split(data)
        if data[:2] == _ORIGIN:
            origin, data = OriginIndication.split(data)
        length = ipv6_length(data)
        return cls(data[:length], authentication, origin, data[length:])

    def serialize(self) -> bytes:
        parts = (part.serialize() for part in (self.authentication, self.origin) if part is not None)
        return b"".join(parts) + self.packet + self.behind

    def trailers(self) -> tuple[Trailer, ...]:
        """Raises WireError when a trailer condemns the datagram."""
        return parse_trailers(self.behind)


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """What secure qualification needs (RFC 4380 section 5.2.2)."""

    client_id: bytes
    key: bytes = field(repr=False)
    algorithm: str = "sha1"
    """As hashlib names it. SHA-1 is the RFC's default; its section 7.2.1, which speaks of MD5, is in error."""

    def sign(self, packet: bytes, nonce: bytes, origin: OriginIndication | None = None, confirmation: int = 0) -> Payload:
        """Return a payload with a complete authentication header."""
        value = self._value(packet, nonce, origin, confirmation)
        return Payload(packet, Authentication(nonce, self.client_id, value, confirmation), origin)

    def verifies(self, payload: Payload) -> bool:
        """True if the authentication header is of this client and its value is right."""
        header = payload.authentication
        if header is None or header.client_id != self.client_id:
            return False
        value = self._value(payload.packet, header.nonce, payload.origin, header.confirmation)
        return hmac.compare_digest(header.value, value)

    def _value(self, packet: bytes, nonce: bytes, origin: OriginIndication | None, confirmation: int) -> bytes:
        # Neither the outer headers, which NATs rewrite, nor trailers are covered: teredo.md section 3.1.
        covered = nonce + bytes((confirmation,)) + (origin.serialize() if origin else b"") + packet
        return hmac.digest(self.key, covered, self.algorithm)


def bubble(source: IPv6Address, destination: IPv6Address, hop_limit: int = BUBBLE_HOP_LIMIT) -> bytes:
    """Return an IPv6 packet without payload (RFC 4380 section 2.8)."""
    return IPv6Packet(source, destination, IpProtocol.NO_NEXT_HEADER, hop_limit=hop_limit).serialize()


def is_bubble(packet: IPv6Packet) -> bool:
    return packet.next_header == IpProtocol.NO_NEXT_HEADER and not packet.payload


def with_trailers(packet: bytes, *trailers: Trailer) -> bytes:
    """Return a datagram payload of a packet and trailers."""
    return packet + serialize_trailers(trailers)
