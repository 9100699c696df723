"""How a broker hears clients and answers them: repetitions over UDP, order over TCP, and bounds for each address.

The owner gets requests, each with its session, and gives back the answers (docs/protocols/tsp.md sections 3 and 18).
"""

from collections import deque
from collections.abc import Iterator
from ipaddress import IPv4Address
from random import Random
from typing import NamedTuple

from tunnelmgr.api.datagrams import Accepted, Datagram
from tunnelmgr.api.effects import CloseChannel
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.limits import TokenBuckets
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_tsp.broker.dialogue import BrokerAnswer, BrokerDialogue, BrokerStage, Policy
from tunnelmgr_tsp.broker.sessions import ClientSession, ClientSessions
from tunnelmgr_tsp.constants import ADDRESSES_COUNTED_MAX, REQUESTS_BURST, REQUESTS_PER_SECOND, RSPAUTH_PAUSE, WAITING_MAX
from tunnelmgr_tsp.wire.datagrams import ECHO_REQUEST, ControlMessage
from tunnelmgr_tsp.wire.framing import BLANK, SUCCESS, Medium, Status

UDP, TCP = "tsp", "tsp-tcp"
_VERSION = b"VERSION="


class ClientRequest(NamedTuple):
    """A request that was not answered before."""

    session: ClientSession
    text: bytes


