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
class AdvertisedLink:
    """What is said on one interface."""

    interface: str
    mtu: int | None = None
    """Bytes, 1280 and more, not above what the interface carries; None says nothing of it."""
    prefixes: tuple[IPv6Network, ...] = ()
    """Each a /64. With one of them at least this host is a way out, without any it is none."""
    deprecated: tuple[IPv6Network, ...] = ()
    """Prefixes whose addresses shall not be used for anything new."""
    resolvers: tuple[IPv6Address, ...] = ()
    valid_for: int | None = None
    """Seconds from now for which `prefixes` may be used at most; None when nobody limits it."""


def radvd_config(device: str, links: tuple[AdvertisedLink, ...]) -> str:
    """Return the text of radvd.conf(5) for the LAN of a tunnel."""
    head = [f"# Written by tunnelmgr for {device}, and written anew when something changes."]
    return "".join(f"{line}\n" for line in [*head, *(line for link in links for line in _interface(link))])


def _interface(link: AdvertisedLink) -> list[str]:
    lifetime = ROUTER_LIFETIME if link.prefixes else 0
    return [
        f"interface {link.interface} {{",
        "    AdvSendAdvert on;",
        "    IgnoreIfMissing on;",
        f"    MinRtrAdvInterval {ADVERTISEMENT_INTERVAL_MIN};",
        f"    MaxRtrAdvInterval {ADVERTISEMENT_INTERVAL_MAX};",
        f"    AdvDefaultLifetime {lifetime};",
        *([f"    AdvLinkMTU {link.mtu};"] if link.mtu else []),
        *(line for prefix in link.prefixes for line in _prefix_in_use(prefix, link.valid_for)),
        *(line for prefix in link.deprecated for line in _prefix(prefix, 0, VALID_LIFETIME)),
        *_resolvers(link.resolvers, lifetime),
        "};",
    ]


def _prefix_in_use(prefix: IPv6Network, valid_for: int | None) -> list[str]:
    if valid_for is None or valid_for >= VALID_LIFETIME:
        return _prefix(prefix, PREFERRED_LIFETIME, VALID_LIFETIME)
    return _prefix(prefix, min(PREFERRED_LIFETIME, valid_for), valid_for, "        DecrementLifetimes on;")


def _prefix(prefix: IPv6Network, preferred: int, valid: int, *more: str) -> list[str]:
    return [
        f"    prefix {prefix} {{",
        f"        AdvPreferredLifetime {preferred};",
        f"        AdvValidLifetime {valid};",
        *more,
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
