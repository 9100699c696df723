"""One round of echo requests after another: is the far end there, and what sizes reach it.

A round comes every `keepalive` seconds; at once after one with losses and while larger sizes are tried; and while the tunnel
is used, often enough to notice within half a minute that large packets vanish.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.status import PathUse
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings
from tunnelmgr_sixinfour.constants import (
    FIRST_TIMEOUT,
    IMPATIENCE,
    KEEPALIVE_EAGER,
    KEEPALIVE_LOSSES,
    KEEPALIVE_TIMEOUT,
    LARGE_INTERVAL,
    LARGE_USE,
    SIGN_INTERVAL,
)
from tunnelmgr_sixinfour.protocol41.keepalive import SMALL, EchoRounds
from tunnelmgr_sixinfour.protocol41.path_mtu import PathMtu


class Found(NamedTuple):
    """What a round found out."""

    losses: int
    """Rounds in a row without an answer; 0 when there was one."""
    black_hole: bool = False
    """Whether packets of the size in use vanish."""


class Rounds:
    """When to ask the far end, and what to conclude from its answers."""

    def __init__(self, settings: SixInFourSettings, path_mtu: PathMtu, random: Random) -> None:
        self._interval = settings.keepalive
        self._path_mtu = path_mtu
        self._keepalive = EchoRounds(settings.address.ip, settings.far, random)
        self._due_at: float | None = None
        self._used_by: float | None = None
        """When to look whether the tunnel is used, which makes a round due."""
        self._carried = 0
        """Bytes since the last round."""
        self._insist_from = 0.0
        """When a sign of life counts again."""
        self._searching = False
        """Whether the round under way tries larger sizes."""
        self._losses = self._large_losses = 0

    @property
    def round_trip(self) -> float | None:
        """Seconds, of the latest small request answered."""
        return self._keepalive.round_trip

    @property
    def ends_at(self) -> float | None:
        """When the round under way ends at latest; None when there is none."""
        return self._keepalive.ends_at

    @property
    def due_at(self) -> float | None:
        """When the next round begins, given a channel; None while one is under way, or none is wanted."""
        if self._due_at is None or self.ends_at is not None:
            return None
        return self._due_at if self._used_by is None else min(self._due_at, self._used_by)

    def start_over(self) -> None:
        """The far end is to be found anew."""
        self._losses = 0

    def used(self, uses: Sequence[PathUse]) -> None:
        """Count what was carried: a tunnel in use has to know whether large packets arrive."""
        self._carried += sum(use.bytes_sent + use.bytes_received for use in uses)

    def hasten(self, now: float) -> None:
        """Let a round be due, unless one is under way."""
        if self._interval is not None and self.ends_at is None:
            self._due_at = now

    def insist(self, now: float) -> None:
        """Let a round be due although one is under way: the far end shows a sign of life, and the answer is not to come.

        Only now and then: it may send and never answer, and rounds cut short tell nothing.
        """
        begun_at = self._keepalive.begun_at
        if now < self._insist_from or (begun_at is not None and now - begun_at < IMPATIENCE):
            return
        self._insist_from = now + SIGN_INTERVAL
        self._keepalive.abandon()
        self.hasten(now)

    def stop(self) -> None:
        """There is nothing to send on."""
        self._keepalive.abandon()
        self._due_at = None

    def begin(self, now: float, *, heard: bool) -> list[bytes]:
        """Return the packets of the round that is due; none when none is. Sizes are tried on a far end that is heard."""
        if not self._is_due(now):
            return []
        self._due_at = self._used_by = None
        self._carried = 0
        sizes = self._path_mtu.sizes_to_probe() if heard else ()
        self._searching = len(sizes) > 1
        timeout = KEEPALIVE_TIMEOUT
        if not heard:
            timeout = min(timeout, FIRST_TIMEOUT * 2 ** min(self._losses, KEEPALIVE_LOSSES))
        return self._keepalive.begin(sizes, timeout, now)

    def _is_due(self, now: float) -> bool:
        if self._due_at is None or self.ends_at is not None:
            return False
        if self._used_by is None or not self._used_by <= now < self._due_at:
            return now >= self._due_at
        self._used_by = now + LARGE_INTERVAL
        return self._carried >= LARGE_USE

    def take(self, packet: IPv6Packet, now: float) -> int | None:
        """Return the size of the request that a packet answers; None when it answers none."""
        size = self._keepalive.take(packet, now)
        if size == SMALL:
            self._losses = 0
        elif size is not None:
            self._path_mtu.answered(size)
        return size

    def end(self, now: float) -> Found | None:
        """Return what the round found out when it has ended, once."""
        begun_at, outcome = self._keepalive.begun_at, self._keepalive.end(now)
        if outcome is None or begun_at is None:
            return None
        at_leisure = begun_at + (self._interval or 0.0)
        self._due_at = now
        if not outcome.alive:
            self._losses += 1
            if self._losses > KEEPALIVE_EAGER:
                self._due_at = at_leisure
            return Found(self._losses)
        black_hole = self._judge_sizes(outcome.lost, now)
        if self._path_mtu.settled and not self._large_losses:
            self._due_at = at_leisure
            self._used_by = begun_at + LARGE_INTERVAL if self._path_mtu.sizes_to_probe() else None
        return Found(0, black_hole)

    def _judge_sizes(self, lost: tuple[int, ...], now: float) -> bool:
        """Draw the conclusions for the MTU; return whether large packets are held to vanish."""
        self._large_losses = self._large_losses + 1 if self._path_mtu.tunnel_mtu in lost else 0
        black_hole = self._large_losses >= KEEPALIVE_LOSSES
        if black_hole:
            self._large_losses = 0
            self._path_mtu.lost(now)
        if self._searching:
            self._path_mtu.round_ended()
        return black_hole
