"""What kind of IPv4 address an address is, and what this host itself knows of its own. Pure."""

from ipaddress import IPv4Address

from tunnelmgr.api.addresses import LINK_LOCAL, PRIVATE, SHARED, is_public, is_within
from tunnelmgr.api.network import Network
from tunnelmgr.detect.findings import Ipv4Findings, Scope

BEHIND_A_NAT = frozenset({Scope.PRIVATE, Scope.SHARED})
"""Where a router has such an address on its way to the internet, another one translates."""


def scope_of(address: IPv4Address) -> Scope:
    """Return what kind of address this is."""
    if is_public(address):
        return Scope.PUBLIC
    if is_within(address, PRIVATE):
        return Scope.PRIVATE
    if address in SHARED:
        return Scope.SHARED
    return Scope.LINK_LOCAL if address in LINK_LOCAL else Scope.OTHER


def ipv4_findings(network: Network) -> Ipv4Findings:
    """Return what this host itself knows."""
    route = network.default_route
    return Ipv4Findings(
        address=network.source,
        scope=scope_of(network.source) if network.source is not None else None,
        interface=route.interface if route else None,
        gateway=route.gateway if route else None,
    )
