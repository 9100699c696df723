"""What is known of the network this host is on: handed to a Tunnel at its start and whenever it changes."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from typing import NamedTuple

from tunnelmgr.api.addresses import is_never_a_host


class Endpoint(NamedTuple):
    """An outer address and port. The port is 0 on channels that have none (protocol 41)."""

    address: IPv4Address
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """An IPv4 address of this host, with the prefix of the link it is on."""

    interface: str
    address: IPv4Interface


@dataclass(frozen=True, slots=True)
class DefaultRoute:
    """Where IPv4 traffic to the internet leaves this host."""

    interface: str
    gateway: IPv4Address | None
    """None on point-to-point links."""


@dataclass(frozen=True, slots=True)
class Network:
    """A snapshot of the outer network. Our own tunnel devices are left out of it."""

    addresses: tuple[LocalAddress, ...] = ()
    default_route: DefaultRoute | None = None
    source: IPv4Address | None = None
    """The address this host uses towards the internet; None while there is no default route."""
    native_ipv6: bool | None = None
    """Whether this host would reach the IPv6 internet without us; None where that is not known."""
    resumed: bool = False
    """Set once after the host slept: mappings of NATs on the way may have gone."""
    native_source: IPv6Address | None = None
    """The address this host uses towards the IPv6 internet without us; None where there is none, or it is not known."""
    native_interface: str | None = None
    """The interface that has `native_source`."""
    kernel_has_ipv6: bool = True
    """False where the kernel was started without IPv6: no tunnel can work there."""

    @property
    def broadcasts(self) -> frozenset[IPv4Address]:
        """The directed broadcast addresses of the links this host is on."""
        links = (local.address.network for local in self.addresses)
        return frozenset(link.broadcast_address for link in links if link.prefixlen < 31)

    def is_elsewhere(self, address: IPv4Address) -> bool:
        """True if a host other than this one could have an address."""
        ours = {local.address.ip for local in self.addresses}
        return not is_never_a_host(address) and address not in ours | self.broadcasts
