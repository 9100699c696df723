"""Where in the world an IPv4 address means anything.

The documentation blocks (RFC 5737) count as public: they are routed nowhere, and all laboratories and examples use them.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network


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


def is_public(address: IPv4Address) -> bool:
    """True if the internet could see a host by this address."""
    return not is_within(address, NOT_PUBLIC)


def is_behind_nat(address: IPv4Address) -> bool:
    """True if a NAT stands between this address and the internet."""
    return is_within(address, BEHIND_NAT)


def is_never_a_host(address: IPv4Address) -> bool:
    """True if no host has this address, in whatever network."""
    return is_within(address, NEVER_A_HOST)


def is_within(address: IPv4Address, blocks: Iterable[IPv4Network]) -> bool:
    """True if an address is in one of the blocks."""
    return any(address in block for block in blocks)
