"""Router and neighbour solicitations and advertisements (RFC 4861 sections 4.1 to 4.4).

What can be told from the message alone is checked here, the hop limit of 255 by parse_icmpv6(). Rules that need the
addresses or the state of an interface (RFC 4861 sections 6.1 and 7.1) are the receiver's.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import ClassVar, Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.bounds import require_bits, require_code_zero
from tunnelmgr.api.packets.discovery_options import (
    DiscoveryOption,
    MtuOption,
    PrefixInformation,
    RouteInformation,
    parse_options,
    serialize_options,
)

_ADVERTISEMENT = struct.Struct("!BBHII")
_MANAGED, _OTHER_CONFIGURATION = 0x80, 0x40
_ROUTER, _SOLICITED, _OVERRIDE = 0x80, 0x40, 0x20


@dataclass(frozen=True, slots=True)
class RouterSolicitation:
    """Asks routers to advertise themselves (RFC 4861 section 4.1)."""

    code: ClassVar[int] = 0

    options: tuple[DiscoveryOption, ...] = ()

    @classmethod
    def parse(cls, code: int, body: bytes) -> Self:
        require_code_zero("router solicitation", code)
        if len(body) < 4:
            raise WireError(f"router solicitation needs 4 bytes behind the checksum, got {len(body)}")
        return cls(parse_options(body[4:]))

    def serialize(self) -> bytes:
        return bytes(4) + serialize_options(self.options)


@dataclass(frozen=True, slots=True)
class RouterAdvertisement:
    """What a router says about itself and the link (RFC 4861 section 4.2).

    `router_lifetime` is in seconds (16 bits; 0: not a default router), `reachable_time` and `retransmit_timer` are in
    milliseconds (32 bits; 0: unspecified), as is a `current_hop_limit` of 0.
    """

    code: ClassVar[int] = 0

    current_hop_limit: int = 0
    managed: bool = False
    other_configuration: bool = False
    router_lifetime: int = 0
    reachable_time: int = 0
    retransmit_timer: int = 0
    options: tuple[DiscoveryOption, ...] = ()

    def __post_init__(self) -> None:
        require_bits("current hop limit", self.current_hop_limit, 8)
        require_bits("router lifetime", self.router_lifetime, 16)
        require_bits("reachable time", self.reachable_time, 32)
        require_bits("retransmit timer", self.retransmit_timer, 32)

    @classmethod
    def parse(cls, code: int, body: bytes) -> Self:
        require_code_zero("router advertisement", code)
        if len(body) < _ADVERTISEMENT.size:
            raise WireError(f"router advertisement needs {_ADVERTISEMENT.size} bytes behind the checksum, got {len(body)}")
        hop_limit, flags, lifetime, reachable, retransmit = _ADVERTISEMENT.unpack_from(body)
        managed, other = bool(flags & _MANAGED), bool(flags & _OTHER_CONFIGURATION)
        return cls(hop_limit, managed, other, lifetime, reachable, retransmit, parse_options(body[_ADVERTISEMENT.size :]))

    def serialize(self) -> bytes:
        flags = (_MANAGED if self.managed else 0) | (_OTHER_CONFIGURATION if self.other_configuration else 0)
        fixed = _ADVERTISEMENT.pack(
            self.current_hop_limit, flags, self.router_lifetime, self.reachable_time, self.retransmit_timer
        )
        return fixed + serialize_options(self.options)

    @property
    def prefixes(self) -> tuple[PrefixInformation, ...]:
        return tuple(option for option in self.options if isinstance(option, PrefixInformation))

    @property
    def routes(self) -> tuple[RouteInformation, ...]:
        return tuple(option for option in self.options if isinstance(option, RouteInformation))

    @property
    def mtu(self) -> int | None:
        """The MTU advertised for the link, in bytes; the last one where there are several, as in Linux."""
        return next((option.mtu for option in reversed(self.options) if isinstance(option, MtuOption)), None)


@dataclass(frozen=True, slots=True)
class NeighbourSolicitation:
    """Asks for the link-layer address of `target`, or whether it is still there (RFC 4861 section 4.3)."""

    code: ClassVar[int] = 0

    target: IPv6Address
    options: tuple[DiscoveryOption, ...] = ()

    @classmethod
    def parse(cls, code: int, body: bytes) -> Self:
        require_code_zero("neighbour solicitation", code)
        return cls(_target(body), parse_options(body[20:]))

    def serialize(self) -> bytes:
        return bytes(4) + self.target.packed + serialize_options(self.options)


@dataclass(frozen=True, slots=True)
class NeighbourAdvertisement:
    """Tells of `target`: the answer to a solicitation, or unasked (RFC 4861 section 4.4)."""

    code: ClassVar[int] = 0

    target: IPv6Address
    router: bool = False
    solicited: bool = False
    override: bool = False
    options: tuple[DiscoveryOption, ...] = ()

    @classmethod
    def parse(cls, code: int, body: bytes) -> Self:
        require_code_zero("neighbour advertisement", code)
        target, flags = _target(body), body[0]
        router, solicited, override = bool(flags & _ROUTER), bool(flags & _SOLICITED), bool(flags & _OVERRIDE)
        return cls(target, router, solicited, override, parse_options(body[20:]))

    def serialize(self) -> bytes:
        flags = (_ROUTER if self.router else 0) | (_SOLICITED if self.solicited else 0)
        flags |= _OVERRIDE if self.override else 0
        return bytes((flags, 0, 0, 0)) + self.target.packed + serialize_options(self.options)


DiscoveryMessage = RouterSolicitation | RouterAdvertisement | NeighbourSolicitation | NeighbourAdvertisement


def _target(body: bytes) -> IPv6Address:
    if len(body) < 20:
        raise WireError(f"neighbour discovery needs 20 bytes behind the checksum, got {len(body)}")
    target = IPv6Address(body[4:20])
    if target.is_multicast:
        raise WireError(f"neighbour discovery for the multicast address {target}")
    return target
