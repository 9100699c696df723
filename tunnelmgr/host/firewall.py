"""What is in the nft tables of one tunnel, whoever carries its packets: the inbound firewall, in place before the device has
its first address, the translation of a far end to which nobody routes its clients' prefix, and what a LAN behind us needs.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Network

# RFC 4890 section 4.3.1 and 4.4.1: errors must pass; echo requests should.
_ICMPV6_IN = "destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request"
_POSTROUTING = "chain postrouting { type nat hook postrouting priority srcnat; policy accept; }"


def inbound_rules(device: str, hooks: Iterable[str]) -> list[str]:
    """Return the rules that keep strangers out: at "input" of this host itself, at "forward" of what it would pass on."""
    rules = []
    for hook in hooks:
        rules += [
            f"chain {hook} {{ type filter hook {hook} priority filter; policy accept; }}",
            f'rule {hook} iifname != "{device}" accept',
            f"rule {hook} ct state established,related accept",
            f"rule {hook} icmpv6 type {{ {_ICMPV6_IN} }} accept",
            f"rule {hook} counter drop",
        ]
    return rules


def exit_rules(device: str, prefixes: Iterable[IPv6Network]) -> list[str]:
    """Return the rules by which packets from these prefixes leave with this host's own address."""
    return [_POSTROUTING, *_masquerading(prefixes, f'oifname != "{device}"')]


def lan_rules(device: str, segment_size: int, hidden: Iterable[IPv6Network]) -> list[str]:
    """Return the rules for what a LAN sends through the device.

    TCP's segments shall fit through the tunnel whichever side begins and whether or not the LAN listens to our MTU: they
    get `segment_size` bytes at most. Packets from a hidden prefix leave with the address of the device.
    """
    rules = ["chain forward { type filter hook forward priority mangle; policy accept; }"]
    for side in ("iifname", "oifname"):
        # The kernel only ever makes it smaller.
        clamp = f"tcp flags & (syn | rst) == syn tcp option maxseg size set {segment_size}"
        rules.append(f'rule forward {side} "{device}" {clamp}')
    masquerading = list(_masquerading(hidden, f'oifname "{device}"'))
    return [*rules, _POSTROUTING, *masquerading] if masquerading else rules


def _masquerading(prefixes: Iterable[IPv6Network], way: str) -> Iterator[str]:
    return (f"rule postrouting ip6 saddr {prefix} {way} masquerade" for prefix in prefixes)
