"""6to4 (RFC 3056): 2002:V4ADDR::/48 for hosts with a public IPv4 address, with the checks of RFC 3964 section 5.

For direct peers, and a relay where one is named. The anycast relay is refused (RFC 7526).
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

from pydantic import Field, field_validator

from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_sixinfour.constants import ANYCAST_RELAY, SIXTOFOUR_PREFIX
from tunnelmgr_sixinfour.derived.domain import DerivedSettings, DerivedSite, check_site_source
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.addresses import embedded, is_global_unicast
from tunnelmgr_sixinfour.protocol41.settings import Ipv4Host


class SixToFourSettings(DerivedSettings):
    """A 6to4 site (RFC 3056) makes an IPv6 prefix of this host's public IPv4 address.

    It reaches other 6to4 sites, and with a relay that you name the rest of the IPv6 internet.
    """

    relay: Ipv4Host | None = Field(
        default=None,
        description="IPv4 address of a relay to the IPv6 internet. Left out, only 6to4 sites are reached. "
        "The anycast relay is refused (RFC 7526).",
        examples=["198.51.100.1"],
    )
    subnet: int = Field(default=0, ge=0, le=0xFFFF, description="Subnet of this host's own address in the prefix.")

    @field_validator("relay")
    @classmethod
    def _refuse_anycast(cls, relay: IPv4Address | None) -> IPv4Address | None:
        if relay is not None and relay in ANYCAST_RELAY:
            raise ValueError(f"{relay} is the anycast relay, which is deprecated (RFC 7526); name a relay you know")
        return relay


def sixtofour_prefix(local: IPv4Address) -> IPv6Network:
    """Return the prefix of a site (RFC 3056 section 2)."""
    return IPv6Network((int(SIXTOFOUR_PREFIX.network_address) | int(local) << 80, 48))


class SixToFour:
    """The domain of all 6to4 sites."""

    prefix = SIXTOFOUR_PREFIX
    gateway_echo: float | None = None  # relays drop what goes from one site to another (RFC 3964 section 5.2)
    is_gateway = False
    dont_fragment = False

    def __init__(self, settings: SixToFourSettings) -> None:
        self.gateway = settings.relay
        self._subnet = settings.subnet

    def site(self, local: IPv4Address) -> DerivedSite | None:
        """Return what is ours; private addresses make no prefix."""
        if not is_global_unicast(local):
            return None
        prefix = sixtofour_prefix(local)
        return DerivedSite(prefix, prefix.network_address + (self._subnet << 64 | 1))

    def site_of(self, address: IPv6Address) -> tuple[IPv6Network, IPv4Address] | None:
        """Return the prefix and the IPv4 address in it. Raises Refused where no host can have that."""
        inside = embedded(address)
        if inside is None:
            return None
        if not is_global_unicast(inside):
            raise Refused(Drop.EMBEDDED)
        return sixtofour_prefix(inside), inside

    def check_inward(self, packet: IPv6Packet, source: IPv4Address, ours: DerivedSite) -> None:
        """The decapsulator's rules of RFC 3964 section 5.2.2: native sources come from the relay alone."""
        if not is_global_unicast(source):
            raise Refused(Drop.OUTER_SOURCE)
        if packet.destination not in ours.prefix:
            raise Refused(Drop.DESTINATION)
        site = self.site_of(packet.source)
        if source != (self.gateway if site is None else site[1]) or packet.source in ours.prefix:
            raise Refused(Drop.EMBEDDED)

    def check_outward(self, source: IPv6Address, ours: DerivedSite) -> None:
        """The encapsulator's rule: sources are of our own prefix."""
        check_site_source(source, ours)
