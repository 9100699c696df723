"""Whom to ask about a network: what a profile names, and what its methods say of their far ends."""

from dataclasses import dataclass
from ipaddress import IPv6Address
from random import Random

from tunnelmgr.api.names import ServerName
from tunnelmgr.api.reach import ReachProbe
from tunnelmgr.core.profiles.profile import Profile


@dataclass(frozen=True, slots=True)
class Plan:
    """All the servers and far ends that are asked."""

    stun: tuple[ServerName, ...] = ()
    probes: tuple[tuple[str, ReachProbe], ...] = ()
    """Type of the method, and how to reach one of its far ends."""
    ipv6: tuple[IPv6Address, ...] = ()
    """Hosts whose answer proves that native IPv6 leads somewhere."""
    lifetime: float | None = None
    """Find out for how many seconds a NAT keeps an idle mapping, up to this many; None does not, since it takes as long."""

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody to be looked up, each once; addresses among them."""
        targets = [server.host for server in self.stun] + [probe.target for _, probe in self.probes]
        return tuple(dict.fromkeys(targets))


def plan_for(profile: Profile, random: Random, lifetime: float | None = None) -> Plan:
    """Return the servers and far ends that a profile names."""
    return Plan(
        stun=profile.detect.servers,
        probes=tuple((method.type, probe) for method in profile.methods for probe in method.transport.probes(random)),
        ipv6=profile.detect.ipv6 or profile.network.probe,
        lifetime=lifetime,
    )
