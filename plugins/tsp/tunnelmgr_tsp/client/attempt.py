"""One TSP session of the client with one broker, on a channel of its own."""

from ipaddress import IPv4Address

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_tsp.client import troubles
from tunnelmgr_tsp.client.dialogue import ClientDialogue, Outcome, Settled
from tunnelmgr_tsp.client.exchange import Exchange
from tunnelmgr_tsp.client.troubles import Trouble
from tunnelmgr_tsp.constants import STREAM_TIMEOUT
from tunnelmgr_tsp.wire.framing import Medium, StreamReader


class Attempt:
    """Drives a ClientDialogue. Its inputs return the outcome of a step, None while one is awaited."""

    def __init__(
        self,
        channel: str,
        medium: Medium,
        endpoint: Endpoint,
        dialogue: ClientDialogue,
        sends_max: int,
        outbox: Outbox,
        now: float,
    ) -> None:
        self.channel = channel
        self.medium = medium
        self.endpoint = endpoint
        self.local = IPv4Address(0)
        """The address we speak from, once that is known."""
        self._dialogue = dialogue
        self._exchange = Exchange(sends_max, now)
        self._reader = StreamReader()
        self._outbox = outbox
        self._stream_due_at = now + STREAM_TIMEOUT if medium is Medium.TCP else None
        self._heard = False

    @property
    def round_trip(self) -> float | None:
        """Seconds the broker took to answer; None over TCP."""
        return self._exchange.round_trip

    @property
    def mechanism(self) -> str:
        """How we authenticated."""
        return self._dialogue.mechanism.value if self._dialogue.mechanism else "none"

    def begin(self, local: IPv4Address, now: float) -> None:
        """Open the session: the channel is ready."""
        self.local = local
        self._say(now, self._dialogue.begin(local))

    def receive(self, data: bytes, now: float) -> Outcome | None:
        """Take a control datagram, or a piece of the stream."""
        try:
            if self.medium is Medium.UDP:
                text = self._exchange.receive(data, now)
                messages = [] if text is None else [text]
            else:
                messages = self._reader.feed(data)
        except WireError as error:
            # A datagram may be a stranger's, and is dropped. A stream has one sender, and cannot be followed past a mistake.
            return None if self.medium is Medium.UDP else troubles.PROTOCOL_ERROR.of(self._dialogue.broker, what=error)
        for message in messages:
            self._heard = True
            self._stream_due_at = None if self.medium is Medium.UDP else now + STREAM_TIMEOUT
            step = self._dialogue.receive(message)
            if not isinstance(step, tuple):
                self._stream_due_at = None
                return step
            self._say(now, *step)
        return None

    def accept(self, now: float) -> Outcome | None:
        """Take the offer. Over TCP the broker does not answer to that (section 13)."""
        self._say(now, self._dialogue.accept())
        self._stream_due_at = None
        return Settled.ACCEPTED if self.medium is Medium.TCP else None

    def reject(self, now: float) -> None:
        """Refuse the offer; the broker's acknowledgement is not waited for."""
        self._say(now, self._dialogue.reject())

    def ended(self) -> Trouble:
        """Return what it means that the broker says nothing, or closed or refused the connection."""
        return (troubles.FELL_SILENT if self._heard else troubles.SILENT).of(self._dialogue.broker)

    def next_timeout(self) -> float | None:
        return self._exchange.due_at if self.medium is Medium.UDP else self._stream_due_at

    def handle_timeout(self, now: float) -> Trouble | None:
        """Send again, or give up."""
        if self.medium is Medium.TCP:
            return self.ended() if self._stream_due_at is not None and now >= self._stream_due_at else None
        copy = self._exchange.handle_timeout(now)
        if copy is not None:
            self._outbox.send(Datagram(self.channel, copy, self.endpoint))
        return self.ended() if self._exchange.silent else None

    def _say(self, now: float, *messages: bytes) -> None:
        for message in messages:
            data = self._exchange.request(message, now) if self.medium is Medium.UDP else message
            self._outbox.send(Datagram(self.channel, data, self.endpoint))