class Conversations:
    """The half-open sessions, and what is said in them."""

    def __init__(self, policy: Policy, random: Random, outbox: Outbox) -> None:
        self.sessions = ClientSessions()
        self._policy = policy
        self._random = random
        self._outbox = outbox
        self._requests: TokenBuckets[IPv4Address] = TokenBuckets(REQUESTS_BURST, REQUESTS_PER_SECOND, ADDRESSES_COUNTED_MAX)
        self._pausing: deque[tuple[float, ClientSession, bytes]] = deque()
        """When which stream is told what. All pauses are equally long, so the first ends first."""
        self._left: list[ClientSession] = []

    # -- hearing ----------------------------------------------------------------------------------------------------------

    def hear(self, datagram: Datagram, now: float) -> Iterator[ClientRequest]:
        """Yield the requests in a datagram, or in a piece of a stream; each is to be dealt with before the next."""
        if datagram.channel.startswith(f"{TCP}/"):
            yield from self._hear_stream(datagram, now)
        elif (request := self._hear_control(datagram, now)) is not None:
            yield request

    def resume(self, session: ClientSession, now: float) -> Iterator[ClientRequest]:
        """Yield what a client said on its stream while its last request was worked on."""
        while self.is_here(session) and session.waiting and session.dialogue.stage is not BrokerStage.CLAIMING:
            if not self._requests.take(session.remote.address, now):
                self.close(session)
                return
            yield self._request(session, session.waiting.pop(0))

    def welcome(self, event: Accepted, now: float) -> None:
        """Take a new connection, or close it."""
        if self.sessions.has_room_for(event.remote.address) and self._requests.take(event.remote.address, now):
            self._begin(event.connection, event.remote, Medium.TCP, now)
        else:
            self._outbox.count("dropped-no-room")
            self._outbox.say(CloseChannel(event.connection))

    def _hear_control(self, datagram: Datagram, now: float) -> ClientRequest | None:
        try:
            message = ControlMessage.parse(datagram.data)
        except WireError:
            self._outbox.count("dropped-malformed")
            return None
        if not self._requests.take(datagram.remote.address, now):
            self._outbox.count("dropped-too-many")
            return None
        if message.text.startswith(ECHO_REQUEST):
            self._reply(datagram.remote, message.sequence, message.timestamp, SUCCESS.serialize())
            return None
        session = self._session_of(datagram, message, now)
        if session is None:
            self._outbox.count("dropped-no-session")
            return None
        session.heard_at = now
        if self._is_repeated(session, message) or session.dialogue.stage is BrokerStage.CLAIMING:
            return None  # a client must wait for the answer to its last request (section 1)
        session.remember(message.sequence, message.text, message.timestamp)
        return self._request(session, message.text)

    def _request(self, session: ClientSession, text: bytes) -> ClientRequest:
        if session.dialogue.stage is not BrokerStage.HELLO:
            self.sessions.proceed(session)
        self._outbox.count("requests")
        return ClientRequest(session, text)

    def _is_repeated(self, session: ClientSession, message: ControlMessage) -> bool:
        """Answer once more what was answered already."""
        known = session.known(message.sequence, message.text)
        if known is None:
            return False
        known.timestamp = message.timestamp
        self._outbox.count("requests-repeated")
        if known.answer is not None:
            self._reply(session.remote, message.sequence, message.timestamp, known.answer)
        return True

    def _session_of(self, datagram: Datagram, message: ControlMessage, now: float) -> ClientSession | None:
        """Return the session a message belongs to, a new one for VERSION."""
        session = self.sessions.get(UDP, datagram.remote)
        begins = message.text.strip(BLANK).upper().startswith(_VERSION)
        if session is not None and begins and session.known(message.sequence, message.text) is not None:
            return session
        if not begins or (session is not None and session.is_silenced(now)):
            return session
        if session is None and not self.sessions.has_room_for(datagram.remote.address):
            self._outbox.count("dropped-no-room")
            return None
        return self._begin(UDP, datagram.remote, Medium.UDP, now)

    def _begin(self, channel: str, remote: Endpoint, medium: Medium, now: float) -> ClientSession:
        dialogue = BrokerDialogue(self._policy, remote.address, medium, self._random)
        session = ClientSession(channel, remote, medium, dialogue, now)
        if (in_the_way := self.sessions.in_the_way()) is not None:
            self._outbox.count("sessions-given-up")
            self.close(in_the_way)
        self.sessions.add(session)
        return session

    def _hear_stream(self, datagram: Datagram, now: float) -> Iterator[ClientRequest]:
        session = self.sessions.get(datagram.channel, datagram.remote)
        if session is None:
            return
        try:
            messages = session.reader.feed(datagram.data)
        except WireError:
            session.waiting = []
            self._outbox.send(Datagram(session.channel, Status(500, "Invalid request format").serialize(), session.remote))
            self.close(session)
            return
        session.waiting += messages
        if messages:  # single bytes must not keep a session open
            session.heard_at = now
        if len(session.waiting) > WAITING_MAX:
            self.close(session)
        yield from self.resume(session, now)

    # -- answering --------------------------------------------------------------------------------------------------------

    def answer(self, session: ClientSession, answer: BrokerAnswer, now: float) -> None:
        """Send an answer."""
        if session.medium is Medium.UDP:
            known = session.answered.get(session.sequence)
            if known is not None:
                known.answer = answer.text
                self._reply(session.remote, session.sequence, known.timestamp, answer.text)
            return
        if answer.text:
            self._outbox.send(Datagram(session.channel, answer.text, session.remote))
        if answer.later:
            self._pausing.append((now + RSPAUTH_PAUSE, session, answer.later))
        if answer.close:
            self.close(session)

    def end_pauses(self, now: float) -> None:
        """Send what had to wait until the words before it had arrived."""
        while self._pausing and self._pausing[0][0] <= now:
            _, session, text = self._pausing.popleft()
            if self.is_here(session):
                self._outbox.send(Datagram(session.channel, text, session.remote))

    @property
    def pause_ends_at(self) -> float | None:
        return self._pausing[0][0] if self._pausing else None

    def _reply(self, remote: Endpoint, sequence: int, timestamp: int, text: bytes) -> None:
        self._outbox.send(Datagram(UDP, ControlMessage(sequence, timestamp, text).serialize(), remote))

    # -- coming and going -------------------------------------------------------------------------------------------------

    def is_here(self, session: ClientSession) -> bool:
        """True if a session has not ended."""
        return self.sessions.get(session.channel, session.remote) is session

    def hung_up(self, channel: str) -> None:
        """Forget the session of a connection that is gone."""
        for session in self.sessions:
            if session.channel == channel:
                self._forget(session)

    def close_idle(self, now: float) -> None:
        """End the sessions that have been silent for too long."""
        for session in self.sessions.idle(now):
            self.close(session)

    def close(self, session: ClientSession) -> None:
        """End a session; over TCP once the last words have left."""
        self._forget(session)
        if session.medium is Medium.TCP:
            self._outbox.say(CloseChannel(session.channel))

    def take_left(self) -> list[ClientSession]:
        """Return the sessions that ended since the last call."""
        left, self._left = self._left, []
        return left

    def _forget(self, session: ClientSession) -> None:
        self.sessions.remove(session)
        self._left.append(session)
