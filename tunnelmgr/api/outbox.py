"""What a Tunnel has to say, collected until the pump drains it, and what it counts."""

from collections import Counter
from enum import Enum

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.events import Event


class Outbox:
    """Datagrams, packets and events in order, and the counters of `status`."""

    def __init__(self) -> None:
        self._datagrams: list[Datagram] = []
        self._packets: list[bytes] = []
        self._events: list[Event] = []
        self.counters: Counter[str] = Counter()

    def send(self, *datagrams: Datagram) -> None:
        """Send datagrams, in order."""
        self._datagrams += datagrams

    def deliver(self, packet: bytes) -> None:
        """Deliver a packet to this host, and count it as `packets-delivered`."""
        self.counters["packets-delivered"] += 1
        self._packets.append(packet)

    def say(self, *events: Event) -> None:
        """Say events, or ask for effects, in order."""
        self._events += events

    def count(self, what: str) -> None:
        """Count something by its name in `status`."""
        self.counters[what] += 1

    def drop(self, reason: Enum) -> None:
        """Count a drop as `dropped-<reason>`, by the value of an enum member."""
        self.counters[f"dropped-{reason.value}"] += 1

    def drain_datagrams(self) -> list[Datagram]:
        """Return what is to be sent, and forget it."""
        drained, self._datagrams = self._datagrams, []
        return drained

    def drain_packets(self) -> list[bytes]:
        """Return what is to be delivered, and forget it."""
        drained, self._packets = self._packets, []
        return drained

    def drain_events(self) -> list[Event]:
        """Return what was said, and forget it."""
        drained, self._events = self._events, []
        return drained
