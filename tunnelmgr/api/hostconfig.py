"""What a Tunnel wishes this host to look like while it is up. The core applies it and takes it back."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from typing import NamedTuple

IPV6_MINIMUM_MTU = 1280  # bytes; RFC 8200 section 5


class ProxiedNeighbour(NamedTuple):
    """An address behind the tunnel that this host answers for on another link, as if it were there."""

    interface: str
    """Of the link."""
    address: IPv6Address


@dataclass(frozen=True, slots=True)
class HostConfig:
    """The wish of one Tunnel. The profile may narrow it (no default route, a smaller MTU), never widen it."""

    addresses: tuple[IPv6Interface, ...] = ()
    """For the tunnel device; the prefix length makes the on-link route."""
    routes: tuple[IPv6Network, ...] = ()
    """Further destinations into the tunnel, whatever the profile says of default routes."""
    default_route: bool = False
    """Whether this tunnel can carry traffic to the whole IPv6 internet."""
    mtu: int = IPV6_MINIMUM_MTU
    """Of the tunnel device, in bytes, 1280..65535."""
    delegated: tuple[IPv6Network, ...] = ()
    """Prefixes routed to this host, to be shared with the LAN."""
    delegated_with: IPv4Address | None = None
    """The IPv4 address of this host that `delegated` is made of: it goes when its lease ends (RFC 5969 section 4)."""
    dns: tuple[IPv4Address | IPv6Address, ...] = ()
    """Resolvers the far end offers; used when the profile asks for them."""
    listening: bool = False
    """True for servers, relays, brokers and routers: nothing to probe, up when they listen."""
    forwarding: bool = False
    """Whether this host must forward between the tunnel and other interfaces (a relay)."""
    proxied: tuple[ProxiedNeighbour, ...] = ()
    """Addresses to be found on the link of an uplink although they are behind the tunnel (neighbour proxy, RFC 4861
    section 7.2.8): for a host to which nothing is routed but the one prefix that is on its own link."""
    translate: tuple[IPv6Network, ...] = ()
    """Whoever sends from these prefixes through another interface appears as this host itself (NAPT66)."""
