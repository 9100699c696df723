"""What kind of IPv4 address an address is, and what this host itself knows of its own. Pure."""

from ipaddress import IPv4Address, IPv4Network

from tunnelmgr.api.network import Network
from tunnelmgr.core.choosing.choice import is_public
from tunnelmgr.detect.findings import Ipv4Findings, Scope

_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_SHARED = IPv4Network("100.64.0.0/10")
_LINK_LOCAL = IPv4Network("169.254.0.0/16")
BEHIND_A_NAT = frozenset({Scope.PRIVATE, Scope.SHARED})
"""Where a router has such an address on its way to the internet, another one translates."""


def scope_of(address: IPv4Address) -> Scope:
    """Return what kind of address this is."""
    if is_public(address):
        return Scope.PUBLIC
    if any(address in prefix for prefix in _PRIVATE):
        return Scope.PRIVATE
    if address in _SHARED:
        return Scope.SHARED
    return Scope.LINK_LOCAL if address in _LINK_LOCAL else Scope.OTHER


def ipv4_findings(network: Network) -> Ipv4Findings:
    """Return what this host itself knows."""
    route = network.default_route
    return Ipv4Findings(
        address=network.source,
        scope=scope_of(network.source) if network.source is not None else None,
        interface=route.interface if route else None,
        gateway=route.gateway if route else None,
    )
