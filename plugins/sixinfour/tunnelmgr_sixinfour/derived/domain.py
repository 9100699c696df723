"""What 6to4 and 6rd have in common: inner prefixes that contain the outer address, so that no far end need be configured."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

from pydantic import Field

from tunnelmgr.api.addresses import NEVER_A_HOST, is_within
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.settings import BYTES
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.settings import EnvelopeSettings, Mtu


class DerivedSettings(EnvelopeSettings):
    """What 6to4 and 6rd let choose in common."""

    mtu: Mtu = Field(
        default="auto",
        description="MTU of the tunnel. `auto` is 1280, since every peer has a path of its own.",
        json_schema_extra=BYTES,
    )


class DerivedSite(NamedTuple):
    """What an IPv4 address makes of its holder."""

    prefix: IPv6Network
    address: IPv6Address
    """The one this host takes of it."""


class Domain:
    """Arithmetic and rules of sites with the same beginning: those of 6rd (RFC 5969), as a customer sees them."""

    is_gateway = False
    """Whether this host is the way from the domain to the rest of the internet."""
    dont_fragment = False
    """Whether outer packets have DF."""
    told_by = ""
    """Who told it; empty where the profile or the protocol does."""
    never: tuple[IPv4Network, ...] = NEVER_A_HOST
    """Outer addresses that no site has."""

    def __init__(
        self, prefix: IPv6Network, mask_length: int, gateway: IPv4Address | None, gateway_echo: float | None = None
    ) -> None:
        self.prefix = prefix
        """All sites are in it."""
        self.gateway = gateway
        """The relay or border relay that leads to the rest of the IPv6 internet; None where there is none."""
        self.gateway_echo = gateway_echo
        """Seconds between packets to ourselves that the gateway sends back; None where it would not."""
        self._bits = 32 - mask_length
        """Of the IPv4 address in each prefix."""
        self._shared = 0
        """The bits all sites have in common, once one of them is known: ours."""

    def prefix_of(self, holder: IPv4Address) -> IPv6Network:
        """Return the prefix of a site (RFC 3056 section 2, RFC 5969 section 4)."""
        length = self.prefix.prefixlen + self._bits
        own = int(holder) & ((1 << self._bits) - 1)
        return IPv6Network((int(self.prefix.network_address) | own << (128 - length), length))

    def site(self, local: IPv4Address) -> DerivedSite | None:
        """Return what is ours at an IPv4 address; None where it makes nothing."""
        self._shared = int(local) >> self._bits << self._bits
        prefix = self.prefix_of(local)
        return DerivedSite(prefix, prefix.network_address + 1)

    def site_of(self, address: IPv6Address) -> tuple[IPv6Network, IPv4Address] | None:
        """Return the prefix and the IPv4 address of the site an inner address belongs to; None outside the domain.

        Raises Refused for a site that cannot be.
        """
        if address not in self.prefix:
            return None
        own = int(address) >> (128 - self.prefix.prefixlen - self._bits) & ((1 << self._bits) - 1)
        holder = IPv4Address(self._shared | own)
        if is_within(holder, self.never):
            raise Refused(Drop.EMBEDDED)
        return self.prefix_of(holder), holder

    def check_inward(self, packet: IPv6Packet, source: IPv4Address, ours: DerivedSite) -> None:
        """Raise Refused unless what came from the outer `source` may be: its addresses belong together.

        Another site has the address in its source, all else comes from the gateway (RFC 5969 section 9.2).
        """
        if packet.destination not in ours.prefix:
            raise Refused(Drop.DESTINATION)
        site = self.site_of(packet.source)
        if source != (self.gateway if site is None else site[1]) or packet.source in ours.prefix:
            raise Refused(Drop.EMBEDDED)

    def check_outward(self, source: IPv6Address, ours: DerivedSite) -> None:
        """Raise Refused unless this host may send such a source into the domain: a site has those of its prefix."""
        if source not in ours.prefix:
            raise Refused(Drop.SOURCE)
