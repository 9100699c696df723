"""Requests and answers over UDP, one at a time, retransmitted until answered (docs/protocols/tsp.md section 3)."""

from tunnelmgr_tsp.constants import (
    RETRANSMISSION_TIMEOUT,
    RETRANSMISSION_TIMEOUT_MAX,
    SENDS_MAX_ANSWERED,
    SEQUENCE_BITS,
    SEQUENCE_FIRST,
    TIMESTAMP_BITS,
)
from tunnelmgr_tsp.wire.datagrams import ControlMessage


class Exchange:
    """The client's side. What it returns is to be sent."""

    def __init__(self, sends_max: int, now: float) -> None:
        """`sends_max` bounds the transmissions until the broker has answered once."""
        self._sends_max = sends_max
        self._began_at = now
        self._sequence = SEQUENCE_FIRST - 1
        self._text: bytes | None = None
        self._sends = 0
        self._timeout = RETRANSMISSION_TIMEOUT
        self.due_at: float | None = None
        """When the next copy leaves, or the broker is given up."""
        self.answered = False
        """True if the broker has answered anything."""
        self.silent = False
        """True if the broker is given up."""
        self.round_trip: float | None = None
        """Seconds the latest answer took."""

    def request(self, text: bytes, now: float) -> bytes:
        """Begin a new request; the one before it is over."""
        self._sequence = (self._sequence + 1) % (1 << SEQUENCE_BITS)
        self._text, self._sends, self._timeout = text, 0, RETRANSMISSION_TIMEOUT
        return self._copy(text, now)

    def receive(self, data: bytes, now: float) -> bytes | None:
        """Take a control datagram; return the text when it answers the request under way, None when it is a late one.

        Raises WireError.
        """
        message = ControlMessage.parse(data)
        if self._text is None or message.sequence != self._sequence:
            return None
        self._text, self.due_at, self.answered = None, None, True
        # Each copy has a timestamp of its own, so the sample is right for any copy that was answered (section 3).
        elapsed = (self._timestamp(now) - message.timestamp) % (1 << TIMESTAMP_BITS) / 1000
        if elapsed <= now - self._began_at + 0.001:
            self.round_trip = elapsed
        return message.text

    def handle_timeout(self, now: float) -> bytes | None:
        """Return the next copy when it is due."""
        if self._text is None or self.due_at is None or now < self.due_at:
            return None
        if self._sends >= (SENDS_MAX_ANSWERED if self.answered else self._sends_max):
            self.silent, self.due_at = True, None
            return None
        self._timeout = min(2 * self._timeout, RETRANSMISSION_TIMEOUT_MAX)
        return self._copy(self._text, now)

    def _copy(self, text: bytes, now: float) -> bytes:
        self._sends += 1
        self.due_at = now + self._timeout
        return ControlMessage(self._sequence, self._timestamp(now), text).serialize()

    def _timestamp(self, now: float) -> int:
        """Milliseconds since the session began."""
        return int((now - self._began_at) * 1000) % (1 << TIMESTAMP_BITS)
