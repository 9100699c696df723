"""What detection found: plain data, as `--json` prints it. None is "not known" everywhere."""

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from tunnelmgr.api.network import Network
from tunnelmgr.api.report import Filtering, Mapping, NatKind, NetworkReport


class Scope(Enum):
    """What kind of IPv4 address this host has."""

    PUBLIC = "public"
    PRIVATE = "private"
    """RFC 1918."""
    SHARED = "shared"
    """RFC 6598, 100.64.0.0/10: behind the provider's NAT."""
    LINK_LOCAL = "link-local"
    """RFC 3927: no network answered."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Observation:
    """One piece of evidence."""

    probe: str
    """What was asked: a word for scripts."""
    found: str
    """What came of it, in a sentence without a full stop."""
    at: float
    """Seconds since detection began."""


@dataclass(frozen=True, slots=True)
class Ipv4Findings:
    """How this host is on the IPv4 internet."""

    address: IPv4Address | None = None
    """The one it uses towards the internet; None where there is no way there."""
    scope: Scope | None = None
    interface: str | None = None
    gateway: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class NatFindings:
    """Which NAT is between this host and the internet."""

    kind: NatKind | None = None
    """The strictest of the candidates; None where nothing of the NAT was seen."""
    mapping: Mapping | None = None
    filtering: Filtering | None = None
    candidates: tuple[NatKind, ...] = ()
    """What the evidence leaves possible, the mildest first."""
    mapped: str | None = None
    """As which endpoint this host appears."""
    port_preserved: bool | None = None
    hairpinning: bool | None = None
    several: bool | None = None
    """Whether there is more than one NAT on the way (double NAT, carrier-grade NAT)."""
    lifetime_min: float | None = None
    """Seconds a mapping nobody used was kept for at least; None where that was not asked for, or not found out."""
    lifetime_max: float | None = None
    """Seconds after which it was gone; None where it outlived all waiting, too."""
    evidence: tuple[Observation, ...] = ()


@dataclass(frozen=True, slots=True)
class PathFindings:
    """What the way to the far ends carries."""

    mtu: int | None = None
    """Bytes of the largest IPv4 packet that goes out whole."""
    evidence: tuple[Observation, ...] = ()


@dataclass(frozen=True, slots=True)
class RouterFindings:
    """What this host's own router says of itself."""

    pcp: bool | None = None
    """Whether it speaks PCP (RFC 6887); None where it kept silent, or was not asked."""
    nat_pmp: bool | None = None
    """The same of NAT-PMP (RFC 6886)."""
    upnp: bool | None = None
    """The same of UPnP (InternetGatewayDevice)."""
    external: IPv4Address | None = None
    """Its address outside, where it says so."""
    scope: Scope | None = None
    """What kind of address that is."""


@dataclass(frozen=True, slots=True)
class Ipv6Findings:
    """IPv6 without a tunnel of ours."""

    address: IPv6Address | None = None
    default_route: bool | None = None
    reach: bool | None = None
    """Whether anybody answered over it."""
    round_trip: float | None = None
    """Seconds, of the fastest answer."""
    evidence: tuple[Observation, ...] = ()


@dataclass(frozen=True, slots=True)
class FarEndFindings:
    """A far end of one of the profile's methods."""

    method: str
    what: str
    reached: bool | None
    round_trip: float | None
    """Seconds."""
    reason: str
    """Why it was not reached, or nobody knows; empty where it was."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of a network."""

    network: Network
    ipv4: Ipv4Findings = field(default_factory=Ipv4Findings)
    nat: NatFindings = field(default_factory=NatFindings)
    udp: bool | None = None
    """Whether UDP passes."""
    protocol41: bool | None = None
    """Whether protocol 41 passes to the far ends of the profile and back."""
    ipv6: Ipv6Findings = field(default_factory=Ipv6Findings)
    far_ends: tuple[FarEndFindings, ...] = ()
    """Those that answered first, the fastest in front."""
    path: PathFindings = field(default_factory=PathFindings)
    router: RouterFindings = field(default_factory=RouterFindings)
    strays: int = 0
    """Datagrams that answered nothing that was asked."""
    took: float = 0.0
    """Seconds."""

    def report(self) -> NetworkReport:
        """Return what methods are judged by."""
        public = self.ipv4.address if self.ipv4.scope is Scope.PUBLIC else None
        # IPv6 that leads nowhere is none: whoever has it needs a tunnel.
        native = False if self.ipv6.reach is False else self.network.native_ipv6
        return NetworkReport(self.network, public, self.nat.kind, self.nat.candidates, self.udp, self.protocol41, native)
