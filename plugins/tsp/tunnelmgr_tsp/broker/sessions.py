"""The half-open sessions of a broker: how far each client has come, and what it was answered last.

Over UDP a request that comes again is answered again and never done twice, whatever came in between
(docs/protocols/tsp.md section 3).
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from ipaddress import IPv4Address

from tunnelmgr.api.network import Endpoint
from tunnelmgr_tsp.broker.dialogue import BrokerDialogue, BrokerStage
from tunnelmgr_tsp.constants import ANSWERS_KEPT_MAX, SESSION_TIMEOUT, SESSIONS_MAX, SESSIONS_PER_ADDRESS_MAX
from tunnelmgr_tsp.wire.framing import Medium, StreamReader


@dataclass(slots=True)
class Answered:
    """One request over UDP, and its answer once there is one."""

    digest: bytes
    """Of its text. The text may fill a datagram, and is not kept."""
    timestamp: int
    """Of the latest copy: that is the one to be answered."""
    answer: bytes | None = None


@dataclass(slots=True)
class ClientSession:
    """One client between its VERSION and its accept."""

    channel: str
    remote: Endpoint
    medium: Medium
    dialogue: BrokerDialogue
    heard_at: float
    answered: OrderedDict[int, Answered] = field(default_factory=OrderedDict)
    """By sequence number; empty over TCP."""
    sequence: int = 0
    """Of the request being worked on."""
    reader: StreamReader = field(default_factory=StreamReader)
    waiting: list[bytes] = field(default_factory=list)
    """Messages of a stream that came while one was being worked on."""
    silenced_until: float | None = None

    def is_silenced(self, now: float) -> bool:
        """True while this client gets no answer because it failed to authenticate too often."""
        return self.silenced_until is not None and now < self.silenced_until

    def remember(self, sequence: int, text: bytes, timestamp: int) -> None:
        """Note a new request."""
        self.sequence = sequence
        self.answered[sequence] = Answered(_digest(text), timestamp)
        while len(self.answered) > ANSWERS_KEPT_MAX:
            self.answered.popitem(last=False)

    def known(self, sequence: int, text: bytes) -> Answered | None:
        """Return a request that came before, when this is one."""
        known = self.answered.get(sequence)
        return known if known is not None and known.digest == _digest(text) else None


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=16).digest()


class ClientSessions:
    """All sessions. Half-open ones are bounded in total and for each address.

    When all places are taken, the oldest session whose client only said VERSION makes room: that much can be said from a
    forged address. If every client has gone on, a new one is refused. A session whose tunnel is up is kept a while, to
    answer again when the acknowledgement was lost; the oldest of these make room for others.
    """

    def __init__(self) -> None:
        self._half_open: dict[tuple[str, Endpoint], ClientSession] = {}
        self._fresh: OrderedDict[tuple[str, Endpoint], ClientSession] = OrderedDict()
        """The half-open sessions whose clients have not answered us yet, the oldest first."""
        self._settled: OrderedDict[tuple[str, Endpoint], ClientSession] = OrderedDict()
        self._per_address: Counter[IPv4Address] = Counter()

    def __len__(self) -> int:
        """Return how many are half-open."""
        return len(self._half_open)

    def __iter__(self) -> Iterator[ClientSession]:
        """Yield all, also those whose tunnels are up."""
        return iter([*self._half_open.values(), *self._settled.values()])

    def half_open(self) -> Iterator[ClientSession]:
        """Yield the half-open ones."""
        return iter(self._half_open.values())

    def get(self, channel: str, remote: Endpoint) -> ClientSession | None:
        return self._half_open.get((channel, remote)) or self._settled.get((channel, remote))

    def has_room_for(self, address: IPv4Address) -> bool:
        """True if one more session from an address may begin."""
        has_place = len(self._half_open) < SESSIONS_MAX or bool(self._fresh)
        return has_place and self._per_address[address] < SESSIONS_PER_ADDRESS_MAX

    def in_the_way(self) -> ClientSession | None:
        """Return the session that has to go before one more is added."""
        return next(iter(self._fresh.values())) if len(self._half_open) >= SESSIONS_MAX and self._fresh else None

    def add(self, session: ClientSession) -> None:
        """Enter a session, in place of an older one of the same client."""
        self.remove(self.get(session.channel, session.remote))
        self._half_open[session.channel, session.remote] = self._fresh[session.channel, session.remote] = session
        self._per_address[session.remote.address] += 1

    def proceed(self, session: ClientSession) -> None:
        """Note that a session's client has gone on after our first answer."""
        self._fresh.pop((session.channel, session.remote), None)

    def settle(self, session: ClientSession) -> None:
        """Note that a session's tunnel is up."""
        if session.medium is Medium.UDP and self._leave_half_open(session):
            self._settled[session.channel, session.remote] = session
            while len(self._settled) > SESSIONS_MAX:
                self._settled.popitem(last=False)

    def remove(self, session: ClientSession | None) -> None:
        """Forget a session. Does nothing for None, or for one that is gone already."""
        if session is None or self.get(session.channel, session.remote) is not session:
            return
        if not self._leave_half_open(session):
            del self._settled[session.channel, session.remote]

    def idle(self, now: float) -> list[ClientSession]:
        """Return those that said nothing for too long."""
        return [
            one for one in self if now - one.heard_at >= SESSION_TIMEOUT and one.dialogue.stage is not BrokerStage.CLAIMING
        ]

    def _leave_half_open(self, session: ClientSession) -> bool:
        if self._half_open.get((session.channel, session.remote)) is not session:
            return False
        del self._half_open[session.channel, session.remote]
        self._fresh.pop((session.channel, session.remote), None)
        self._per_address[session.remote.address] -= 1
        if not self._per_address[session.remote.address]:
            del self._per_address[session.remote.address]
        return True
