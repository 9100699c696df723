"""How the methods of a profile stand among each other, for people and scripts."""

from dataclasses import dataclass
from enum import Enum


class MethodState(Enum):
    """How a method stands among the others."""

    RUNNING = "running"
    READY = "ready"
    """It would be next."""
    HELD = "held"
    """It failed, and has to wait."""
    REFUSED = "refused"
    """It does not suit this network."""
    FAILED = "failed"
    """It failed for good: trying again is useless until something is changed."""


@dataclass(frozen=True, slots=True)
class MethodStatus:
    """One method of a profile."""

    method: str
    described: str
    """What the user chose: "server 192.0.2.1"."""
    state: MethodState
    reason: str
    """Why: one sentence without a full stop."""
    waits: float | None = None
    """Seconds a method that is held has to wait at least."""
