"""What was found about a network, and what it means for the methods of a profile: what `detect` prints. Pure."""

from dataclasses import dataclass
from typing import Self

from tunnelmgr.core.choosing.choice import Judgement, choose, is_the_only_one
from tunnelmgr.core.profiles.profile import Profile
from tunnelmgr.detect.findings import Findings


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

    @classmethod
    def of(cls, judgement: Judgement) -> Self:
        method = judgement.method
        return cls(method.type, method.role, method.transport.describe(), judgement.suits, judgement.reason)


@dataclass(frozen=True, slots=True)
class Advice:
    """What is known of this network, and which method suits it."""

    profile: str | None
    """None when no profile is named; then there are no methods either."""
    file: str | None
    findings: Findings
    methods: tuple[RankedMethod, ...] = ()
    """In the order `up` tries them; behind these, those that do not suit."""
    only_one: bool = False
    """True if `up` starts the one method whether it suits or not."""

    @classmethod
    def of(cls, findings: Findings, profile: Profile | None) -> Self:
        """Judge the methods of a profile by what was found."""
        if profile is None:
            return cls(None, None, findings)
        chosen, refused = choose(profile.methods, findings.report())
        ranked = tuple(map(RankedMethod.of, [*chosen, *refused]))
        return cls(profile.name, str(profile.file), findings, ranked, is_the_only_one(profile.methods))
