"""What 6to4 and 6rd have in common: inner prefixes that contain the outer address, so that no far end need be configured."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import NamedTuple, Protocol

from tunnelmgr.api.packets import IPv6Packet


class Site(NamedTuple):
    """What an IPv4 address makes of its holder."""

    prefix: IPv6Network
    address: IPv6Address
    """The one this host takes of it."""


class Domain(Protocol):
    """Arithmetic and rules of one such technique."""

    prefix: IPv6Network
    """All sites are in it."""
    gateway: IPv4Address | None
    """The relay or border relay that leads to the rest of the IPv6 internet; None where there is none."""

    def site(self, local: IPv4Address) -> Site | None:
        """Return what is ours at an IPv4 address; None where it makes nothing."""

    def site_of(self, address: IPv6Address) -> tuple[IPv6Network, IPv4Address] | None:
        """Return the prefix and the IPv4 address of the site an inner address belongs to; None outside the domain.

        Raises Refused for a site that cannot be.
        """

    def check_inward(self, packet: IPv6Packet, source: IPv4Address, ours: Site) -> None:
        """Raise Refused unless what came from the outer `source` may be: its addresses belong together."""
