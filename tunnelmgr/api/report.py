"""What is known of the network when a method is chosen. `None` means unknown, which is neither yes nor no."""

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address

from tunnelmgr.api.network import Network


class Mapping(Enum):
    """Which flows from one inside endpoint share an outside endpoint (RFC 4787 section 4.1)."""

    ENDPOINT_INDEPENDENT = "endpoint-independent"
    ADDRESS = "address-dependent"
    ADDRESS_AND_PORT = "address-and-port-dependent"


class Filtering(Enum):
    """From which remote endpoints an existing mapping lets packets in (RFC 4787 section 5)."""

    ENDPOINT_INDEPENDENT = "endpoint-independent"
    ADDRESS = "address-dependent"
    ADDRESS_AND_PORT = "address-and-port-dependent"


class NatKind(Enum):
    """The NAT between this host and the internet, by the names users know; RFC 4787 words beside them."""

    NONE = "none"
    FULL_CONE = "full-cone"
    """Endpoint-independent mapping and filtering."""
    ADDRESS_RESTRICTED = "address-restricted"
    """Endpoint-independent mapping, address-dependent filtering."""
    PORT_RESTRICTED = "port-restricted"
    """Endpoint-independent mapping, address-and-port-dependent filtering."""
    SYMMETRIC = "symmetric"
    """Address- (and-port-) dependent mapping."""
    BLOCKED = "blocked"
    """No UDP passes."""


@dataclass(frozen=True, slots=True)
class NetworkReport:
    """Facts a transport judges by."""

    network: Network = field(default_factory=Network)
    public_ipv4: IPv4Address | None = None
    """The address the internet sees this host as, where it is known."""
    nat: NatKind | None = None
    """The strictest of the candidates; None where nothing shows which it is."""
    nat_candidates: tuple[NatKind, ...] = ()
    """The kinds it may be of, where something is known: the mildest first."""
    udp: bool | None = None
    """Whether UDP passes at all."""
    protocol41: bool | None = None
    """Whether protocol 41 passes to the configured peer."""
    native_ipv6: bool | None = None
