"""Watches a tunnel by echo requests through it (docs/protocols/tsp.md section 10).

Any packet from the tunnel is a sign of life. Until the first one, echoes leave every second, so that a path that was
never there shows soon; afterwards at the broker's interval, and at once after a loss. A lost tunnel is asked on: it may
come back before another one is found.
"""

from ipaddress import IPv6Address
from random import Random

from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.tunnel import earliest
from tunnelmgr_tsp.client.terms import Terms
from tunnelmgr_tsp.constants import (
    FIRST_KEEPALIVES_INTERVAL,
    KEEPALIVE_BYTES,
    KEEPALIVE_LOSSES_MAX,
    KEEPALIVE_SPREAD,
    KEEPALIVE_TIMEOUT,
)


class TunnelWatch:
    """The life of one tunnel. Without an address to ask, it sends nothing and takes the tunnel for alive."""

    def __init__(self, terms: Terms, random: Random, now: float) -> None:
        self._own = terms.address
        self._target = terms.keepalive_address
        self._interval = terms.keepalive_interval
        self._fatal = terms.keepalive_asked
        """True if lost echoes mean that the tunnel is gone: then the broker has asked for them (TSP-12)."""
        self._random = random
        self._identifier = random.getrandbits(16)
        self._data = random.randbytes(KEEPALIVE_BYTES)
        self._sequence = 0
        self._send_at: float | None = now if self._target is not None else None
        self._outstanding: dict[int, float] = {}
        self._losses = 0
        self.alive = self._target is None
        """True if anything came through the tunnel yet."""
        self.heard_at: float | None = None
        """Instant of the last sign of life."""
        self.round_trip: float | None = None
        """Seconds the latest echo took."""

    @property
    def lost(self) -> bool:
        """True if nothing comes through any more."""
        return self._fatal and self._losses >= KEEPALIVE_LOSSES_MAX

    def heard(self, at: float) -> None:
        """Note a packet that came through the tunnel at this instant."""
        if self.heard_at is not None and at <= self.heard_at:
            return
        self.heard_at = at
        self._losses = 0
        self._outstanding = {number: sent for number, sent in self._outstanding.items() if sent > at}
        if not self.alive:
            self.alive = True
            self._schedule(at)

    def is_answer(self, packet: IPv6Packet, now: float) -> bool:
        """True if a packet, its checksum found good, answers one of our echoes; takes note of it if so."""
        if packet.source != self._target or packet.destination != self._own or packet.next_header != IpProtocol.ICMPV6:
            return False
        message = parse_icmpv6(packet)
        if not isinstance(message, EchoReply) or (message.identifier, message.data) != (self._identifier, self._data):
            return False
        sent_at = self._outstanding.get(message.sequence)
        if sent_at is not None:
            self.round_trip = now - sent_at
            self.heard(now)
        return True

    def handle_timeout(self, now: float) -> bytes | None:
        """Count what was lost; return the echo request that is due."""
        late = [number for number, sent in self._outstanding.items() if now >= sent + KEEPALIVE_TIMEOUT]
        for number in late:
            del self._outstanding[number]
            self._losses += 1
        if late and (self.alive or self.lost):
            self._send_at = now
        if self._target is None or self._send_at is None or now < self._send_at:
            return None
        return self._request(self._target, now)

    def next_timeout(self) -> float | None:
        return earliest(self._send_at, *(sent + KEEPALIVE_TIMEOUT for sent in self._outstanding.values()))

    def _request(self, target: IPv6Address, now: float) -> bytes:
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._outstanding[self._sequence] = now
        self._schedule(now)
        echo = EchoRequest(self._identifier, self._sequence, self._data)
        return icmpv6_packet(echo, self._own, target).serialize()

    def _schedule(self, now: float) -> None:
        if self.lost:
            self._send_at = now + KEEPALIVE_TIMEOUT
        elif self.alive or not self._fatal:
            self._send_at = now + self._interval * self._random.uniform(KEEPALIVE_SPREAD, 1.0)
        elif self._sequence < KEEPALIVE_LOSSES_MAX:
            self._send_at = now + FIRST_KEEPALIVES_INTERVAL
        else:
            self._send_at = None  # the first ones are out; what becomes of them decides
