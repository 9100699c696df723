"""What a Tunnel wishes this host to look like while it is up. The core applies it and takes it back."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from typing import NamedTuple

IPV6_MINIMUM_MTU = 1280  # bytes; RFC 8200 section 5
LAN_PREFIX_LENGTH = 64  # what SLAAC wants: RFC 4862 section 5.5.3 d with the interface identifiers of RFC 4291


class ProxiedNeighbour(NamedTuple):
    """An address behind the tunnel that this host answers neighbour solicitations for on another link (RFC 4861 7.2.8)."""

    interface: str
    """The interface to that link."""
    address: IPv6Address


@dataclass(frozen=True, slots=True)
class HostConfig:
    """The wish of one Tunnel. The profile may narrow it (no default route, a smaller MTU), never widen it."""

    addresses: tuple[IPv6Interface, ...] = ()
    """For the tunnel device; the prefix length makes the on-link route."""
    routes: tuple[IPv6Network, ...] = ()
    """Further destinations into the tunnel, whatever the profile says of default routes."""
    default_route: bool = False
    """True if this tunnel can carry traffic to the whole IPv6 internet."""
    mtu: int = IPV6_MINIMUM_MTU
    """Of the tunnel device, in bytes, 1280..65535."""
    delegated: tuple[IPv6Network, ...] = ()
    """Prefixes routed to this host, to be shared with the LAN."""
    delegated_with: IPv4Address | None = None
    """The IPv4 address of this host that `delegated` is made of; they go when its lease ends (RFC 5969 section 4)."""
    dns: tuple[IPv4Address | IPv6Address, ...] = ()
    """Resolvers the far end offers; used when the profile asks for them."""
    listening: bool = False
    """True for servers, relays, brokers and routers: nothing to probe, up when they listen."""
    forwarding: bool = False
    """True if this host must forward between the tunnel and other interfaces, as a relay does."""
    proxied: tuple[ProxiedNeighbour, ...] = ()
    """Addresses behind the tunnel that look like neighbours to the router of an uplink. A host needs this when its provider
    routes nothing to it, and only gives it addresses of the link."""
    far_end: str = ""
    """Who told it, as messages name it: "broker tsp.example.net". The core looks closer at what others want of this host.
    Empty where all of it is the profile's own, or follows from the protocol."""
    translate: tuple[IPv6Network, ...] = ()
    """Packets from these prefixes that leave by another interface get this host's own address as their source (NAPT66)."""
