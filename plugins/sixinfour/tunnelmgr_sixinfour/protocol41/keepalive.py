"""Echo requests through the tunnel to the far end: is it there, and what sizes reach it (RFC 4443 section 4).

A round is one small request and one for each size to be tried. It ends when all are answered, or when their time is over.
"""

import hmac
from ipaddress import IPv6Address
from random import Random
from typing import NamedTuple

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv6 import Icmpv6Type, icmpv6_packet
from tunnelmgr.api.packets.ipv6 import IPV6_HEADER_LENGTH, IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr_sixinfour.constants import ECHO_HOP_LIMIT, NONCE_LENGTH

ECHO_HEADER = 8  # bytes
SMALL = IPV6_HEADER_LENGTH + ECHO_HEADER + NONCE_LENGTH  # bytes of IPv6 packet


class RoundOutcome(NamedTuple):
    """What became of a round."""

    alive: bool
    lost: tuple[int, ...]
    """Sizes that were not answered."""


class EchoRounds:
    """Makes the requests of one round after another and recognises the answers.

    Who has itself for its target gets its own requests back, and takes them for the answers.
    """

    def __init__(self, source: IPv6Address, target: IPv6Address, random: Random) -> None:
        self.target = target
        self.round_trip: float | None = None
        """Seconds, of the latest small request answered."""
        self._source = source
        self._answer = Icmpv6Type.ECHO_REQUEST if source == target else Icmpv6Type.ECHO_REPLY
        self._random = random
        self._identifier = random.getrandbits(16)
        self._sequence = 0
        self._waiting: dict[int, tuple[int, bytes]] = {}
        """Sequence number -> size and nonce."""
        self._begun_at: float | None = None
        self._ends_at = 0.0
        self._alive = False

    def begin(self, sizes: tuple[int, ...], timeout: float, now: float) -> list[bytes]:
        """Begin a round of `timeout` seconds; return its packets, the small one first, then the largest."""
        self._begun_at, self._ends_at, self._alive = now, now + timeout, False
        self._waiting.clear()
        return [self._request(size) for size in (SMALL, *sorted(sizes, reverse=True))]

    def _request(self, size: int) -> bytes:
        nonce = self._random.randbytes(NONCE_LENGTH)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._waiting[self._sequence] = size, nonce
        echo = EchoRequest(self._identifier, self._sequence, nonce + bytes(size - SMALL))
        return icmpv6_packet(echo, self._source, self.target, ECHO_HOP_LIMIT).serialize()

    @property
    def begun_at(self) -> float | None:
        """When the round began; None when there is none."""
        return self._begun_at

    @property
    def ends_at(self) -> float | None:
        """When the round ends at latest; None when there is none."""
        return None if self._begun_at is None else self._ends_at

    def take(self, packet: IPv6Packet, now: float) -> int | None:
        """Return the size of the request that a packet answers; None when it answers none.

        A large answer may come in fragments, made by a far end whose own MTU is smaller: the first will do.
        """
        try:
            upper = packet.upper_layer()
        except WireError:
            return None
        data = packet.payload[upper.offset :]
        if packet.source != self.target or upper.protocol != IpProtocol.ICMPV6 or not upper.begins_here:
            return None
        if len(data) < ECHO_HEADER + NONCE_LENGTH or data[0] != self._answer:
            return None
        identifier, sequence = int.from_bytes(data[4:6], "big"), int.from_bytes(data[6:8], "big")
        size, nonce = self._waiting.get(sequence, (0, b""))
        if identifier != self._identifier:
            return None
        if not hmac.compare_digest(data[ECHO_HEADER : ECHO_HEADER + NONCE_LENGTH], nonce):
            return None
        del self._waiting[sequence]
        if size == SMALL and self._begun_at is not None:
            self._alive, self.round_trip = True, now - self._begun_at
        return size

    def abandon(self) -> None:
        """Forget the round under way."""
        self._begun_at = None

    def end(self, now: float) -> RoundOutcome | None:
        """Return what became of the round when it has ended, once."""
        if self._begun_at is None or (self._waiting and now < self._ends_at):
            return None
        lost = tuple(size for size, _ in self._waiting.values() if size != SMALL)
        self._begun_at = None
        return RoundOutcome(self._alive, lost)
