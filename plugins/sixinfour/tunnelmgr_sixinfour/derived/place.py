"""What a host is in a domain for as long as it has one address: nothing of it holds at another."""

from dataclasses import dataclass
from ipaddress import IPv4Address

from tunnelmgr.api.error_answers import ErrorAnswers
from tunnelmgr.api.packets import IPv6Packet
from tunnelmgr_sixinfour.derived.domain import Domain, Site
from tunnelmgr_sixinfour.derived.relay_watch import RelayWatch
from tunnelmgr_sixinfour.derived.site_paths import SitePaths


@dataclass(slots=True)
class Place:
    """A site of a domain, or its gateway."""

    domain: Domain
    site: Site
    paths: SitePaths
    errors: ErrorAnswers
    """For this host and its LAN."""
    errors_back: ErrorAnswers
    """For other sites, at a gateway."""
    watch: RelayWatch | None = None

    def remote_of(self, packet: IPv6Packet) -> IPv4Address | None:
        """Return where a packet of this side goes, None for nowhere.

        Raises Refused for a source this side does not have, and a destination no host has.
        """
        self.domain.check_outward(packet.source, self.site)
        other = self.domain.site_of(packet.destination)
        return self.domain.gateway if other is None else other[1]
