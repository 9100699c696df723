"""What a running profile tells about itself: the data behind `status`, the control socket and the progress of `up`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from tunnelmgr.api.status import Fact, PeerStatus

NOT_PROVEN: Final = "reach beyond the server not proven"
"""What is known of packets through a tunnel that knows nobody to ask."""


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
    """Not working; being retried unless `permanent` is said."""


class Trouble(Enum):
    """Why a profile is not up, where the state alone does not say it."""

    NOTHING_SUITS = "nothing-suits"
    """No method may be used on this network."""
    UNPROVEN = "unproven"
    """Probes through the tunnel are not answered."""
    LOST = "lost"
    """Packets flowed, and do not any more."""
    SILENT = "silent"
    """The method says that its far end does not answer."""
    HELD = "held"
    """Packets flow again, and it is too early to rely on it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of the story of `up`."""

    code: str
    """Stable, for scripts: "starting", "up", "verified", "lan", "down", or a transport's own notice code."""
    text: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes and packets through the tunnel device since the tunnel came up, both ways, all paths together."""

    packets_received: int = 0
    bytes_received: int = 0
    packets_sent: int = 0
    bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class LanStatus:
    """How an interface whose hosts share the tunnel stands."""

    interface: str
    prefix: str | None
    """Its /64; None when it gets none."""
    translated: bool = False
    """Whether its hosts appear outside as this one (NAT66): they can call out, not be called."""
    advertised: bool = False
    """Whether its hosts are told to use the tunnel: while packets flow."""
    trouble: str = ""
    """Why it is not served; empty when it is."""
    hint: str = ""

    @property
    def words(self) -> str:
        """The same for people."""
        if self.trouble:
            return f"{self.trouble}; {self.hint}" if self.hint else self.trouble
        told = "advertised" if self.advertised else "withdrawn while no packets flow"
        hidden = ", translated to the tunnel's address: its hosts can call out, not be called" if self.translated else ""
        return f"{self.prefix} {told}{hidden}"


@dataclass(frozen=True, slots=True)
class OuterSocket:
    """A socket the tunnel's datagrams travel on."""

    kind: str
    """"udp" or "raw41"."""
    address: str
    """Local; "0.0.0.0" for all of this host."""
    port: int
    """0 for protocol 41."""
    remote: str | None = None
    """The only address it talks to, where there is only one."""


class Stand(Enum):
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
class Standing:
    """One method, for people and scripts."""

    method: str
    described: str
    """What the user chose: "server 192.0.2.1"."""
    stand: Stand
    reason: str
    """Why: one sentence without a full stop."""
    waits: float | None = None
    """Seconds a method that is held has to wait at least."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One profile at one moment. Durations are seconds; `None` is unknown."""

    name: str
    file: str
    pid: int
    state: State
    reason: str
    """Why it is not up; empty when it is."""
    hint: str
    method: str
    role: str
    device: str | None
    since: float
    """Seconds in this state."""
    trouble: Trouble | None = None
    methods: tuple[Standing, ...] = ()
    """All of the profile, in its order."""
    addresses: tuple[str, ...] = ()
    mtu: int | None = None
    default_route: bool = False
    beside_native: bool = False
    """Whether the default route is left to native IPv6."""
    inbound: str = "established"
    resolvers: tuple[str, ...] = ()
    """Of the far end, handed to this host's programs."""
    shortfall: str = ""
    """What the profile wants and the tunnel works without."""
    shortfall_hint: str = ""
    verified: str = ""
    """How it is known that packets flow, or "reach beyond the server not proven"."""
    datapath: str = "plain"
    datapath_reason: str = ""
    """Why not a faster one."""
    protocol_state: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """The transport's own: server, nat, mapped address ..."""
    peers: tuple[PeerStatus, ...] = ()
    peers_total: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)
    traffic: Traffic = Traffic()
    sockets: tuple[OuterSocket, ...] = ()
    """Those of datagrams; what `trace` listens for."""
    lan: tuple[LanStatus, ...] = ()
    """In the profile's order; empty while the tunnel is not up."""
    log: str = ""
    """Where the log of this profile is."""
