"""What `detect` prints: the findings, and what they mean for the methods of a profile."""

import asyncio
from dataclasses import dataclass, field
from random import SystemRandom

from tunnelmgr.api.network import Network
from tunnelmgr.core.choosing.choice import Judgement, choose
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.paths import DEFAULT, find_profile, known_profiles
from tunnelmgr.core.profiles.profile import Profile
from tunnelmgr.detect.findings import (
    FarEndFindings,
    Findings,
    Ipv4Findings,
    Ipv6Findings,
    Link,
    NatFindings,
    PathFindings,
    RouterFindings,
)
from tunnelmgr.detect.plan import Plan, plan_for
from tunnelmgr.detect.running import detect


@dataclass(frozen=True, slots=True)
class RankedMethod:
    """One method of the profile, judged by what was found."""

    method: str
    role: str
    described: str
    """What the user chose: "server 192.0.2.1"."""
    suits: bool | None
    """None: not known."""
    reason: str


@dataclass(frozen=True, slots=True)
class Detected:
    """What is known of this network. null is "not known"."""

    profile: str | None
    file: str | None
    links: tuple[Link, ...]
    ipv4: Ipv4Findings
    nat: NatFindings
    udp: bool | None
    """Whether UDP passes."""
    protocol41: bool | None
    """Whether protocol 41 passes to the far ends of the profile and back."""
    ipv6: Ipv6Findings
    far_ends: tuple[FarEndFindings, ...]
    """Those that answered first, the fastest in front."""
    path: PathFindings
    router: RouterFindings
    strays: int
    """Datagrams that came in and answered nothing that was asked."""
    methods: tuple[RankedMethod, ...] = field(default=())
    """In the order `up` tries them; behind these, those that do not suit."""
    took: float = 0.0
    """Seconds."""

    @classmethod
    def of(cls, findings: Findings, profile: Profile | None) -> "Detected":
        """Judge the methods of a profile by what was found."""
        return cls(
            profile=profile.name if profile else None,
            file=str(profile.file) if profile else None,
            links=findings.links,
            ipv4=findings.ipv4,
            nat=findings.nat,
            udp=findings.udp,
            protocol41=findings.protocol41,
            ipv6=findings.ipv6,
            far_ends=findings.far_ends,
            path=findings.path,
            router=findings.router,
            strays=findings.strays,
            methods=_ranked(findings, profile) if profile else (),
            took=findings.took,
        )


def profile_for(word: str | None) -> Profile | None:
    """Return the profile meant: without a word the default one, if there is one. Raises TunnelError."""
    if word is None and DEFAULT not in known_profiles():
        return None
    return load_profile(find_profile(word or DEFAULT), PluginRegistry.from_environment())


def look(profile: Profile | None, network: Network, lifetime: float | None = None) -> Detected:
    """Ask whom the profile names; without one, nobody but the router. `lifetime` as in `Plan`."""
    plan = plan_for(profile, SystemRandom(), lifetime) if profile else Plan()
    return Detected.of(asyncio.run(detect(plan, network)), profile)


def _ranked(findings: Findings, profile: Profile) -> tuple[RankedMethod, ...]:
    chosen, refused = choose(profile.methods, findings.report())
    return tuple(map(_method, [*chosen, *refused]))


def _method(judgement: Judgement) -> RankedMethod:
    method = judgement.method
    return RankedMethod(method.type, method.role, method.transport.describe(), judgement.suits, judgement.reason)
