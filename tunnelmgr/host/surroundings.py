"""What a tunnel depends on beside itself: facts of this machine, read and never changed by us."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.network import Network
from tunnelmgr.host.resolvers import ResolverHelper


@dataclass(frozen=True, slots=True)
class Surroundings:
    """This machine at one moment."""

    links: Mapping[str, int]
    """The interfaces there are, each with its MTU in bytes."""
    network: Network
    """The outer network, without our own tunnel devices."""
    leases: Mapping[IPv4Address, float] = field(default_factory=dict)
    """IPv4 addresses that go unless they are renewed, with the seconds they have left."""
    has_nft: bool = True
    resolver_helper: ResolverHelper | None = None
    """The program that minds this host's resolvers; None where there is none."""
    without_kernel_tunnels: str = ""
    """Why the kernel cannot carry protocol 41 by itself, in a few words; empty when it probably can."""

    @property
    def uplinks(self) -> set[str | None]:
        """The interfaces that lead to the internet, by IPv4 or by IPv6."""
        route = self.network.default_route
        return {self.network.native_interface, route.interface if route else None}

    def require_nft(self) -> None:
        """Raise TunnelError when nft is missing."""
        if not self.has_nft:
            raise TunnelError(
                "nft is missing: without it nothing can keep strangers out of this host through the tunnel",
                hint="install the package nftables, or write `firewall: {inbound: open}` in the profile",
            )
