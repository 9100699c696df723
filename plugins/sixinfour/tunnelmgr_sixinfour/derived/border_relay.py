"""A 6rd border relay (RFC 5969 section 7.2): the way from the customers of a provider to the IPv6 internet and back."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface
from typing import Self

from pydantic import Field, model_validator

from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_sixinfour.derived.domain import DerivedSite, Domain
from tunnelmgr_sixinfour.derived.sixrd import SixRdEnvelope, check_domain
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.settings import Ipv4Host


class BorderRelaySettings(SixRdEnvelope):
    """A 6rd border relay (RFC 5969) carries packets between a provider's customers and the IPv6 internet.

    This host must have native IPv6, and the IPv6 internet must route `prefix` to it.
    """

    local: Ipv4Host = Field(description="IPv4 address of this relay, which the customers are told.", examples=["192.0.2.48"])
    prefix: IPv6Interface = Field(
        description="6rd prefix of the provider, with its length: 6rdPrefix and 6rdPrefixLen.",
        examples=["2001:db8:6d00::/40"],
    )
    customers: IPv4Network = Field(
        description="IPv4 addresses of the customers. The bits they all share are IPv4MaskLen. "
        "`local` need not be one of them.",
        examples=["203.0.113.0/24"],
    )
    anycast: bool = Field(
        default=False,
        description="Set it where other relays have the same address `local`. Then no packet is fragmented, "
        "since fragments of several relays could be put together to one packet (RFC 5969 section 9.1).",
    )

    @model_validator(mode="after")
    def _check_domain(self) -> Self:
        check_domain(self.prefix.network, self.customers.prefixlen)
        return self


class BorderRelay(Domain):
    """The domain of one provider, as its border relay sees it."""

    is_gateway = True

    def __init__(self, settings: BorderRelaySettings) -> None:
        super().__init__(settings.prefix.network, settings.customers.prefixlen, gateway=None)
        self._customers = settings.customers
        # Fragments of several relays with one address may be put together to one packet: RFC 5969 section 9.1.
        self.dont_fragment = settings.anycast

    def site(self, local: IPv4Address) -> DerivedSite | None:
        """Return our site. A relay that is not among its customers takes the site of their network address."""
        return super().site(local if local in self._customers else self._customers.network_address)

    def check_inward(self, packet: IPv6Packet, source: IPv4Address, ours: DerivedSite) -> None:
        """RFC 5969 section 9.2: the inner source contains the outer address of the customer that sends."""
        site = self.site_of(packet.source)
        if site is None or source != site[1] or packet.source in ours.prefix:
            raise Refused(Drop.EMBEDDED)
        destination = packet.destination
        if destination.is_multicast or destination.is_link_local:
            raise Refused(Drop.DESTINATION)
        if destination in ours.prefix and destination != ours.address:  # the null route of RFC 5969 section 12
            raise Refused(Drop.DESTINATION)

    def check_outward(self, source: IPv6Address, ours: DerivedSite) -> None:
        """Hosts beyond the relay have no address of the domain: an answer to one would go round in a circle."""
        if source in self.prefix and source != ours.address:
            raise Refused(Drop.SOURCE)
