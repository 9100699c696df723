"""A look at the network: what methods are judged by, and whose far ends keep silent."""

from dataclasses import dataclass

from tunnelmgr.api.report import NetworkReport


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look found."""

    report: NetworkReport
    unreached: frozenset[int] = frozenset()
    """The methods, by their place in the profile from 0, of whose far ends none answered."""
    close: bool = False
    """Whether the far ends were asked."""
