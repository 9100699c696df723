"""What a role of TSP has to say: the outbox of every Tunnel, and channels to close once their last words have left."""

from tunnelmgr.api import outbox
from tunnelmgr.api.effects import CloseChannel


class Outbox:
    """Owns the common outbox and speaks through it."""

    def __init__(self) -> None:
        said = outbox.Outbox()
        self._closing: list[str] = []
        self.counters = said.counters
        self.send, self.deliver, self.say, self.count = said.send, said.deliver, said.say, said.count
        self.drain_datagrams, self.drain_packets = said.drain_datagrams, said.drain_packets
        self.drain_events = said.drain_events

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
