"""The options of neighbour discovery messages (RFC 4861 section 4.6).

Prefix, route and MTU are read; every other option is kept as it came. `parse` and `serialize` of an option deal with
what follows type and length.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import ClassVar, Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.bounds import require_bits

LIFETIME_INFINITE = 0xFFFF_FFFF  # seconds, by convention; RFC 4861 section 4.6.2

_PREFIX = struct.Struct("!BBIII16s")
_ROUTE = struct.Struct("!BBI")
_ON_LINK, _AUTONOMOUS = 0x80, 0x40


@dataclass(frozen=True, slots=True)
class PrefixInformation:
    """A prefix on the link, or to make addresses from (RFC 4861 section 4.6.2). Lifetimes in seconds, 32 bits."""

    type: ClassVar[int] = 3

    prefix: IPv6Network
    on_link: bool
    autonomous: bool
    valid_lifetime: int
    preferred_lifetime: int

    def __post_init__(self) -> None:
        require_bits("valid lifetime", self.valid_lifetime, 32)
        require_bits("preferred lifetime", self.preferred_lifetime, 32)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        if len(body) != _PREFIX.size:
            raise WireError(f"prefix information option of {len(body) + 2} bytes, must be {_PREFIX.size + 2}")
        length, flags, valid, preferred, _, prefix = _PREFIX.unpack(body)
        if length > 128:
            raise WireError(f"prefix length {length}")
        # Not strict: the bits behind the prefix are ignored by the receiver.
        network = IPv6Network((prefix, length), strict=False)
        return cls(network, bool(flags & _ON_LINK), bool(flags & _AUTONOMOUS), valid, preferred)

    def serialize(self) -> bytes:
        flags = (_ON_LINK if self.on_link else 0) | (_AUTONOMOUS if self.autonomous else 0)
        prefix = self.prefix.network_address.packed
        return _PREFIX.pack(self.prefix.prefixlen, flags, self.valid_lifetime, self.preferred_lifetime, 0, prefix)


@dataclass(frozen=True, slots=True)
class MtuOption:
    """The MTU of the link in bytes (RFC 4861 section 4.6.4); whether it is sensible is for the receiver to judge."""

    type: ClassVar[int] = 5

    mtu: int

    def __post_init__(self) -> None:
        require_bits("MTU", self.mtu, 32)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        if len(body) != 6:
            raise WireError(f"MTU option of {len(body) + 2} bytes, must be 8")
        return cls(int.from_bytes(body[2:], "big"))

    def serialize(self) -> bytes:
        return struct.pack("!HI", 0, self.mtu)


@dataclass(frozen=True, slots=True)
class RouteInformation:
    """A prefix that is reached through the router (RFC 4191 section 2.3). `lifetime` in seconds, 32 bits."""

    type: ClassVar[int] = 24

    prefix: IPv6Network
    lifetime: int
    preference: int = 0
    """Two bits: 0 medium, 1 high, 3 low."""

    def __post_init__(self) -> None:
        require_bits("route lifetime", self.lifetime, 32)
        require_bits("route preference", self.preference, 2)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        if len(body) not in (6, 14, 22):
            raise WireError(f"route information option of {len(body) + 2} bytes, must be 8, 16 or 24")
        length, flags, lifetime = _ROUTE.unpack_from(body)
        if length > 8 * (len(body) - _ROUTE.size):
            raise WireError(f"prefix length {length} in a route information option of {len(body) + 2} bytes")
        network = IPv6Network((body[_ROUTE.size :].ljust(16, b"\0"), length), strict=False)
        return cls(network, lifetime, flags >> 3 & 3)

    def serialize(self) -> bytes:
        octets = 8 * -(-self.prefix.prefixlen // 64)
        fixed = _ROUTE.pack(self.prefix.prefixlen, self.preference << 3, self.lifetime)
        return fixed + self.prefix.network_address.packed[:octets]


@dataclass(frozen=True, slots=True)
class OtherOption:
    """An option of another type; `body` is what follows type and length: 6, 14, 22 ... bytes, 2038 at most."""

    type: int
    body: bytes

    def __post_init__(self) -> None:
        require_bits("option type", self.type, 8)
        if len(self.body) % 8 != 6 or len(self.body) > 255 * 8 - 2:
            raise WireError(f"option body of {len(self.body)} bytes: with type and length, no multiple of 8 up to 2040")

    def serialize(self) -> bytes:
        return self.body


DiscoveryOption = PrefixInformation | RouteInformation | MtuOption | OtherOption
_KNOWN: dict[int, type[PrefixInformation | RouteInformation | MtuOption]] = {
    one.type: one for one in (PrefixInformation, RouteInformation, MtuOption)
}


def parse_options(data: bytes) -> tuple[DiscoveryOption, ...]:
    """Read the options that fill `data`.

    Raises WireError for an option of length zero, as RFC 4861 section 4.6 demands, or one that reaches beyond `data`.
    """
    options: list[DiscoveryOption] = []
    while data:
        length = 8 * data[1] if len(data) > 1 else 0
        if length == 0 or length > len(data):
            raise WireError(f"neighbour discovery option of {length} bytes in {len(data)} bytes")
        kind, body = data[0], data[2:length]
        options.append(_KNOWN[kind].parse(body) if kind in _KNOWN else OtherOption(kind, body))
        data = data[length:]
    return tuple(options)


def serialize_options(options: tuple[DiscoveryOption, ...]) -> bytes:
    bodies = ((option.type, option.serialize()) for option in options)
    return b"".join(bytes((kind, (len(body) + 2) // 8)) + body for kind, body in bodies)
