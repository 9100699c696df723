"""ICMPv6 errors for packets that came to grief in IPv4 or on the way there (RFC 4213 section 3.4), few a second."""

from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address

from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets import (
    DestinationUnreachable,
    Icmpv6Error,
    PacketTooBig,
    TimeExceeded,
    TimeExceededCode,
    UnreachableCode,
    icmpv6_error,
)
from tunnelmgr_sixinfour.constants import ERROR_ANSWERS


class ErrorAnswers:
    """Answers packets with errors, ERROR_ANSWERS in any second at most."""

    def __init__(self, source: IPv6Address, outbox: Outbox, *, to: str, by: Callable[[bytes], None]) -> None:
        """They go `by` this, and are counted as `errors-to-<to>`."""
        self._source = source
        self._outbox = outbox
        self._counter = f"errors-to-{to}"
        self._give = by
        self._answered_at: deque[float] = deque(maxlen=ERROR_ANSWERS)

    @classmethod
    def to_host(cls, source: IPv6Address, outbox: Outbox) -> "ErrorAnswers":
        """Those for this host and its LAN."""
        return cls(source, outbox, to="host", by=outbox.deliver)

    def unreachable(self, packet: bytes, now: float) -> None:
        """Say that nobody is there."""
        self._answer(DestinationUnreachable(UnreachableCode.ADDRESS_UNREACHABLE, packet), now)

    def too_big(self, packet: bytes, mtu: int, now: float) -> None:
        """Say how large packets may be."""
        self._answer(PacketTooBig(mtu, packet), now)

    def expired(self, packet: bytes, now: float) -> None:
        """Say that it has gone too far."""
        self._answer(TimeExceeded(TimeExceededCode.HOP_LIMIT, packet), now)

    def _answer(self, error: Icmpv6Error, now: float) -> None:
        answer = icmpv6_error(error, self._source)  # None also when the quote is too short to tell whom to answer
        if answer is None or (len(self._answered_at) == ERROR_ANSWERS and now - self._answered_at[0] < 1.0):
            return
        self._answered_at.append(now)
        self._outbox.count(self._counter)
        self._give(answer.serialize())
