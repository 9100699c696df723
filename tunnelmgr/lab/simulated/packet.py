"""IPv4 packets of the simulated internet: what links carry and NATs rewrite, without being serialized."""

from dataclasses import dataclass, replace
from enum import Enum

from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.protocol import IpProtocol

IPV4_HEADER = 20  # bytes, without options
DEFAULT_TTL = 64  # what Linux sends
_HEADERS = {IpProtocol.UDP: 8, IpProtocol.TCP: 20, IpProtocol.ICMPV4: 8, IpProtocol.IPV6: 0}  # bytes


class TcpSegment(Enum):
    """What a TCP segment does to its connection. Acknowledgements do not exist: streams here lose nothing."""

    SYN = "SYN"
    SYN_ACK = "SYN-ACK"
    DATA = "data"
    FIN = "FIN"
    RST = "RST"


@dataclass(frozen=True, slots=True)
class OuterPacket:
    """One IPv4 packet. Ports are 0 where the protocol has none.

    `origin` is the name of the host that made it: NATs leave it alone, so that a test can tell who really spoke.
    """

    protocol: IpProtocol
    source: Endpoint
    destination: Endpoint
    payload: bytes = b""
    origin: str = ""
    tos: int = 0
    ttl: int = DEFAULT_TTL
    dont_fragment: bool = True
    """Off, the packet passes links it is too large for: it is taken apart and put together out of sight."""
    segment: TcpSegment | None = None
    error: "IcmpError | None" = None

    @property
    def length(self) -> int:
        """Bytes of IPv4 packet, header included."""
        return IPV4_HEADER + _HEADERS[self.protocol] + len(self.payload)

    def aged(self, hops: int) -> "OuterPacket":
        """Return what is left of this packet after `hops` routers; its TTL may be zero or less."""
        return replace(self, ttl=self.ttl - hops)


@dataclass(frozen=True, slots=True)
class IcmpError:
    """What an ICMPv4 error says (RFC 792), and the packet it is about as its reporter saw it."""

    type: int
    code: int
    about: OuterPacket
    mtu: int = 0  # bytes, in "fragmentation needed"


PORT_UNREACHABLE = (3, 3)
PROTOCOL_UNREACHABLE = (3, 2)
HOST_UNREACHABLE = (3, 1)
FRAGMENTATION_NEEDED = (3, 4)
TIME_EXCEEDED = (11, 0)


@dataclass(frozen=True, slots=True)
class Dropped:
    """Why a packet went no further."""

    reason: str


def icmp_error(kind: tuple[int, int], about: OuterPacket, reporter: Endpoint, origin: str, mtu: int = 0) -> OuterPacket:
    """Return the error `reporter` sends to the source of `about`."""
    error = IcmpError(kind[0], kind[1], about, mtu)
    sender = Endpoint(about.source.address, 0)
    return OuterPacket(IpProtocol.ICMPV4, Endpoint(reporter.address, 0), sender, about.payload[:8], origin, error=error)
