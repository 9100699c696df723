"""All that was asked and answered about a network, for those who conclude from it."""

from random import Random

from tunnelmgr.api.addresses import is_public
from tunnelmgr.api.network import Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.detect import nat_probe
from tunnelmgr.detect.behaviour import Sighting
from tunnelmgr.detect.far_ends import FarEnds
from tunnelmgr.detect.hops import Hops
from tunnelmgr.detect.inquiries import Inquiries, Inquiry
from tunnelmgr.detect.lifetime import Lifetime
from tunnelmgr.detect.native_ipv6 import NativeIpv6
from tunnelmgr.detect.path_mtu import PathMtuProbe
from tunnelmgr.detect.plan import Plan
from tunnelmgr.detect.router_probe import RouterProbe
from tunnelmgr.detect.strangers import Strangers


class Observed:
    """The probes, done or not, and what this host itself knows."""

    def __init__(self, plan: Plan, random: Random, outbox: Outbox) -> None:
        self.began_at = 0.0
        self.network = Network()
        self.ports: dict[str, int] = {}
        """Those our sockets have, by channel."""
        self.inquiries = Inquiries(outbox, random)
        ordinary = tuple((method, probe) for method, probe in plan.probes if not probe.stranger)
        strangers = (probe for _, probe in plan.probes if probe.stranger)
        self.nat = nat_probe.NatProbe(self.inquiries, outbox)
        self.far_ends = FarEnds(ordinary, self.inquiries, nat_probe.MAPPING, outbox)
        self.strangers = Strangers(strangers, self.inquiries, outbox)
        self.hops = Hops(outbox)
        self.router = RouterProbe(self.inquiries)
        self.path_mtu = PathMtuProbe(self.inquiries)
        self.lifetime = Lifetime(plan.lifetime, self.inquiries)
        self.ipv6 = NativeIpv6(plan.ipv6, outbox)

    @property
    def done(self) -> bool:
        first = self.nat.done and self.far_ends.done and self.strangers.done and self.hops.done
        return first and self.router.done and self.path_mtu.done and self.lifetime.done and self.ipv6.done

    @property
    def behind_nat(self) -> bool:
        """Whether our own address shows that somebody translates."""
        return self.network.source is not None and not is_public(self.network.source)

    def sightings(self) -> list[Sighting]:
        """Return who saw the socket everybody is asked on where."""
        return [*self.nat.sightings(), *self.far_ends.sightings()]

    def at(self, inquiry: Inquiry) -> float:
        """Return when it was settled, or begun where it is not, in seconds since detection began."""
        settled_at = inquiry.begun_at if inquiry.settled_at is None else inquiry.settled_at
        return settled_at - self.began_at
