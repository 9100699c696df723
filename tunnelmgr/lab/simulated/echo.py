"""Pings through IPv6: asking, answering, and knowing which were answered."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import Icmpv6Message, icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet

IDENTIFIER = 0x5EED
HOP_LIMIT = 64  # what Linux sends
PING_SIZE = 56  # bytes of data, as ping(8) sends


@dataclass(slots=True)
class SentPing:
    """One echo request and what became of it. Instants are seconds on the internet's clock."""

    target: IPv6Address
    sequence: int
    sent_at: float
    answered_at: float | None = None
    on_answer: Callable[[float], None] | None = None
    """Told the round trip in seconds."""

    @property
    def answered(self) -> bool:
        return self.answered_at is not None

    @property
    def round_trip(self) -> float | None:
        """Seconds; None while unanswered."""
        return None if self.answered_at is None else self.answered_at - self.sent_at


class Pinger:
    """The echo part of one host's IPv6."""

    def __init__(self) -> None:
        self.pings: list[SentPing] = []
        self._waiting: dict[tuple[IPv6Address, int], SentPing] = {}

    @property
    def answered(self) -> int:
        """How many pings were answered, each counted once."""
        return sum(ping.answered for ping in self.pings)

    def ask(self, source: IPv6Address, target: IPv6Address, size: int, now: float) -> tuple[SentPing, bytes]:
        """Return a new ping and the packet to send."""
        ping = SentPing(target, len(self.pings) + 1, now)
        self.pings.append(ping)
        sequence = ping.sequence & 0xFFFF
        self._waiting[target, sequence] = ping
        request = EchoRequest(IDENTIFIER, sequence, bytes(size))
        return ping, icmpv6_packet(request, source, target, HOP_LIMIT).serialize()

    def take(self, packet: IPv6Packet, now: float) -> bytes | None:
        """Look at a packet for this host; return the reply if it asks for one."""
        match _message(packet):
            case EchoRequest() as request:
                return icmpv6_packet(request.reply(), packet.destination, packet.source, HOP_LIMIT).serialize()
            case EchoReply() as reply if reply.identifier == IDENTIFIER:
                ping = self._waiting.pop((packet.source, reply.sequence), None)
                if ping is not None:
                    ping.answered_at = now
                    if ping.on_answer is not None:
                        ping.on_answer(now - ping.sent_at)
        return None


def _message(packet: IPv6Packet) -> Icmpv6Message | None:
    try:
        return parse_icmpv6(packet)
    except WireError:
        return None
