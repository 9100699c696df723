"""Packets that wait until their peer is known: first in, first out, bounded per peer and for all peers together."""

from collections import deque
from typing import NamedTuple

from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.constants import QUEUE_BYTES_MAX, QUEUE_PACKETS_MAX


class Waiting(NamedTuple):
    """A packet, and where it came from if it came from outside."""

    packet: bytes
    source: Endpoint | None = None


class QueueSpace:
    """What all queues of one direction may hold together, in bytes."""

    __slots__ = ("_free",)

    def __init__(self, size: int) -> None:
        self._free = size

    def take(self, size: int) -> bool:
        if size > self._free:
            return False
        self._free -= size
        return True

    def give_back(self, size: int) -> None:
        self._free += size


class PacketQueue:
    """One peer's packets in one direction."""

    __slots__ = ("_packets", "_size", "_space")

    def __init__(self, space: QueueSpace) -> None:
        self._space = space
        self._packets: deque[Waiting] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._packets)

    def push(self, packet: bytes, source: Endpoint | None = None) -> int:
        """Append a packet; return how many were dropped for it: the oldest, or itself when there is no space at all."""
        dropped = 0
        while self._packets and (len(self._packets) >= QUEUE_PACKETS_MAX or self._size + len(packet) > QUEUE_BYTES_MAX):
            self._pop()
            dropped += 1
        if self._size + len(packet) > QUEUE_BYTES_MAX or not self._space.take(len(packet)):
            return dropped + 1
        self._packets.append(Waiting(packet, source))
        self._size += len(packet)
        return dropped

    def drain(self) -> list[Waiting]:
        """Return all packets in order and forget them."""
        packets = list(self._packets)
        self._space.give_back(self._size)
        self._packets.clear()
        self._size = 0
        return packets

    def _pop(self) -> None:
        size = len(self._packets.popleft().packet)
        self._size -= size
        self._space.give_back(size)
