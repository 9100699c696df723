"""What one profile's tunnel device shall look like. `plan` compares it with what is there."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from typing import NamedTuple

from tunnelmgr.api.events import PathUp
from tunnelmgr.api.hostconfig import IPV6_MINIMUM_MTU, ProxiedNeighbour
from tunnelmgr.host.items import Advertisement
from tunnelmgr.host.resolvers import Resolver


class Inbound(Enum):
    """Who may begin a conversation with this host through the tunnel."""

    ESTABLISHED = "established"
    """Strangers may not: only answers, ICMPv6 errors and echo requests pass."""
    OPEN = "open"
    """Everybody: no firewall of ours."""


class Forwarding(Enum):
    """Whether this host passes packets on between the tunnel and its other interfaces."""

    OFF = "off"
    """The kernel's switch stays as it is. Only answers from the tunnel are passed on."""
    ANSWERS = "answers"
    """A router of a LAN: what the LAN sends leaves, answers come back, nobody outside begins."""
    OPEN = "open"
    """A relay or server: everything, both ways, whatever `Inbound` says of this host itself."""


class Destination(NamedTuple):
    """A route into the tunnel, in the main table."""

    prefix: IPv6Network
    metric: int
    """1..2^32-1; the lower one wins. Routers' advertisements make 1024."""


class LanLink(NamedTuple):
    """An interface whose hosts share the tunnel."""

    interface: str
    address: IPv6Interface
    """Of this host on it; the prefix length makes the on-link route."""
    mtu: int
    """What a packet may have there, in bytes: as in the tunnel, or less."""


@dataclass(frozen=True, slots=True)
class KernelPath:
    """What the device shall carry by itself, as a kernel tunnel between two IPv4 addresses."""

    local: IPv4Address
    remote: IPv4Address
    ttl: int
    tos: int
    """The DSCP of the outer header, as in the TOS octet."""
    copies_ecn: bool
    dont_fragment: bool
    paths: tuple[PathUp, ...]
    """What may come out of it."""


@dataclass(frozen=True, slots=True)
class Desired:
    """One tunnel device as it shall be, and the LAN behind it."""

    device: str
    mtu: int = IPV6_MINIMUM_MTU
    """Bytes, 1280..65535."""
    addresses: tuple[IPv6Interface, ...] = ()
    """The prefix length makes the on-link route."""
    destinations: tuple[Destination, ...] = ()
    """What is routed into the tunnel; the default route is `::/0`."""
    sources: tuple[IPv6Network, ...] = ()
    """Own addresses and delegated prefixes. Their packets leave through the tunnel even where the default route of this
    host leads elsewhere: native routers drop a source that is not theirs. More specific routes of the main table, such as
    those of the LAN, still win."""
    passes: bool = True
    """Whether packets get through. While they do not, programs that send from `sources` get "unreachable" at once. Only
    sockets bound to the device still reach it: the probes that find out when packets flow again."""
    inbound: Inbound = Inbound.ESTABLISHED
    forwarding: Forwarding = Forwarding.OFF
    proxied: tuple[ProxiedNeighbour, ...] = ()
    """Addresses routed into the tunnel that this host answers for on other links."""
    resolvers: tuple[Resolver, ...] = ()
    """The servers this host shall ask for names."""
    translate: tuple[IPv6Network, ...] = ()
    """Packets from these prefixes that leave through another interface get this host's own address (NAPT66)."""

    delegated: tuple[IPv6Network, ...] = ()
    """Prefixes routed to us. Packets to an unused part of one get "unreachable"."""
    lan: tuple[LanLink, ...] = ()
    hidden: tuple[IPv6Network, ...] = ()
    """Prefixes of the LAN whose packets leave with this host's own address (NAPT66)."""
    advertisement: Advertisement | None = None
    """What the LAN is told."""

    kernel: KernelPath | None = None
    """None: the device is a TUN, opened before."""
    raw41: tuple[IPv4Address, ...] = ()
    """Addresses of this host whose protocol 41 a raw socket takes: the kernel shall not answer it with errors."""

    @property
    def needs_nft(self) -> bool:
        """Whether it can only be had with nftables."""
        return self.inbound is Inbound.ESTABLISHED or bool(self.translate or self.lan or self.kernel)


class _UnknownAddress(IPv6Interface):
    """Prints as a placeholder: `--dry-run` shows what will be done with an address the far end has yet to assign."""

    def __str__(self) -> str:
        return "<address>"


class _UnknownResolver(IPv6Address):
    def __str__(self) -> str:
        return "<resolver>"


class _UnknownSource(IPv6Network):
    def __str__(self) -> str:
        return "<address>"


class _UnknownPrefix(IPv6Network):
    def __str__(self) -> str:
        return "<prefix>"


# In 100::/64, the discard prefix (RFC 6666): never assigned to anybody.
UNKNOWN_ADDRESS: IPv6Interface = _UnknownAddress("100::1/128")
UNKNOWN_SOURCE: IPv6Network = _UnknownSource("100::1/128")
UNKNOWN_RESOLVER: IPv6Address = _UnknownResolver("100::1")
UNKNOWN_PREFIX: IPv6Network = _UnknownPrefix("100::/48")


def first_address(prefix: IPv6Network, taken: Collection[IPv6Interface] = ()) -> IPv6Interface:
    """Return the first address of a prefix that is not `taken`: that of the router, of a LAN."""
    if isinstance(prefix, _UnknownPrefix):
        return UNKNOWN_ADDRESS
    free = (address for address in prefix.hosts() if all(address != other.ip for other in taken))
    return IPv6Interface((next(free), prefix.prefixlen))
