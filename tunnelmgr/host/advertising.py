"""What the hosts of a LAN are told by router advertisements (RFC 4861, RFC 4862), as a configuration for radvd. Pure.

A prefix that must not be used any more is not left out but said to be so, with a preferred lifetime of 0: a host that
hears nothing goes on using it for as long as it was once told.
"""

from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from tunnelmgr.host.constants import (
    ADVERTISEMENT_INTERVAL_MAX,
    ADVERTISEMENT_INTERVAL_MIN,
    PREFERRED_LIFETIME,
    ROUTER_LIFETIME,
    VALID_LIFETIME,
)


@dataclass(frozen=True, slots=True)
class AdvertisedPrefix:
    """A prefix the hosts of a link shall use, or shall use for nothing new."""

    prefix: IPv6Network
    """A /64."""
    in_use: bool = True
    ends_at: float | None = None
    """The instant after which nobody may have an address of it; None when nothing limits it."""


@dataclass(frozen=True, slots=True)
class AdvertisedLink:
    """What is said on one interface."""

    interface: str
    mtu: int | None = None
    """Bytes, 1280 and more, not above what the interface carries; None says nothing of it."""
    prefixes: tuple[AdvertisedPrefix, ...] = ()
    resolvers: tuple[IPv6Address, ...] = ()

    @property
    def is_way_out(self) -> bool:
        """Whether this host is a router for the link: with one prefix in use at least."""
        return any(prefix.in_use for prefix in self.prefixes)


def radvd_config(device: str, links: tuple[AdvertisedLink, ...], now: float) -> str:
    """Return the text of radvd.conf(5) for the LAN of a tunnel, to be read at the instant `now`."""
    head = [f"# Written by tunnelmgr for {device}, and written anew when something changes."]
    return "".join(f"{line}\n" for line in [*head, *(line for link in links for line in _interface(link, now))])


def _interface(link: AdvertisedLink, now: float) -> list[str]:
    lifetime = ROUTER_LIFETIME if link.is_way_out else 0
    return [
        f"interface {link.interface} {{",
        "    AdvSendAdvert on;",
        "    IgnoreIfMissing on;",
        f"    MinRtrAdvInterval {ADVERTISEMENT_INTERVAL_MIN};",
        f"    MaxRtrAdvInterval {ADVERTISEMENT_INTERVAL_MAX};",
        f"    AdvDefaultLifetime {lifetime};",
        *([f"    AdvLinkMTU {link.mtu};"] if link.mtu else []),
        *(line for prefix in link.prefixes for line in _prefix(prefix, now)),
        *_resolvers(link.resolvers, lifetime),
        "};",
    ]


def _prefix(said: AdvertisedPrefix, now: float) -> list[str]:
    left = VALID_LIFETIME if said.ends_at is None else max(1, round(said.ends_at - now))
    return [
        f"    prefix {said.prefix} {{",
        f"        AdvPreferredLifetime {min(PREFERRED_LIFETIME, left) if said.in_use else 0};",
        f"        AdvValidLifetime {min(VALID_LIFETIME, left)};",
        *(["        DecrementLifetimes on;"] if left < VALID_LIFETIME else []),
        # The last word of a radvd that ends: not to be used for anything new.
        "        DeprecatePrefix on;",
        "    };",
    ]


def _resolvers(resolvers: tuple[IPv6Address, ...], lifetime: int) -> list[str]:
    if not resolvers:
        return []
    return [
        f"    RDNSS {' '.join(map(str, resolvers))} {{",
        f"        AdvRDNSSLifetime {lifetime};",
        "    };",
    ]
