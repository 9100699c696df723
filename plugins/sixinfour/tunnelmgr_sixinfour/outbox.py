"""What a Tunnel has to say, collected until the pump drains it, and what it counts."""

from collections import Counter

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.events import Event
from tunnelmgr_sixinfour.drops import Drop


class Outbox:
    """Datagrams, packets and events in order, and the counters of `status`."""

    def __init__(self) -> None:
        self._datagrams: list[Datagram] = []
        self._packets: list[bytes] = []
        self._events: list[Event] = []
        self.counters: Counter[str] = Counter()

    def send(self, datagram: Datagram) -> None:
        self.counters["packets-sent"] += 1
        self._datagrams.append(datagram)

    def deliver(self, packet: bytes) -> None:
        self.counters["packets-delivered"] += 1
        self._packets.append(packet)

    def say(self, event: Event) -> None:
        self._events.append(event)

    def drop(self, reason: Drop) -> None:
        self.counters[f"dropped-{reason.value}"] += 1

    def drain_datagrams(self) -> list[Datagram]:
        datagrams, self._datagrams = self._datagrams, []
        return datagrams

    def drain_packets(self) -> list[bytes]:
        packets, self._packets = self._packets, []
        return packets

    def drain_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events
