"""What a role has to say, collected until the pump drains it, and what it counts."""

from collections import Counter

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.effects import CloseChannel
from tunnelmgr.api.events import Event


class Outbox:
    """Datagrams, packets and events in order, and the counters of `status`."""

    def __init__(self) -> None:
        self._datagrams: list[Datagram] = []
        self._packets: list[bytes] = []
        self._events: list[Event] = []
        self._closing: list[str] = []
        self.counters: Counter[str] = Counter()

    def send(self, datagram: Datagram) -> None:
        self._datagrams.append(datagram)

    def deliver(self, packet: bytes) -> None:
        self._packets.append(packet)

    def say(self, event: Event) -> None:
        self._events.append(event)

    def close(self, channel: str) -> None:
        """Close a channel once what was said on it has left: the pump carries out events before it sends."""
        self._closing.append(channel)

    def close_due(self) -> None:
        """Close what waits to be closed. To be called in a later turn, which `closing_at` asks for."""
        for channel in self._closing:
            self.say(CloseChannel(channel))
        self._closing.clear()

    @property
    def closing_at(self) -> float | None:
        """When `close_due` is due: at once, or not at all."""
        return 0.0 if self._closing else None

    def count(self, what: str) -> None:
        self.counters[what] += 1

    def drain_datagrams(self) -> list[Datagram]:
        drained, self._datagrams = self._datagrams, []
        return drained

    def drain_packets(self) -> list[bytes]:
        drained, self._packets = self._packets, []
        return drained

    def drain_events(self) -> list[Event]:
        drained, self._events = self._events, []
        return drained
