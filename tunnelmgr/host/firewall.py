"""The inbound firewall of one tunnel, as lines for nft: in place before the device has its first address.

The family is ip6 and not inet: a rule that asks for a connection's state makes the kernel track all connections of the
rule's families, and the outer IPv4 datagrams of a busy relay would fill the table of connections.
"""

import hashlib

from tunnelmgr.host.device_name import nft_table

FIREWALL_FAMILY = "ip6"

# RFC 4890 section 4.3.1 and 4.4.1: errors must pass; echo requests should.
_ICMPV6_IN = "destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request"


def firewall_rules(device: str, hooks: tuple[str, ...]) -> list[str]:
    """Return the lines that make the table anew, one nft command each, to be run as one transaction."""
    mark = firewall_mark(device, hooks)
    return [line if not line.endswith("drop") else f'{line} comment "{mark}"' for line in _rules(device, hooks)]


def firewall_mark(device: str, hooks: tuple[str, ...]) -> str:
    """Return what tells this table from one made by another version: the comment of its dropping rules."""
    return f"tunnelmgr {hashlib.sha256(chr(10).join(_rules(device, hooks)).encode()).hexdigest()[:8]}"


def _rules(device: str, hooks: tuple[str, ...]) -> list[str]:
    table = f"{FIREWALL_FAMILY} {nft_table(device)}"
    lines = [f"add table {table}", f"delete table {table}", f"add table {table}"]  # whatever was in it before
    for hook in hooks:
        lines += [
            f"add chain {table} {hook} {{ type filter hook {hook} priority filter; policy accept; }}",
            f'add rule {table} {hook} iifname != "{device}" accept',
            f"add rule {table} {hook} ct state established,related accept",
            f"add rule {table} {hook} icmpv6 type {{ {_ICMPV6_IN} }} accept",
            f"add rule {table} {hook} counter drop",
        ]
    return lines
