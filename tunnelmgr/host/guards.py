"""What is in the nft tables that stand by the data path.

*errors*: once the kernel's tunnel4 is loaded, each packet of protocol 41 that a raw socket takes also draws an ICMP error
to its sender (seen with Linux 6.1).

*outer*: the kernel's `sit` devices copy ECN marks and set DF, whatever they are told; RFC 6040 section 4.1 and RFC 4213
section 3.2.1 may have it otherwise.

*paths*: what may come out of a kernel tunnel. The forwarding table's rules, where no packet meets the forwarding table;
what is dropped is counted by reason.
"""

from collections.abc import Sequence
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Network

from tunnelmgr.api.events import EVERYWHERE, PathUp

_IPV6 = 41  # the protocol number
_QUOTED_PROTOCOL = f"@th,{8 * (8 + 9)},8"  # of the packet an ICMP error is about: header of the error, then that packet's
_QUOTED_DESTINATION = f"@th,{8 * (8 + 16)},32"
_NESTED_TOO_DEEP = " ".join(f"@nh,{8 * (40 * level + 6)},8 {_IPV6}" for level in range(4))  # the next header of each level
_SOURCES_NEVER = "{ ::/8, ff00::/8 }"
_LINK = "fe80::/10"
_OUTPUT = "chain output { type filter hook output priority mangle; policy accept; }"


class Barred(StrEnum):
    """Why something may not come out of a kernel tunnel: named counters, of the names the same has in `status`."""

    DISCOVERY = "dropped-discovery"
    ROUTING_HEADER = "dropped-routing-header"
    NESTED = "dropped-nested"
    SOURCE = "dropped-source"
    INGRESS = "dropped-ingress"
    DESTINATION = "dropped-destination"

    @property
    def words(self) -> str:
        """The end of a rule."""
        return f"counter name {self.value} drop"


def no_errors_about(addresses: Sequence[IPv4Address]) -> list[str]:
    """Return rules that keep errors about protocol 41 sent to these addresses of ours from leaving, and no others."""
    errors = [
        f"rule output ip saddr {address} icmp type destination-unreachable icmp code port-unreachable "
        f"{_QUOTED_PROTOCOL} {_IPV6} {_QUOTED_DESTINATION} {int(address):#010x} counter drop"
        for address in addresses
    ]
    return [_OUTPUT, *errors] if errors else []


def outer_header(local: IPv4Address, remote: IPv4Address, *, clear_ecn: bool, clear_df: bool) -> list[str]:
    """Return rules that clear what a kernel tunnel writes into the outer header unasked."""
    match = f"rule output ip protocol {_IPV6} ip saddr {local} ip daddr {remote}"
    rules = [f"{match} ip ecn set not-ect"] if clear_ecn else []
    rules += [f"{match} ip frag-off set 0"] if clear_df else []
    return [_OUTPUT, *rules] if rules else []


def let_in(device: str, paths: Sequence[PathUp]) -> list[str]:
    """Return rules that let out of a kernel tunnel what its paths authorise, and what belongs to the link itself.

    Neighbour Discovery passes as far as it asks who is there; nobody beyond a tunnel is our router.
    """
    rules = [
        f"iifname != {_quoted(device)} accept",
        f"icmpv6 type {{ nd-router-solicit, nd-router-advert, nd-redirect }} {Barred.DISCOVERY.words}",
        f"rt type 0 {Barred.ROUTING_HEADER.words}",
        f"{_NESTED_TOO_DEEP} {Barred.NESTED.words}",
        f"ip6 saddr {_SOURCES_NEVER} {Barred.SOURCE.words}",
        f"ip6 saddr {_LINK} accept",
    ]
    for path in sorted(paths, key=lambda path: (-path.prefix.prefixlen, path.prefix)):
        source = "" if path.prefix == EVERYWHERE else f"ip6 saddr {path.prefix} "
        if path.ingress:
            rules.append(f"{source}ip6 saddr {_set(path.ingress)} {Barred.INGRESS.words}")
        if path.local_except:
            rules.append(f"{source}ip6 daddr {_set(path.local_except)} {Barred.DESTINATION.words}")
        ours = (path.local, *path.local_also)
        target = "" if EVERYWHERE in ours else f"ip6 daddr {_set((*ours, IPv6Network('ff00::/8')))} "
        # The longest prefix alone decides, as in the forwarding table.
        rules += [f"{source}{target}accept", f"{source}{Barred.DESTINATION.words}"]
    rules += [] if rules[-1] == Barred.DESTINATION.words else [Barred.INGRESS.words]
    return [
        *(f"counter {reason}" for reason in Barred),
        "chain prerouting { type filter hook prerouting priority raw; policy accept; }",
        *(f"rule prerouting {rule}" for rule in rules),
    ]


def _set(prefixes: Sequence[IPv6Network]) -> str:
    # nft refuses a set in which one prefix holds another.
    apart = [prefix for prefix in dict.fromkeys(prefixes) if not any(_within(prefix, other) for other in prefixes)]
    return f"{{ {', '.join(str(prefix) for prefix in sorted(apart))} }}"


def _within(prefix: IPv6Network, other: IPv6Network) -> bool:
    return prefix != other and prefix.subnet_of(other)


def _quoted(device: str) -> str:
    return f'"{device}"'
