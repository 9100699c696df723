"""What addresses a profile may name: those a host can have, and prefixes that can be a site's.

A wrong one would not merely fail: `prefixes` become rules and unreachable routes of this host.
"""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from itertools import combinations
from typing import Annotated

from pydantic import AfterValidator

from tunnelmgr.api.addresses import is_never_a_host
from tunnelmgr.api.events import EVERYWHERE
from tunnelmgr_sixinfour.constants import NEVER_BEYOND, POINT_TO_POINT, SITE_LENGTH_MIN, SITES


def _check_host(address: IPv4Address) -> IPv4Address:
    if is_never_a_host(address):
        raise ValueError(f"{address} is no host's address; write the IPv4 address of that end")
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
