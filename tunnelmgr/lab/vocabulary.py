"""The words both internets of the lab share: NATs as RFC 4787 describes them, and links.

The simulated internet obeys these descriptions by itself; the namespace internet turns them into nftables rules and
sysctls. The tests have one prober, which must measure the same in both.
"""

from dataclasses import dataclass
from enum import Enum

from tunnelmgr.api.report import Filtering, Mapping

UDP_MAPPING_TIMEOUT = 180.0  # seconds; more than the two minutes RFC 4787 REQ-5 demands, and what Linux gives a stream
LINK_MTU = 1500  # bytes of IPv4 or IPv6 packet; Ethernet


class PortChoice(Enum):
    """Which outside port a new mapping gets (RFC 4787 section 4.2)."""

    PRESERVING = "preserving"  # the inside port while no other mapping holds it, else a random one
    RANDOM = "random"
    SEQUENTIAL = "sequential"  # one more than the mapping before (RFC 6081 section 5.5)


@dataclass(frozen=True, slots=True)
class Nat:
    """How one NAT treats UDP. The defaults are the home router: port-restricted, and closed itself.

    `mapping_timeout` is seconds since the last packet in either direction (RFC 4787 section 4.3). `hairpinning`: a
    packet from inside to an outside endpoint of this NAT comes back in, from the sender's outside endpoint
    (section 6). `passes_udp` off: a firewall in the way drops all UDP, other traffic is still translated.

    `open_box`: the NAT accepts unsolicited UDP for itself and remembers it as a flow of its own. A packet from a peer
    that comes before the inside host's first packet to this peer takes the outside endpoint for that peer; the inside
    host's packet is then sent from another port, as if the mapping were address-and-port-dependent. Linux does this
    when its firewall does not drop input. Peers the inside host is in touch with see the port they know; all it speaks to
    later see the new one, so that one lost race spoils the next.

    `passes_protocol41` off: IPv6 in IPv4 is dropped, as most home routers do; on, it is translated for one inside host
    per remote address. `maps_ports`: inside hosts may ask for mappings (PCP, RFC 6887).
    """

    mapping: Mapping = Mapping.ENDPOINT_INDEPENDENT
    filtering: Filtering = Filtering.ADDRESS_AND_PORT
    port_choice: PortChoice = PortChoice.PRESERVING
    mapping_timeout: float = UDP_MAPPING_TIMEOUT
    hairpinning: bool = False
    open_box: bool = False
    passes_udp: bool = True
    passes_protocol41: bool = True
    maps_ports: bool = False


class NatKind(Enum):
    """The NATs met in the field, by the names people use for them. The value is the word for command lines."""

    NONE = "none"
    FULL_CONE = "full-cone"
    ADDRESS_RESTRICTED = "address-restricted"
    PORT_RESTRICTED = "port-restricted"
    PORT_RESTRICTED_OPEN_BOX = "port-restricted-open-box"
    SYMMETRIC = "symmetric"
    SYMMETRIC_SEQUENTIAL = "symmetric-sequential"
    SYMMETRIC_PORT_PRESERVING = "symmetric-port-preserving"
    UDP_BLOCKED = "udp-blocked"

    @property
    def nat(self) -> Nat | None:
        """The description of this kind; None where nothing is translated: the host has a public address."""
        return _NATS[self]


_NATS: dict[NatKind, Nat | None] = {
    NatKind.NONE: None,
    NatKind.FULL_CONE: Nat(filtering=Filtering.ENDPOINT_INDEPENDENT),
    NatKind.ADDRESS_RESTRICTED: Nat(filtering=Filtering.ADDRESS),
    NatKind.PORT_RESTRICTED: Nat(),
    NatKind.PORT_RESTRICTED_OPEN_BOX: Nat(open_box=True),
    NatKind.SYMMETRIC: Nat(mapping=Mapping.ADDRESS_AND_PORT, port_choice=PortChoice.RANDOM),
    NatKind.SYMMETRIC_SEQUENTIAL: Nat(mapping=Mapping.ADDRESS_AND_PORT, port_choice=PortChoice.SEQUENTIAL),
    # The first flow of an inside port keeps the port, every other destination finds it taken: RFC 6081 section 5.4.
    NatKind.SYMMETRIC_PORT_PRESERVING: Nat(mapping=Mapping.ADDRESS_AND_PORT),
    NatKind.UDP_BLOCKED: Nat(passes_udp=False),
}


@dataclass(frozen=True, slots=True)
class Link:
    """What connects a host or a NAT to the backbone; the same in both directions.

    `delay` is seconds one way. `loss` names the packets that are lost by their ordinal, counted from 0 in each
    direction: a list and not a die, so that a test says which packet it means. `mtu` is bytes of IP packet.
    `duplicated` names packets that arrive twice and `late` those that arrive `late_by` seconds after their turn, behind
    others. `loss_rate` is a probability, 0 to 1, from the seeded randomness of the lab, for soaking.
    """

    delay: float = 0.0
    loss: frozenset[int] = frozenset()
    mtu: int = LINK_MTU
    duplicated: frozenset[int] = frozenset()
    late: frozenset[int] = frozenset()
    late_by: float = 0.05
    loss_rate: float = 0.0

    def delays(self, number: int) -> tuple[float, ...]:
        """Return after how many seconds each copy of a packet comes out that is not lost; `number` is its ordinal."""
        delay = self.delay + (self.late_by if number in self.late else 0.0)
        return (delay, delay) if number in self.duplicated else (delay,)
