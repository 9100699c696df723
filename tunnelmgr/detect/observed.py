"""All that was asked and answered about a network, for those who conclude from it."""

from collections.abc import Mapping
from dataclasses import dataclass

from tunnelmgr.api.network import Network
from tunnelmgr.detect.behaviour import Sighting
from tunnelmgr.detect.far_ends import FarEnds
from tunnelmgr.detect.hops import Hops
from tunnelmgr.detect.inquiries import Inquiry
from tunnelmgr.detect.lifetime import Lifetime
from tunnelmgr.detect.nat_probe import NatProbe
from tunnelmgr.detect.path_mtu import PathMtuProbe
from tunnelmgr.detect.router_probe import RouterProbe
from tunnelmgr.detect.strangers import Strangers


@dataclass(frozen=True, slots=True)
class Observed:
    """The probes, done or not."""

    began_at: float
    network: Network
    nat: NatProbe
    far_ends: FarEnds
    strangers: Strangers
    hops: Hops
    router: RouterProbe
    path_mtu: PathMtuProbe
    lifetime: Lifetime
    ports: Mapping[str, int]
    """Those our sockets have, by channel."""

    def sightings(self) -> list[Sighting]:
        """Return who saw the socket everybody is asked on where."""
        return [*self.nat.sightings(), *self.far_ends.sightings()]

    def at(self, inquiry: Inquiry) -> float:
        """Return when it was settled, or begun where it is not, in seconds since detection began."""
        settled_at = inquiry.begun_at if inquiry.settled_at is None else inquiry.settled_at
        return settled_at - self.began_at
