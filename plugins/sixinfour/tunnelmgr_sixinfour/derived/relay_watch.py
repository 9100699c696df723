"""Is the border relay there? Packets from this host to itself that it sends back tell (RFC 5969 section 8).

Neighbour unreachability detection, which would do the same, is for links whose every neighbour may be asked all the time: a
domain has as many as the provider has customers, so it is not done on this one.
"""

from enum import Enum
from ipaddress import IPv6Address
from random import Random

from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_sixinfour.constants import FIRST_TIMEOUT, KEEPALIVE_EAGER, KEEPALIVE_LOSSES, KEEPALIVE_TIMEOUT
from tunnelmgr_sixinfour.protocol41.keepalive import EchoRounds


class RelayState(Enum):
    """What is known of the border relay."""

    UNKNOWN = "unknown"
    ANSWERS = "answers"
    MUTE = "mute"
    """It has never sent anything back. Linux as a border relay does not (packet_is_spoofed in net/ipv6/sit.c), and works."""
    SILENT = "silent"
    """It sent packets back, and does not any more."""


class RelayWatch:
    """One packet every `interval` seconds, more only for a short while after one was lost."""

    def __init__(self, address: IPv6Address, interval: float, random: Random, now: float, *, has_answered: bool) -> None:
        """`has_answered`: whether this relay did so when we had another address."""
        self.state = RelayState.UNKNOWN
        self._has_answered = has_answered
        self._interval = interval
        self._echo = EchoRounds(address, address, random)
        self._losses = 0
        self._due: float | None = now

    @property
    def round_trip(self) -> float | None:
        """Seconds, of the latest packet that came back."""
        return self._echo.round_trip

    def next_timeout(self) -> float | None:
        return self._due if self._echo.ends_at is None else self._echo.ends_at

    def hasten(self, now: float) -> None:
        """Ask at once, unless a question is open."""
        if self._echo.begun_at is None:
            self._due = now

    def take(self, packet: IPv6Packet, now: float) -> bool:
        """Return whether a packet is one of those that were sent."""
        return self._echo.take(packet, now) is not None

    def advance(self, now: float) -> list[bytes]:
        """Judge what is over; return what is to be sent to the border relay."""
        begun_at = self._echo.begun_at
        outcome = self._echo.end(now)
        if outcome is not None and begun_at is not None:
            self._judge(outcome.alive, begun_at, now)
        if self._due is None or now < self._due:
            return []
        self._due = None
        timeout = KEEPALIVE_TIMEOUT
        if self.state is not RelayState.ANSWERS:
            timeout = min(timeout, FIRST_TIMEOUT * 2 ** min(self._losses, KEEPALIVE_LOSSES))
        return self._echo.begin((), timeout, now)

    def _judge(self, alive: bool, begun_at: float, now: float) -> None:
        self._losses = 0 if alive else self._losses + 1
        if alive:
            self.state, self._has_answered = RelayState.ANSWERS, True
        elif self._losses >= KEEPALIVE_LOSSES:
            self.state = RelayState.SILENT if self._has_answered else RelayState.MUTE
        self._due = now if 0 < self._losses <= KEEPALIVE_EAGER else max(now, begun_at + self._interval)
