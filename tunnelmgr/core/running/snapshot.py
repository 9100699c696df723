"""What a running profile tells about itself: the data behind `status` and the control socket."""

from dataclasses import dataclass, field
from typing import Final

from tunnelmgr.api.status import TunnelStatus
from tunnelmgr.core.choosing.method_status import MethodStatus
from tunnelmgr.core.condition import Condition
from tunnelmgr.core.driving.traffic import OuterSocket, Traffic
from tunnelmgr.core.running.lan_shares import LanStatus

NOT_PROVEN: Final = "reach beyond the server not proven"
"""What is known of packets through a tunnel without a target to probe."""


@dataclass(frozen=True, slots=True)
class Running:
    """What the run of a method says of itself. Its addresses are there while its tunnel is up."""

    device: str
    tunnel: TunnelStatus
    """The transport's own state, facts, peers and counters."""
    addresses: tuple[str, ...] = ()
    mtu: int | None = None
    default_route: bool = False
    """True if the kernel sends what is for the IPv6 internet into this tunnel."""
    way_out: str = ""
    """The interface into which it sends that; empty where it has no way."""
    firewall_stands: bool = True
    """False while somebody else has taken it away, and nothing comes in."""
    beside_native: bool = False
    """True if the default route is left to native IPv6."""
    resolvers: tuple[str, ...] = ()
    """Of the far end, handed to this host's programs."""
    shortfall: str = ""
    """What the profile wants and the tunnel works without."""
    shortfall_hint: str = ""
    taken_away: str = ""
    """What somebody else took from this host of what the tunnel needs, and how often it was put back."""
    taken_away_hint: str = ""
    cuts: tuple[tuple[str, str], ...] = ()
    """What other firewalls drop of what this host itself needs, each with what would mend it."""
    exposure: str = ""
    """What strangers can do in this host's name, since the profile lets them."""
    exposure_hint: str = ""
    verified: str = ""
    """How it is known that packets flow, or "reach beyond the server not proven"."""
    datapath: str = "plain"
    datapath_reason: str = ""
    """Why not a faster one."""
    traffic: Traffic = field(default_factory=Traffic)
    sockets: tuple[OuterSocket, ...] = ()
    """Those of datagrams; what `trace` listens for."""
    lan: tuple[LanStatus, ...] = ()
    """In the profile's order; empty while the tunnel is not up."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One profile at one moment. Durations are seconds; `None` is unknown."""

    name: str
    file: str
    pid: int
    condition: Condition
    since: float
    """Seconds in this state."""
    method: str
    """The one that runs, or ran last."""
    role: str
    methods: tuple[MethodStatus, ...] = ()
    """All of the profile, in its order."""
    running: Running | None = None
    """None between two methods."""
    inbound: str = "established"
    log: str = ""
    """Where the log of this profile is."""
