"""What a tunnel depends on beside itself: facts of this machine, read and never changed by us."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.network import Network
from tunnelmgr.host.resolvers import ResolverHelper

NO_PROGRAM = "nft is missing"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """This machine at one moment."""

    links: Mapping[str, int]
    """The interfaces there are, each with its MTU in bytes."""
    network: Network
    """The outer network, without our own tunnel devices."""
    leases: Mapping[IPv4Address, float] = field(default_factory=dict)
    """IPv4 addresses that go unless they are renewed, with the seconds they have left."""
    without_nft: str = ""
    """Why nftables cannot be used, in a few words; empty when it can."""
    resolver_helper: ResolverHelper | None = None
    """The program that minds this host's resolvers; None where there is none."""
    without_kernel_tunnels: str = ""
    """Why the kernel cannot carry protocol 41 by itself, in a few words; empty when it probably can."""

    @property
    def uplinks(self) -> set[str | None]:
        """The interfaces that lead to the internet, by IPv4 or by IPv6."""
        route = self.network.default_route
        return {self.network.native_interface, route.interface if route else None}

    def require_ipv6(self) -> None:
        """Raise TunnelError when the kernel has none."""
        if not self.network.kernel_has_ipv6:
            raise TunnelError("this kernel runs without IPv6", hint="start it without ipv6.disable=1")

    def require_nft(self) -> None:
        """Raise TunnelError when nftables cannot be used."""
        if self.without_nft:
            mend = "install the package nftables" if self.without_nft == NO_PROGRAM else "start a kernel that has it"
            raise TunnelError(
                f"{self.without_nft}: without it nothing can keep strangers out of this host through the tunnel",
                hint=f"{mend}, or write `firewall: {{inbound: open}}` in the profile",
            )
