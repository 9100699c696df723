"""Which address programs pick where a name has both kinds: RFC 6724 ranks some tunnel addresses below IPv4."""

from collections.abc import Sequence
from ipaddress import IPv6Address, IPv6Network
from typing import Final

_LABELS: Final = {
    "::1/128": 0,
    "::/0": 1,
    "2002::/16": 2,
    "::/96": 3,
    "::ffff:0:0/96": 4,
    "fec0::/10": 5,
    "fc00::/7": 6,
    "2001::/32": 7,
}
"""Glibc's table (gai.conf(5)), as RFC 6724 section 2.1 has it: prefix and label."""
# A source whose label is not that of native destinations loses against IPv4: RFC 6724 section 6, rule 5.
_BELOW_IPV4: Final = {
    IPv6Network("2001::/32"): "Teredo",
    IPv6Network("2002::/16"): "6to4",
    IPv6Network("fc00::/7"): "unique local",
}


def ranked_below_ipv4(addresses: Sequence[IPv6Address]) -> str | None:
    """Return the kind of addresses for which programs prefer IPv4; None where one of them is as good as native."""
    kinds = [next((kind for prefix, kind in _BELOW_IPV4.items() if address in prefix), None) for address in addresses]
    return kinds[0] if kinds and None not in kinds else None


def lines_for_ipv6_first(addresses: Sequence[IPv6Address]) -> tuple[str, ...]:
    """Return what to put into /etc/gai.conf so that these addresses count as native ones.

    One line of labels replaces glibc's whole table, so all others stand in it. Precedences need not be touched: once the
    labels agree, ::/0 goes before IPv4.
    """
    own = {prefix for prefix in _BELOW_IPV4 if any(address in prefix for address in addresses)}
    return tuple(f"label {prefix} {label}" for prefix, label in _LABELS.items() if IPv6Network(prefix) not in own)
