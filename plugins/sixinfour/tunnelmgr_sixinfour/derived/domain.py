"""What 6to4 and 6rd have in common: inner prefixes that contain the outer address, so that no far end need be configured."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import NamedTuple, Protocol

from pydantic import Field

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.effects import Effect, EffectResult
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.settings import BYTES
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.diagnosis import Diagnosis
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


class Domain(Protocol):
    """Arithmetic and rules of one such technique, for one of its roles."""

    prefix: IPv6Network
    """All sites are in it."""
    gateway: IPv4Address | None
    """The relay or border relay that leads to the rest of the IPv6 internet; None where there is none."""
    gateway_echo: float | None
    """Seconds between packets to ourselves that the gateway sends back; None where it would not."""
    is_gateway: bool
    """Whether this host is the way from the domain to the rest of the internet."""
    dont_fragment: bool
    """Whether outer packets have DF."""

    def site(self, local: IPv4Address) -> DerivedSite | None:
        """Return what is ours at an IPv4 address; None where it makes nothing."""

    def site_of(self, address: IPv6Address) -> tuple[IPv6Network, IPv4Address] | None:
        """Return the prefix and the IPv4 address of the site an inner address belongs to; None outside the domain.

        Raises Refused for a site that cannot be.
        """

    def check_inward(self, packet: IPv6Packet, source: IPv4Address, ours: DerivedSite) -> None:
        """Raise Refused unless what came from the outer `source` may be: its addresses belong together."""

    def check_outward(self, source: IPv6Address, ours: DerivedSite) -> None:
        """Raise Refused unless this host may send such a source into the domain."""


class DomainSource(Protocol):
    """Finds out which domain this host is in. Sans I/O, as a Tunnel is, which it is a part of."""

    domain: Domain | None
    """None while it is not known."""
    trouble: Diagnosis | None
    """Why it is not known."""

    def next_timeout(self) -> float | None:
        """The instant to be woken at."""

    def want(self, local: IPv4Address | None, now: float) -> None:
        """Be told of the address this host has, which may be another one."""

    def ask(self, now: float) -> None:
        """Ask anew."""

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> bool:
        """Take the answer to an effect; return whether there is news."""

    def receive(self, datagram: Datagram, now: float) -> bool | None:
        """Take what arrived; return whether there is news, None for what is not for it."""

    def handle_timeout(self, now: float) -> bool:
        """Do what is due; return whether there is news."""

    def close(self) -> None:
        """Ask no more."""


def check_site_source(source: IPv6Address, ours: DerivedSite) -> None:
    """Raise Refused for a source that a site does not have: what `check_outward` is for every site."""
    if source not in ours.prefix:
        raise Refused(Drop.SOURCE)
