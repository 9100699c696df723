"""ICMPv6 errors for packets of this host and its LAN that came to grief in IPv4 (RFC 4213 section 3.4), few a second."""

from collections import deque
from ipaddress import IPv6Address

from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets import DestinationUnreachable, Icmpv6Error, PacketTooBig, UnreachableCode, icmpv6_error
from tunnelmgr_sixinfour.constants import HOST_ERRORS


class ErrorsToHost:
    """Answers packets with errors, HOST_ERRORS in any second at most."""

    def __init__(self, source: IPv6Address, outbox: Outbox) -> None:
        self._source = source
        self._outbox = outbox
        self._answered_at: deque[float] = deque(maxlen=HOST_ERRORS)

    def unreachable(self, packet: bytes, now: float) -> None:
        """Say that nobody is there."""
        self._answer(DestinationUnreachable(UnreachableCode.ADDRESS_UNREACHABLE, packet), now)

    def too_big(self, packet: bytes, mtu: int, now: float) -> None:
        """Say how large packets may be."""
        self._answer(PacketTooBig(mtu, packet), now)

    def _answer(self, error: Icmpv6Error, now: float) -> None:
        answer = icmpv6_error(error, self._source)  # None also when the quote is too short to tell whom to answer
        if answer is None or (len(self._answered_at) == HOST_ERRORS and now - self._answered_at[0] < 1.0):
            return
        self._answered_at.append(now)
        self._outbox.counters["errors-to-host"] += 1
        self._outbox.deliver(answer.serialize())
