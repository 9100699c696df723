"""Where in the world an address means anything, and which of those that far ends tell are addresses of hosts at all.

The documentation blocks (RFC 5737) count as public: they are routed nowhere, and all laboratories and examples use them.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network


def _blocks(*texts: str) -> tuple[IPv4Network, ...]:
    return tuple(map(IPv4Network, texts))


PRIVATE = _blocks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")  # RFC 1918
SHARED = IPv4Network("100.64.0.0/10")  # RFC 6598: between a provider's own NAT and its customers
LINK_LOCAL = IPv4Network("169.254.0.0/16")  # RFC 3927
NEVER_A_HOST = _blocks("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4")
"""No host's address, not even in a network of its own."""
BEHIND_NAT = (*PRIVATE, SHARED, LINK_LOCAL)
"""Addresses of hosts that reach the internet through a NAT, if they reach it."""
NOT_PUBLIC = (*NEVER_A_HOST, *BEHIND_NAT, *_blocks("192.0.0.0/24", "198.18.0.0/15"))  # RFC 6890, RFC 2544

UNICAST6 = (IPv6Network("2000::/3"), IPv6Network("fc00::/7"))
"""What hosts have that are not on our link: global unicast (RFC 4291 section 2.4) and unique local addresses (RFC 4193)."""


def is_public(address: IPv4Address) -> bool:
    """True if the internet could see a host by this address."""
    return not is_within(address, NOT_PUBLIC)


def is_behind_nat(address: IPv4Address) -> bool:
    """True if a NAT stands between this address and the internet."""
    return is_within(address, BEHIND_NAT)


def is_never_a_host(address: IPv4Address) -> bool:
    """True if no host has this address, in whatever network."""
    return is_within(address, NEVER_A_HOST)


def is_within(address: IPv4Address | IPv6Address, blocks: Iterable[IPv4Network] | Iterable[IPv6Network]) -> bool:
    """True if an address is in one of the blocks."""
    return any(address in block for block in blocks)


def is_seen_by(address: IPv4Address, observer: IPv4Address) -> bool:
    """True if a host can appear to this observer by this address: from the internet by a public one only.

    What routers and servers say of where they see us is asked this before it is believed. One on this host itself may see
    us by any address.
    """
    if observer.is_loopback:
        return True
    return not is_never_a_host(address) and (is_public(address) or not is_public(observer))


def is_unicast6(address: IPv6Address) -> bool:
    """True if a host beyond this link could have this address."""
    return address.scope_id is None and any(address in block for block in UNICAST6)


def is_resolver(address: IPv4Address | IPv6Address) -> bool:
    """True if a far end may name this address as a resolver: never this host itself, its link, or a group."""
    if isinstance(address, IPv6Address):
        return is_unicast6(address)
    return not is_never_a_host(address) and address not in LINK_LOCAL


def plain_ipv6(text: str) -> IPv6Address:
    """Read an address that somebody else wrote. Raises ValueError, also for a scope id: behind `%` may stand anything."""
    if "%" in text:
        raise ValueError("an address with a scope id")
    return IPv6Address(text)


def plain_network6(text: str) -> IPv6Network:
    """Read a prefix that somebody else wrote. Raises ValueError as `plain_ipv6` does."""
    if "%" in text:
        raise ValueError("a prefix with a scope id")
    return IPv6Network(text)
