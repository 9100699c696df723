"""ICMPv6 errors for packets that cannot be sent (RFC 4443), to this host or whoever it forwards for: few a second."""

from collections import deque
from ipaddress import IPv6Address

from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.icmpv6_answer import icmpv6_error
from tunnelmgr.api.packets.icmpv6_errors import DestinationUnreachable, Icmpv6Error, PacketTooBig, UnreachableCode
from tunnelmgr_teredo.constants import CLIENT_LINK_LOCAL, HOST_ERRORS


class Unreachables:
    """Answers packets with errors, `limit` of them in any second at most."""

    def __init__(self, outbox: Outbox, limit: int = HOST_ERRORS) -> None:
        self._outbox = outbox
        self._limit = limit
        self._answered_at: deque[float] = deque(maxlen=limit)
        self.source: IPv6Address = CLIENT_LINK_LOCAL
        """Who says so: our Teredo address while there is one."""

    def unreachable(self, packet: bytes, now: float) -> None:
        """Say that nobody answers there."""
        self._answer(DestinationUnreachable(UnreachableCode.ADDRESS_UNREACHABLE, packet), now)

    def prohibited(self, packet: bytes, now: float) -> None:
        """Say that packets like this may not be sent from here."""
        self._answer(DestinationUnreachable(UnreachableCode.ADMINISTRATIVELY_PROHIBITED, packet), now)

    def too_big(self, packet: bytes, mtu: int, now: float) -> None:
        """Say how large packets may be."""
        self._answer(PacketTooBig(mtu, packet), now)

    def _answer(self, error: Icmpv6Error, now: float) -> None:
        answer = icmpv6_error(error, self.source)
        if answer is None or (len(self._answered_at) == self._limit and now - self._answered_at[0] < 1.0):
            return
        self._answered_at.append(now)
        self._outbox.count("errors-to-host")
        self._outbox.deliver(answer.serialize())
