"""Judgements on IPv4 and inner IPv6 addresses, and the link-local address of a tunnel."""

from ipaddress import IPv4Address, IPv6Address
from random import Random

from tunnelmgr.api.addresses import is_behind_nat, is_within
from tunnelmgr_sixinfour.constants import (
    LINK_LOCAL,
    NEVER_A_SOURCE,
    NOT_UNICAST,
)


def is_global_unicast(address: IPv4Address) -> bool:
    """Whether one host of the internet may have this address (RFC 3964 section 5.1)."""
    return not is_within(address, NOT_UNICAST)


def is_impossible_source(address: IPv6Address) -> bool:
    """Whether no honest host sends from this inner address (RFC 4213 section 3.6); the unspecified one may."""
    if any(address in network for network in NEVER_A_SOURCE):
        return not address.is_unspecified
    return address.sixtofour is not None and not is_global_unicast(address.sixtofour)


def link_local_of(address: IPv4Address) -> IPv6Address:
    """Return the link-local address made of an IPv4 address (RFC 4213 section 3.7)."""
    return IPv6Address(int(LINK_LOCAL.network_address) | int(address))


def link_local_for(address: IPv4Address, random: Random) -> IPv6Address:
    """Return a link-local address for a tunnel from `address`.

    Behind NATs both ends may have the same private address, so the interface identifier is random there, with the
    universal bit clear (RFC 4291 appendix A).
    """
    if not is_behind_nat(address):
        return link_local_of(address)
    identifier = random.getrandbits(64) & ~(1 << 57) | 1 << 63  # never one that an IPv4 address makes
    return IPv6Address(int(LINK_LOCAL.network_address) | identifier)
