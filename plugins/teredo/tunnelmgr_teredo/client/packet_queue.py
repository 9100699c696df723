"""Packets that wait until their peer is known: first in, first out, bounded per peer and for all peers together."""

from collections import deque
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_teredo.constants import QUEUE_BYTES_MAX, QUEUE_PACKETS_MAX, QUEUES_BYTES_MAX
from tunnelmgr_teredo.drops import Drop


class Waiting(NamedTuple):
    """A packet, and where it came from if it came from outside."""

    packet: bytes
    source: Endpoint | None = None


class PacketQueues:
    """All packets that wait in one direction, by peer."""

    def __init__(self, outbox: Outbox, size: int = QUEUES_BYTES_MAX) -> None:
        """Hold `size` bytes in all at most."""
        self._outbox = outbox
        self._free = size
        self._queues: dict[Hashable, deque[Waiting]] = {}

    def hold(self, peer: Hashable, packet: bytes, source: Endpoint | None = None) -> None:
        """Append a packet. The oldest of the peer's are dropped for it, or itself when there is no space at all."""
        queue = self._queues.setdefault(peer, deque())
        size = sum(len(waiting.packet) for waiting in queue)
        while queue and (len(queue) >= QUEUE_PACKETS_MAX or size + len(packet) > QUEUE_BYTES_MAX):
            oldest = len(queue.popleft().packet)
            size -= oldest
            self._free += oldest
            self._outbox.drop(Drop.QUEUE_FULL)
        if len(packet) > min(self._free, QUEUE_BYTES_MAX):
            self._outbox.drop(Drop.QUEUE_FULL)
            return
        queue.append(Waiting(packet, source))
        self._free -= len(packet)

    def drain(self, peer: Hashable) -> Sequence[Waiting]:
        """Return a peer's packets in order and forget them."""
        waiting = self._queues.pop(peer, ())
        self._free += sum(len(one.packet) for one in waiting)
        return waiting
