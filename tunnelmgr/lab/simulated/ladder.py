"""The packet ladder: who sent what to whom and when, for people to read when a test has failed."""

from collections import deque
from ipaddress import IPv4Address
from typing import NamedTuple

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest, OtherIcmp
from tunnelmgr.api.packets.icmpv6 import parse_icmpv6
from tunnelmgr.api.packets.icmpv6_errors import Icmpv6Error
from tunnelmgr.api.packets.ipv6 import IPV6_HEADER_LENGTH, IPv6Packet, ipv6_length
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.simulated.clock import Clock
from tunnelmgr.lab.simulated.packet import OuterPacket

RUNGS_MAX = 20_000  # kept; older ones are forgotten
_LONGEST_PREFIX = 64  # bytes a tunnel may put before the IPv6 packet inside


class Rung(NamedTuple):
    """One line. `packet` is an outer packet, an IPv6 packet, or text for anything else."""

    at: float
    who: str
    sign: str
    packet: OuterPacket | bytes | str
    remark: str = ""

    def __str__(self) -> str:
        if isinstance(self.packet, OuterPacket):
            text = describe_outer(self.packet)
        else:
            text = describe_inner(self.packet) if isinstance(self.packet, bytes) else self.packet
        remark = f"  [{self.remark}]" if self.remark else ""
        return f"{self.at * 1000:12.3f} ms  {self.who:<16} {self.sign} {text}{remark}"


class Ladder:
    """Remembers the last RUNGS_MAX things that happened."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rungs: deque[Rung] = deque(maxlen=RUNGS_MAX)

    def sent(self, who: str, packet: OuterPacket | bytes) -> None:
        self._rungs.append(Rung(self._clock.now, who, "->", packet))

    def received(self, who: str, packet: OuterPacket | bytes) -> None:
        self._rungs.append(Rung(self._clock.now, who, "<-", packet))

    def dropped(self, who: str, packet: OuterPacket | bytes, reason: str) -> None:
        self._rungs.append(Rung(self._clock.now, who, "x ", packet, reason))

    def said(self, who: str, text: str) -> None:
        self._rungs.append(Rung(self._clock.now, who, "* ", text))

    def __str__(self) -> str:
        return "\n".join(map(str, self._rungs))


def describe_outer(packet: OuterPacket) -> str:
    """Return an IPv4 packet and what is inside in one line."""
    ends = f"{_end(packet.source)} > {_end(packet.destination)}"
    if packet.error is not None:
        return f"ICMP {ends} {packet.error.type}/{packet.error.code} about {describe_outer(packet.error.about)}"
    if packet.segment is not None:
        return f"TCP {ends} {packet.segment.value} {len(packet.payload)} bytes"
    shape = "IPv6" if packet.protocol is IpProtocol.IPV6 else "UDP"
    return f"{shape} {ends} | {describe_inner(packet.payload)}"


def describe_inner(data: bytes) -> str:
    """Return the IPv6 packet in a tunnel's payload in one line; what stands before it is counted."""
    if not data:
        return "no payload"
    for skipped in range(min(len(data), _LONGEST_PREFIX)):
        if _ends_with_packet(data, skipped):
            before = f"{skipped} bytes, " if skipped else ""
            return before + _describe_packet(data[skipped:])
    return f"{len(data)} bytes {data[:16].hex()}"


def _ends_with_packet(data: bytes, offset: int) -> bool:
    try:
        length = ipv6_length(data[offset:])
    except WireError:
        return False
    return offset == 0 or offset + length == len(data)  # only at the very beginning may trailers follow


def _describe_packet(data: bytes) -> str:
    packet, trailer = IPv6Packet.split(data)
    after = f", {len(trailer)} bytes behind" if trailer else ""
    return f"{packet.source} > {packet.destination} {_describe_payload(packet)}{after}"


def _describe_payload(packet: IPv6Packet) -> str:
    if packet.next_header == IpProtocol.NO_NEXT_HEADER:
        return "nothing (bubble)"
    if packet.next_header != IpProtocol.ICMPV6:
        return f"protocol {packet.next_header}, {IPV6_HEADER_LENGTH + len(packet.payload)} bytes"
    try:
        message = parse_icmpv6(packet)
    except WireError as error:
        return f"ICMPv6 malformed: {error}"
    name = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in type(message).__name__).strip()
    if isinstance(message, EchoRequest | EchoReply):
        return f"{name} {message.sequence}"
    if isinstance(message, OtherIcmp):
        return f"ICMPv6 type {message.type}"
    return f"{name} code {message.code}" if isinstance(message, Icmpv6Error) else name


def _end(endpoint: tuple[IPv4Address, int]) -> str:
    address, port = endpoint
    return f"{address}:{port}" if port else str(address)
