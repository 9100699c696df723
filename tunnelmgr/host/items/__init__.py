"""The things we put on this machine, one class for each, with their text in the words of `ip`, `sysctl` and `nft`.

Two items with the same `key` are two values of one thing: the newer replaces the older.
"""

from tunnelmgr.host.items.fate import Fate
from tunnelmgr.host.items.links import KernelTunnel, LinkUp, Mtu, Sysctl
from tunnelmgr.host.items.routing import Address, NeighbourProxy, Route, Rule, Unreachable
from tunnelmgr.host.items.services import Advertisement, Resolvers
from tunnelmgr.host.items.tables import Firewall, Guarding, Sharing, Translation

Item = (
    Firewall
    | Translation
    | Sharing
    | Guarding
    | KernelTunnel
    | Sysctl
    | Mtu
    | LinkUp
    | Address
    | Route
    | Unreachable
    | Rule
    | NeighbourProxy
    | Advertisement
    | Resolvers
)

__all__ = [
    "Address",
    "Advertisement",
    "Fate",
    "Firewall",
    "Guarding",
    "Item",
    "KernelTunnel",
    "LinkUp",
    "Mtu",
    "NeighbourProxy",
    "Resolvers",
    "Route",
    "Rule",
    "Sharing",
    "Sysctl",
    "Translation",
    "Unreachable",
]
