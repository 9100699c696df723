"""ICMPv6 errors for packets that cannot be carried (RFC 4443), few a second (section 2.4 (f))."""

from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address

from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.icmpv6 import icmpv6_error
from tunnelmgr.api.packets.icmpv6_errors import (
    DestinationUnreachable,
    Icmpv6Error,
    PacketTooBig,
    TimeExceeded,
    TimeExceededCode,
    UnreachableCode,
)


class ErrorAnswers:
    """Answers packets with errors, to this host and those it forwards for, `limit` of them in any second at most."""

    def __init__(
        self,
        source: IPv6Address,
        limit: int,
        outbox: Outbox,
        *,
        to: str = "host",
        by: Callable[[bytes], None] | None = None,
    ) -> None:
        """They go `by` this, to this host by default, and are counted as `errors-to-<to>`."""
        self.source = source
        """Whose answers they are."""
        self._limit = limit
        self._outbox = outbox
        self._counter = f"errors-to-{to}"
        self._give = by or outbox.deliver
        self._answered_at: deque[float] = deque(maxlen=limit)

    def unreachable(self, packet: bytes, now: float) -> None:
        """Say that no host is there."""
        self._answer(DestinationUnreachable(UnreachableCode.ADDRESS_UNREACHABLE, packet), now)

    def prohibited(self, packet: bytes, now: float) -> None:
        """Say that packets like this may not be sent from here."""
        self._answer(DestinationUnreachable(UnreachableCode.ADMINISTRATIVELY_PROHIBITED, packet), now)

    def too_big(self, packet: bytes, mtu: int, now: float) -> None:
        """Say how large packets may be, in bytes."""
        self._answer(PacketTooBig(mtu, packet), now)

    def expired(self, packet: bytes, now: float) -> None:
        """Say that it has gone too far."""
        self._answer(TimeExceeded(TimeExceededCode.HOP_LIMIT, packet), now)

    def _answer(self, error: Icmpv6Error, now: float) -> None:
        answer = icmpv6_error(error, self.source)  # None also when the quote is too short to tell its source
        if answer is None or (len(self._answered_at) == self._limit and now - self._answered_at[0] < 1.0):
            return
        self._answered_at.append(now)
        self._outbox.count(self._counter)
        self._give(answer.serialize())
