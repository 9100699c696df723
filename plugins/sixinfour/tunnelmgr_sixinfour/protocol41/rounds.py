"""Echo requests through the tunnel, round after round: is the far end there, and what sizes reach it (RFC 4443 section 4).

A round is one small request and one for each size to be tried. It ends when all are answered, or when their time is over.

A round comes every `interval` seconds; at once after one with losses and while larger sizes are tried; and while the tunnel
is used, often enough to notice within half a minute that large packets vanish.
"""

import hmac
from collections.abc import Sequence
from ipaddress import IPv6Address
from random import Random
from typing import NamedTuple

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv6 import Icmpv6Type, icmpv6_packet
from tunnelmgr.api.packets.ipv6 import IPV6_HEADER_LENGTH, IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.status import PathUse
from tunnelmgr.api.tunnel import earliest
from tunnelmgr_sixinfour.constants import (
    ECHO_HOP_LIMIT,
    FIRST_TIMEOUT,
    IMPATIENCE,
    KEEPALIVE_EAGER,
    KEEPALIVE_LOSSES,
    KEEPALIVE_TIMEOUT,
    LARGE_INTERVAL,
    LARGE_USE,
    NONCE_LENGTH,
    SIGN_INTERVAL,
)
from tunnelmgr_sixinfour.protocol41.path_mtu import PathMtu

ECHO_HEADER = 8  # bytes
SMALL = IPV6_HEADER_LENGTH + ECHO_HEADER + NONCE_LENGTH  # bytes of IPv6 packet


class Found(NamedTuple):
    """What a round found out."""

    losses: int
    """Rounds in a row without an answer; 0 when there was one."""
    black_hole: bool = False
    """Whether packets of the size in use vanish."""


