"""The things we put on this machine, one class for each, with their text in the words of `ip`, `sysctl` and `nft`."""

from typing import Final, get_args

from tunnelmgr.host.items.links import KernelTunnel, LinkUp, Mtu, Sysctl
from tunnelmgr.host.items.routing import Address, NeighbourProxy, Route, Rule, Unreachable
from tunnelmgr.host.items.services import Advertisement, Resolvers
from tunnelmgr.host.items.tables import Purpose, Table
from tunnelmgr.host.items.thing import Fate

Item = (
    Table
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
ORDER: Final[tuple[type[Item], ...]] = get_args(Item)
"""What is needed first comes first; it goes last."""

__all__ = [
    "ORDER",
    "Address",
    "Advertisement",
    "Fate",
    "Item",
    "KernelTunnel",
    "LinkUp",
    "Mtu",
    "NeighbourProxy",
    "Purpose",
    "Resolvers",
    "Route",
    "Rule",
    "Sysctl",
    "Table",
    "Unreachable",
]
