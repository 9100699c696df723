"""The first routers on the way out, as traceroute(8) finds them: one datagram for each TTL, and who says it ended there."""

from ipaddress import IPv4Address

from tunnelmgr.api.datagrams import Datagram, IcmpReceived
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.detect.constants import HOPS, HOPS_TIMEOUT, TRACEROUTE_PORT

CHANNEL = "hops"
_TIME_EXCEEDED = 11  # ICMPv4 type; RFC 792


class Hops:
    """Asks once. Routers that keep silent are left out."""

    def __init__(self, outbox: Outbox) -> None:
        self.routers: dict[int, IPv4Address] = {}
        """By number, from 1."""
        self.heard_at: dict[int, float] = {}
        """When each was heard."""
        self._outbox = outbox
        self._begun = False
        self._until: float | None = None

    @property
    def done(self) -> bool:
        return self._until is None

    def begin(self, target: IPv4Address, now: float) -> None:
        """Send towards `target`, once. The port tells the TTLs apart: routers need not quote more than it (RFC 792)."""
        if self._begun:
            return
        self._begun, self._until = True, now + HOPS_TIMEOUT
        for ttl in range(1, HOPS + 1):
            self._outbox.send(Datagram(CHANNEL, b"", Endpoint(target, TRACEROUTE_PORT + ttl - 1), ttl=ttl))

    def icmp(self, event: IcmpReceived, now: float) -> None:
        """Take an ICMP error of this channel."""
        number = event.remote.port - TRACEROUTE_PORT + 1
        if event.type == _TIME_EXCEEDED and event.reporter is not None and 1 <= number <= HOPS:
            self.routers[number], self.heard_at[number] = event.reporter.address, now

    def handle_timeout(self, now: float) -> None:
        if self._until is not None and now >= self._until:
            self._until = None

    def next_timeout(self) -> float | None:
        return self._until