class Rounds:
    """When to ask the far end, and what to conclude from its answers.

    Who has itself for its target gets its own requests back, and takes them for the answers.
    """

    def __init__(
        self, source: IPv6Address, target: IPv6Address, interval: float | None, path_mtu: PathMtu, random: Random
    ) -> None:
        self.round_trip: float | None = None
        """Seconds, of the latest small request answered."""
        self._source = source
        self._target = target
        self._interval = interval
        self._path_mtu = path_mtu
        self._answer = Icmpv6Type.ECHO_REQUEST if source == target else Icmpv6Type.ECHO_REPLY
        self._random = random
        self._identifier = random.getrandbits(16)
        self._sequence = 0
        self._waiting: dict[int, tuple[int, bytes]] = {}
        """Sequence number -> size and nonce."""
        self._begun_at: float | None = None
        """When the round under way began; None when there is none."""
        self._ends_at = 0.0
        self._alive = self._searching = False
        """Whether the far end answered in the round under way, and whether that round tries larger sizes."""
        self._due_at: float | None = None
        """When the next round begins."""
        self._used_by: float | None = None
        """When to look whether the tunnel is used, which makes a round due."""
        self._carried = 0
        """Bytes since the last round."""
        self._insist_from = 0.0
        """When a sign of life counts again."""
        self._losses = self._large_losses = 0

    def next_timeout(self) -> float | None:
        """When the round under way ends at latest, or when the next one begins."""
        if self._begun_at is not None:
            return self._ends_at
        return None if self._due_at is None else earliest(self._due_at, self._used_by)

    def start_over(self) -> None:
        """The far end is to be found anew."""
        self._losses = 0

    def used(self, uses: Sequence[PathUse]) -> None:
        """Count what was carried: a tunnel in use has to know whether large packets arrive."""
        self._carried += sum(use.bytes_sent + use.bytes_received for use in uses)

    def hasten(self, now: float) -> None:
        """Let a round be due, unless one is under way."""
        if self._interval is not None and self._begun_at is None:
            self._due_at = now

    def insist(self, now: float) -> None:
        """Let a round be due although one is under way: the far end shows a sign of life, and the answer is not to come.

        Only now and then: it may send and never answer, and rounds cut short tell nothing.
        """
        if now < self._insist_from or (self._begun_at is not None and now - self._begun_at < IMPATIENCE):
            return
        self._insist_from = now + SIGN_INTERVAL
        self._begun_at = None
        self.hasten(now)

    def stop(self) -> None:
        """There is nothing to send on."""
        self._begun_at = self._due_at = None

    def begin(self, now: float, *, heard: bool) -> list[bytes]:
        """Return the packets of the round that is due, the small one first, then the largest; none when none is due.

        Sizes are tried on a far end that is heard.
        """
        if not self._is_due(now):
            return []
        self._due_at = self._used_by = None
        self._carried = 0
        sizes = self._path_mtu.sizes_to_probe() if heard else ()
        timeout = KEEPALIVE_TIMEOUT
        if not heard:
            timeout = min(timeout, FIRST_TIMEOUT * 2 ** min(self._losses, KEEPALIVE_LOSSES))
        self._begun_at, self._ends_at = now, now + timeout
        self._alive, self._searching = False, len(sizes) > 1
        self._waiting.clear()
        return [self._request(size) for size in (SMALL, *sorted(sizes, reverse=True))]

    def _is_due(self, now: float) -> bool:
        if self._due_at is None or self._begun_at is not None:
            return False
        if self._used_by is None or not self._used_by <= now < self._due_at:
            return now >= self._due_at
        self._used_by = now + LARGE_INTERVAL
        return self._carried >= LARGE_USE

    def _request(self, size: int) -> bytes:
        nonce = self._random.randbytes(NONCE_LENGTH)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._waiting[self._sequence] = size, nonce
        echo = EchoRequest(self._identifier, self._sequence, nonce + bytes(size - SMALL))
        return icmpv6_packet(echo, self._source, self._target, ECHO_HOP_LIMIT).serialize()

    def take(self, packet: IPv6Packet, now: float) -> int | None:
        """Return the size of the request that a packet answers; None when it answers none.

        A large answer may come in fragments, made by a far end whose own MTU is smaller: the first will do.
        """
        size = self._answered(packet)
        if size == SMALL:
            self._losses = 0
            if self._begun_at is not None:
                self._alive, self.round_trip = True, now - self._begun_at
        elif size is not None:
            self._path_mtu.answered(size)
        return size

    def _answered(self, packet: IPv6Packet) -> int | None:
        try:
            upper = packet.upper_layer()
        except WireError:
            return None
        data = packet.payload[upper.offset :]
        if packet.source != self._target or upper.protocol != IpProtocol.ICMPV6 or not upper.begins_here:
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
        return size

    def end(self, now: float) -> Found | None:
        """Return what the round found out when it has ended, once."""
        if self._begun_at is None or (self._waiting and now < self._ends_at):
            return None
        begun_at, self._begun_at = self._begun_at, None
        self._due_at, at_leisure = now, begun_at + (self._interval or 0.0)
        if not self._alive:
            self._losses += 1
            if self._losses > KEEPALIVE_EAGER:
                self._due_at = at_leisure
            return Found(self._losses)
        black_hole = self._judge_sizes(now)
        if self._path_mtu.settled and not self._large_losses:
            self._due_at = at_leisure
            self._used_by = begun_at + LARGE_INTERVAL if self._path_mtu.sizes_to_probe() else None
        return Found(0, black_hole)

    def _judge_sizes(self, now: float) -> bool:
        """Draw the conclusions for the MTU; return whether large packets are held to vanish."""
        lost = {size for size, _ in self._waiting.values()}
        self._large_losses = self._large_losses + 1 if self._path_mtu.tunnel_mtu in lost else 0
        black_hole = self._large_losses >= KEEPALIVE_LOSSES
        if black_hole:
            self._large_losses = 0
            self._path_mtu.lost(now)
        if self._searching:
            self._path_mtu.round_ended()
        return black_hole
