"""The nft tables of one tunnel, as lines for nft: the inbound firewall, in place before the device has its first
address, and the translation of a far end to which nobody routes its clients' prefix.

The family is ip6 and not inet: a rule that asks for a connection's state makes the kernel track all connections of the
rule's families, and the outer IPv4 datagrams of a busy relay would fill the table of connections.
"""

import hashlib
import re
from ipaddress import IPv6Network

from tunnelmgr.host.device_name import nft_table, translation_table

FIREWALL_FAMILY = "ip6"
_TRANSLATED = "tunnelmgr "  # the comment of a translating rule begins so; its prefix follows

# RFC 4890 section 4.3.1 and 4.4.1: errors must pass; echo requests should.
_ICMPV6_IN = "destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request"


def firewall_rules(device: str, hooks: tuple[str, ...]) -> list[str]:
    """Return the lines that make the table anew, one nft command each, to be run as one transaction."""
    mark = firewall_mark(device, hooks)
    return [line if not line.endswith("drop") else f'{line} comment "{mark}"' for line in _rules(device, hooks)]


def translation_rules(device: str, prefixes: tuple[IPv6Network, ...]) -> list[str]:
    """Return the lines that make the translating table anew."""
    table = f"{FIREWALL_FAMILY} {translation_table(device)}"
    lines = [*_anew(table), f"add chain {table} postrouting {{ type nat hook postrouting priority srcnat; policy accept; }}"]
    for prefix in prefixes:
        match = f'ip6 saddr {prefix} oifname != "{device}"'
        lines.append(f'add rule {table} postrouting {match} masquerade comment "{_TRANSLATED}{prefix}"')
    return lines


def translated_prefixes(listing: str) -> tuple[IPv6Network, ...]:
    """Return the prefixes that a translating table, as nft lists it, was made for."""
    return tuple(IPv6Network(prefix) for prefix in re.findall(rf'masquerade comment "{_TRANSLATED}([^"]+)"', listing))


def firewall_mark(device: str, hooks: tuple[str, ...]) -> str:
    """Return what tells this table from one made by another version: the comment of its dropping rules."""
    return f"tunnelmgr {hashlib.sha256(chr(10).join(_rules(device, hooks)).encode()).hexdigest()[:8]}"


def _rules(device: str, hooks: tuple[str, ...]) -> list[str]:
    table = f"{FIREWALL_FAMILY} {nft_table(device)}"
    lines = _anew(table)
    for hook in hooks:
        lines += [
            f"add chain {table} {hook} {{ type filter hook {hook} priority filter; policy accept; }}",
            f'add rule {table} {hook} iifname != "{device}" accept',
            f"add rule {table} {hook} ct state established,related accept",
            f"add rule {table} {hook} icmpv6 type {{ {_ICMPV6_IN} }} accept",
            f"add rule {table} {hook} counter drop",
        ]
    return lines


def _anew(table: str) -> list[str]:
    """Return the lines that make the table, empty, whatever was in it before."""
    return [f"add table {table}", f"delete table {table}", f"add table {table}"]
