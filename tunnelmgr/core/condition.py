"""How a profile stands, in one value: the run of a method says it, and `status`, `up`, health and fail-over read it."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class State(Enum):
    """Where a profile stands.

    starting -> waiting-for-peer -> up <-> impaired
        ^             |              |        |
        +-------------+------ down <-+--------+
    """

    STARTING = "starting"
    """A method is being set up: nothing has been proven yet."""
    WAITING_FOR_PEER = "waiting-for-peer"
    """Configured and listening; the far end has not been heard yet."""
    UP = "up"
    """Packets flow (or, for servers, relays and brokers: it listens)."""
    IMPAIRED = "impaired"
    """Configured, but probes are lost: default route withdrawn."""
    DOWN = "down"
    """Not working; it is retried unless the failure is permanent."""


class Code(Enum):
    """The names of all that lasts: stable, for scripts and for docs/health.md. daemon/health.py holds the severities."""

    KILLED = "TM-H001"
    SILENT_PROCESS = "TM-H002"
    DOWN = "TM-H003"
    NOTHING_SUITS = "TM-H004"
    NOT_HEARD_YET = "TM-H005"
    UNPROVEN = "TM-H006"
    PACKETS_STOPPED = "TM-H007"
    PEER_SILENT = "TM-H008"
    HELD = "TM-H009"
    LAN = "TM-H010"
    NOBODY_ASKED = "TM-H011"
    NATIVE_IPV6 = "TM-H012"
    IPV4_FIRST = "TM-H013"
    RESOLVERS = "TM-H014"
    TAKEN_AWAY = "TM-H015"
    CONTESTED = "TM-H016"
    OPEN_TO_STRANGERS = "TM-H017"
    OTHER_FIREWALL = "TM-H018"
    COMPLAINT = "TM-H019"


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether a profile carries packets, and if it does not, why."""

    state: State
    code: Code | None = None
    """Why it is not up; None when it is, and while a method has only just begun."""
    reason: str = ""
    """The same in a sentence without a full stop; empty when it is up."""
    hint: str = ""
    """The next step; empty where there is none."""


UP: Final = Condition(State.UP)
BEGUN: Final = Condition(State.STARTING, reason="no answer yet")


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of the story of `up`."""

    code: str
    """Stable, for scripts: "starting", "up", "verified", "lan", the value of a `Code`, or a transport's own notice code."""
    text: str
