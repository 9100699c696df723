"""What a profile may name of protocol 41: addresses a host can have, prefixes that can be a site's, and the outer header.

A wrong address would not merely fail: `prefixes` become rules and unreachable routes of this host.
"""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from itertools import combinations
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tunnelmgr.api.addresses import is_never_a_host
from tunnelmgr.api.events import EVERYWHERE, OuterTos
from tunnelmgr.api.settings import BYTES, Settings
from tunnelmgr_sixinfour.constants import (
    DSCP,
    ECN,
    NEVER_BEYOND,
    OUTER_TTL,
    POINT_TO_POINT,
    SITE_LENGTH_MIN,
    SITES,
    STATIC_MTU_MAX,
    TUNNEL_MTU_MIN,
)


def _check_host(address: IPv4Address) -> IPv4Address:
    if is_never_a_host(address):
        raise ValueError(f"{address} is not an address that a host can have; write the IPv4 address of that end")
    return address


def _check_address(address: IPv6Address) -> IPv6Address:
    if not any(address in block for block in SITES):
        raise ValueError(f"{address} is neither global unicast nor unique local; write the tunnel's own IPv6 address")
    return address


def _check_interface(interface: IPv6Interface) -> IPv6Interface:
    _check_address(interface.ip)
    network = interface.network
    _check_length(network)
    if network.prefixlen < POINT_TO_POINT and interface.ip == network.network_address:
        raise ValueError(f"{interface} is every router's address there (RFC 4291 section 2.6.1); write this end's own")
    return interface


def _check_site(prefix: IPv6Network) -> IPv6Network:
    _check_length(prefix)
    if not any(prefix.subnet_of(block) for block in SITES):
        raise ValueError(f"{prefix} is neither global unicast nor unique local; write the prefix routed to this end")
    return prefix


def _check_length(prefix: IPv6Network) -> None:
    if prefix.prefixlen < SITE_LENGTH_MIN:
        raise ValueError(f"{prefix} is more than anybody has; write the prefix with its real length, such as /48 or /64")


def _check_destination(prefix: IPv6Network) -> IPv6Network:
    if prefix != EVERYWHERE and any(prefix.overlaps(block) for block in NEVER_BEYOND):
        never = f"{prefix} has addresses that are never behind a tunnel (multicast, link-local, loopback)"
        raise ValueError(f"{never}; write prefixes of the far end, or ::/0 for the internet")
    return prefix


Ipv4Host = Annotated[IPv4Address, AfterValidator(_check_host)]
"""Unicast; private ones are good behind a NAT, or within a network of one's own."""
TunnelAddress = Annotated[IPv6Address, AfterValidator(_check_address)]
TunnelInterface = Annotated[IPv6Interface, AfterValidator(_check_interface)]
SitePrefix = Annotated[IPv6Network, AfterValidator(_check_site)]
"""A prefix on this side."""
Destination = Annotated[IPv6Network, AfterValidator(_check_destination)]
"""A prefix on the other."""


def check_apart(
    prefixes: Collection[IPv6Network], routes: Collection[IPv6Network], link: IPv6Network, far: IPv6Address
) -> None:
    """Raise ValueError where a profile says twice, or both ways, on which side a prefix is.

    `link` is the prefix of the tunnel itself. It may be part of `prefixes`: it is the longer one, and goes before them.
    """
    for name, written in (("prefixes", prefixes), ("routes", routes)):
        twice = next((one for one, other in combinations(written, 2) if one == other), None)
        if twice is not None:
            raise ValueError(f"`{name}` has {twice} twice; remove one")
    for route in routes:
        site = next((prefix for prefix in prefixes if route.subnet_of(prefix)), None)
        if site is not None:
            raise ValueError(f"{route} of `routes` is on this side: `prefixes` has {site}; remove it from one of them")
        if route.subnet_of(link):
            raise ValueError(f"{route} of `routes` is the tunnel's own prefix: `address` has {link}; remove it")
    for prefix in prefixes:
        if far in prefix and not (far in link and link.subnet_of(prefix)):
            raise ValueError(f"the far end's {far} is on this side: `prefixes` has {prefix}; check it and `far_address`")


Mtu = Literal["auto"] | Annotated[int, Field(ge=TUNNEL_MTU_MIN, le=STATIC_MTU_MAX)]
EcnMode = Literal["normal", "compat"]
"""Whether the outer header says about congestion what the inner one says, or nothing (RFC 6040 section 4.1)."""
DscpModel = Literal["pipe", "uniform"]
"""Whether the DSCP of the outer header is the tunnel's own, or the packet's, copied out and back (RFC 2983)."""


class EnvelopeSettings(Settings):
    """What every kind of protocol 41 lets choose of its outer header."""

    local: Ipv4Host | None = Field(
        default=None,
        description="IPv4 address of this end; behind a NAT it is the private one. "
        "Left out, it is the address that leads to the internet, and it is followed when it changes.",
    )
    mtu: Mtu = Field(
        default="auto",
        description="MTU of the tunnel. `auto` finds out what the path to the far end carries.",
        json_schema_extra=BYTES,
    )
    ttl: int = Field(default=OUTER_TTL, ge=1, le=255, description="TTL of the outer header.")
    ecn: EcnMode = Field(
        default="compat",
        description="Congestion bits of the outer header (RFC 6040). `compat` leaves them 0. "
        "`normal` copies those of the packet, which is right if the far end does the same.",
    )
    dscp_model: DscpModel = Field(
        default="pipe",
        description="DSCP of the outer header (RFC 2983). `pipe` sends the value of `dscp`. "
        "`uniform` copies that of the packet out and back.",
    )
    dscp: int = Field(default=0, ge=0, le=63, description="DSCP of the outer header with `dscp_model: pipe`.")

    @property
    def outer_tos(self) -> OuterTos:
        inherited = ECN if self.ecn == "normal" else 0
        if self.dscp_model == "uniform":
            return OuterTos(0, inherited | DSCP)
        return OuterTos(self.dscp << 2, inherited)

    @property
    def static_mtu(self) -> int | None:
        return None if self.mtu == "auto" else self.mtu
