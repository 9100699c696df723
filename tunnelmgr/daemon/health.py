"""Lasting conditions of a profile: what a user should know although nothing new happens.

`status` tells them; nothing logs them in a loop.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.core.snapshot import Snapshot, State


class Severity(Enum):
    """How much a condition matters."""

    ERROR = "error"
    """The tunnel does not work."""
    WARNING = "warning"
    """It does not work as the user expects."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that holds until it is changed."""

    code: str
    """Stable, for scripts."""
    severity: Severity
    text: str
    hint: str = ""


def conditions(snapshot: Snapshot) -> tuple[Condition, ...]:
    """Return the conditions that hold, the gravest first."""
    found = [condition for check in _CHECKS if (condition := check(snapshot))]
    found += [
        Condition("lan", Severity.WARNING, f"LAN {link.interface}: {link.trouble}", link.hint)
        for link in snapshot.lan
        if link.trouble
    ]
    return tuple(sorted(found, key=lambda condition: list(Severity).index(condition.severity)))


KILLED = Condition(
    "killed",
    Severity.ERROR,
    "its process was killed and could not take back what it changed",
    "run `tunnelmgr cleanup`, or bring it up again",
)
"""Of a profile whose socket is there and its process is not."""


def silent(error: TunnelError) -> Condition:
    """Return the condition of a profile whose process does not answer."""
    return Condition("silent", Severity.ERROR, error.message, error.hint)


def _down(snapshot: Snapshot) -> Condition | None:
    if snapshot.state is not State.DOWN:
        return None
    return Condition("down", Severity.ERROR, snapshot.reason or "does not work, reason unknown", snapshot.hint)


def _waiting_for_peer(snapshot: Snapshot) -> Condition | None:
    if snapshot.state is not State.WAITING_FOR_PEER:
        return None
    return Condition(
        "waiting-for-peer", Severity.WARNING, snapshot.reason or "the far end has not been heard", snapshot.hint
    )


def _impaired(snapshot: Snapshot) -> Condition | None:
    if snapshot.state is not State.IMPAIRED:
        return None
    return Condition("impaired", Severity.WARNING, snapshot.reason or "packets are lost", snapshot.hint)


_CHECKS: tuple[Callable[[Snapshot], Condition | None], ...] = (_down, _waiting_for_peer, _impaired)
