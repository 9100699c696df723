"""6to4 (RFC 3056): 2002:V4ADDR::/48 for hosts with a public IPv4 address, with the checks of RFC 3964 section 5.

For direct peers, and a relay where one is named. The anycast relay is refused (RFC 7526).
"""

from ipaddress import IPv4Address

from pydantic import Field, field_validator

from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_sixinfour.constants import ANYCAST_RELAY, NOT_UNICAST, SIXTOFOUR_PREFIX
from tunnelmgr_sixinfour.derived.domain import DerivedSettings, DerivedSite, Domain
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.addresses import is_global_unicast
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


class SixToFour(Domain):
    """The domain of all 6to4 sites, with the whole IPv4 address in each prefix.

    Nothing is asked of relays: they drop what goes from one site to another (RFC 3964 section 5.2).
    """

    never = NOT_UNICAST

    def __init__(self, settings: SixToFourSettings) -> None:
        super().__init__(SIXTOFOUR_PREFIX, 0, settings.relay)
        self._subnet = settings.subnet

    def site(self, local: IPv4Address) -> DerivedSite | None:
        """Return what is ours; private addresses make no prefix."""
        if not is_global_unicast(local):
            return None
        prefix = self.prefix_of(local)
        return DerivedSite(prefix, prefix.network_address + (self._subnet << 64 | 1))

    def check_inward(self, packet: IPv6Packet, source: IPv4Address, ours: DerivedSite) -> None:
        """The decapsulator's rules of RFC 3964 section 5.2.2: native sources come from the relay alone."""
        if not is_global_unicast(source):
            raise Refused(Drop.OUTER_SOURCE)
        super().check_inward(packet, source, ours)
