"""Plain data a Tunnel tells about itself. It travels as JSON: text, numbers, true, false, null."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from typing import NamedTuple

Fact = str | int | float | bool | None

_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """Someone the tunnel exchanges packets with."""

    address: str
    """Inner address or prefix."""
    endpoint: str | None
    """Outer address and port packets go to; None while unknown."""
    path: str
    """How they travel: "direct", "relay" or "server"; "none" while nothing is proven."""
    last_received: float | None = None
    """Seconds ago; None for never."""
    last_sent: float | None = None


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that is wrong for as long as a Tunnel says so, although it works: `status` shows it as a symptom."""

    text: str
    hint: str = ""
    """The next step."""


@dataclass(frozen=True, slots=True)
class TunnelStatus:
    """One Tunnel's live state."""

    state: str
    """The protocol's own word for it: "qualified", "probing-primary", "connected"."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """What a user would ask for, in order of interest: {"server": "192.0.2.1", "nat": "none", "round_trip_s": 0.04}.

    Names are snake_case. A measured one ends with its unit: `_s` for seconds, `_bytes`.
    """
    peers: tuple[PeerStatus, ...] = ()
    """At most 256, the most recently used first."""
    peers_total: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)
    """Datagrams and packets by what became of them; drops are named `dropped-<reason>`."""
    complaints: tuple[Complaint, ...] = ()

    def __post_init__(self) -> None:
        if misnamed := [name for name in self.facts if not _SNAKE_CASE.fullmatch(name)]:
            raise ValueError(f"facts of a status are named in snake_case: {misnamed}")


class PathUse(NamedTuple):
    """What the data plane carried on one path since it was last told. Instants are on the Tunnel's clock."""

    prefix: IPv6Network
    received_at: float | None
    """Instant of the last reception ever; None for never."""
    sent_at: float | None
    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
