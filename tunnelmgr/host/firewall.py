"""The nft tables of one tunnel, as lines for nft: the inbound firewall, in place before the device has its first
address, the translation of a far end to which nobody routes its clients' prefix, and what a LAN behind us needs.

The family is ip6 and not inet: a rule that asks for a connection's state makes the kernel track all connections of the
rule's families, and the outer IPv4 datagrams of a busy relay would fill the table of connections.
"""

import hashlib
import re
from ipaddress import IPv6Network

from tunnelmgr.host.device_name import nft_table, sharing_table, translation_table

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


def sharing_rules(device: str, segment_size: int, hidden: tuple[IPv6Network, ...]) -> list[str]:
    """Return the lines that make the table of a LAN anew.

    TCP's segments shall fit through the tunnel whichever side begins and whether or not the LAN listens to our MTU. Who
    sends from a hidden prefix appears outside with the address of the device.
    """
    table = f"{FIREWALL_FAMILY} {sharing_table(device)}"
    lines = [*_anew(table), f"add chain {table} forward {{ type filter hook forward priority mangle; policy accept; }}"]
    for side in ("iifname", "oifname"):
        # The kernel only ever makes it smaller.
        clamp = f"tcp flags & (syn | rst) == syn tcp option maxseg size set {segment_size}"
        lines.append(f'add rule {table} forward {side} "{device}" {clamp}')
    if hidden:
        lines.append(f"add chain {table} postrouting {{ type nat hook postrouting priority srcnat; policy accept; }}")
    for prefix in hidden:
        match = f'ip6 saddr {prefix} oifname "{device}"'
        lines.append(f'add rule {table} postrouting {match} masquerade comment "{_TRANSLATED}{prefix}"')
    return lines


def clamped_size(listing: str) -> int:
    """Return the segment size in a LAN's table as nft lists it; 0 when it is not as this version makes it."""
    sizes = re.findall(r"tcp option maxseg size set (\d+)", listing)
    return int(sizes[0]) if len(sizes) == 2 and len(set(sizes)) == 1 else 0


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
