"""Questions to far ends by datagram: each repeated until it is answered, refused, or given up. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from random import Random

from tunnelmgr.api.addresses import is_seen_by
from tunnelmgr.api.datagrams import Datagram, IcmpReceived
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.port_control import AnnounceResponse, ExternalAddressResponse
from tunnelmgr.api.reach import Heard
from tunnelmgr.detect.constants import (
    BRISK_INTERVAL,
    BRISK_WAIT_MIN,
    REQUESTS_MAX,
    RETRANSMISSION_TIMEOUT,
    ROUND_TRIPS_WAITED,
    UDP_HEADERS,
)
from tunnelmgr.detect.stun import (
    TRANSACTION_ID_LENGTH,
    BindingError,
    BindingRequest,
    BindingResponse,
    ChangeRequest,
    answer_to,
)
from tunnelmgr.detect.upnp import GatewayFound

Answer = Heard | BindingResponse | BindingError | ExternalAddressResponse | AnnounceResponse | GatewayFound
_UNREACHABLE = 3  # ICMPv4 type; RFC 792
PORT_UNREACHABLE, FRAGMENTATION_NEEDED = 3, 4  # codes of it


class InquiryState(Enum):
    """What became of a question."""

    WAITING = "waiting"
    ANSWERED = "answered"
    REFUSED = "refused"
    """The network or the far end itself said that nobody is there (ICMP)."""
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to ask, and when to give up: seconds after the beginning."""

    at: tuple[float, ...]
    give_up: float


PATIENT = Schedule(
    at=tuple(accumulate((RETRANSMISSION_TIMEOUT * 2**n for n in range(REQUESTS_MAX - 1)), initial=0.0)),
    give_up=RETRANSMISSION_TIMEOUT * (2**REQUESTS_MAX - 1),
)
"""For a server that has not answered yet."""


@dataclass(slots=True, eq=False)
class Inquiry:
    """One question and what became of it."""

    channel: str
    remote: Endpoint
    request: bytes = field(repr=False)
    understand: Callable[[Datagram], Answer | None] = field(repr=False)
    schedule: Schedule
    begun_at: float
    state: InquiryState = InquiryState.WAITING
    transmissions: int = 0
    sent_at: float = 0.0
    settled_at: float | None = None
    round_trip: float | None = None
    """Seconds from the latest request to the answer."""
    answer: Answer | None = None
    answered_from: Endpoint | None = None
    icmp: IcmpReceived | None = None
    """Why it was refused."""
    answered_on: str = ""
    """Where the answer is expected, when not on the channel that asked."""

    @property
    def mapped(self) -> Endpoint | None:
        """Where the far end sees us; None where it did not say, or cannot."""
        claimed = self.claimed
        return claimed if claimed and claimed.port and is_seen_by(claimed.address, self.remote.address) else None

    @property
    def claimed(self) -> Endpoint | None:
        """Where the far end says that it sees us."""
        return self.answer.mapped if isinstance(self.answer, Heard | BindingResponse) else None

    @property
    def settled(self) -> bool:
        return self.state is not InquiryState.WAITING

    @property
    def refused_there(self) -> bool:
        """Whether the far end's own kernel says that nobody listens there: the question had reached it."""
        event = self.icmp
        return (
            event is not None
            and event.code == PORT_UNREACHABLE
            and event.reporter is not None
            and event.reporter.address == self.remote.address
        )

    @property
    def due_at(self) -> float:
        times = self.schedule.at
        return self.begun_at + (times[self.transmissions] if self.transmissions < len(times) else self.schedule.give_up)


def brisk(heard: Inquiry) -> Schedule:
    """Return the schedule for a server that was heard: no answer is an answer too."""
    wait = max(BRISK_WAIT_MIN, ROUND_TRIPS_WAITED * (heard.round_trip or 0.0))
    return Schedule((0.0, BRISK_INTERVAL, 2 * BRISK_INTERVAL), 2 * BRISK_INTERVAL + wait)


class Inquiries:
    """All questions under way. Whoever asked looks at the Inquiry for what became of it."""

    def __init__(self, outbox: Outbox, random: Random) -> None:
        self._all: list[Inquiry] = []
        self.strays = 0
        """Datagrams that answered no question: late, damaged, or forged."""
        self._outbox = outbox
        self._random = random

    def ask(
        self,
        channel: str,
        remote: Endpoint,
        request: bytes,
        understand: Callable[[Datagram], Answer | None],
        schedule: Schedule,
        now: float,
        *,
        answered_on: str = "",
    ) -> Inquiry:
        """Begin to ask. `understand` returns None for anything but an answer to this very question."""
        inquiry = Inquiry(channel, remote, request, understand, schedule, now, answered_on=answered_on or channel)
        self._all.append(inquiry)
        self.handle_timeout(now)
        return inquiry

    def ask_stun(
        self,
        channel: str,
        remote: Endpoint,
        schedule: Schedule,
        now: float,
        change: ChangeRequest = ChangeRequest.NOTHING,
        *,
        response_port: int | None = None,
        length: int = 0,
        answered_on: str = "",
    ) -> Inquiry:
        """Begin to ask a STUN server, of whom `BindingRequest` says what can be wished.

        Answers count from anywhere: that the server answers from elsewhere is what some questions ask for.
        """
        request = BindingRequest(self._random.randbytes(TRANSACTION_ID_LENGTH), change, response_port, length)
        understand = answer_to(request.transaction_id)
        return self.ask(channel, remote, request.serialize(), understand, schedule, now, answered_on=answered_on)

    def asked(self, data: bytes) -> Inquiry | None:
        """Return the question these bytes are, if they are one of ours that came back to us."""
        return next((inquiry for inquiry in self._all if inquiry.request == data), None)

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take what may be an answer; anything else is counted and dropped."""
        for inquiry in self._all:
            if inquiry.answered_on != datagram.channel or (answer := inquiry.understand(datagram)) is None:
                continue
            if not inquiry.settled:  # else it answers a repeated question a second time
                inquiry.answer, inquiry.answered_from = answer, datagram.remote
                inquiry.round_trip = now - inquiry.sent_at
                inquiry.state, inquiry.settled_at = InquiryState.ANSWERED, now
            return
        self.strays += 1

    def refused(self, event: IcmpReceived, now: float) -> None:
        """Take an ICMP error: a far end that cannot be reached need not be asked again."""
        for inquiry in self._waiting():
            if event.type == _UNREACHABLE and inquiry.channel == event.channel and _concerns(event, inquiry):
                inquiry.icmp, inquiry.state, inquiry.settled_at = event, InquiryState.REFUSED, now

    def handle_timeout(self, now: float) -> None:
        for inquiry in self._waiting():
            if now < inquiry.due_at:
                continue
            if inquiry.transmissions == len(inquiry.schedule.at):
                inquiry.state, inquiry.settled_at = InquiryState.SILENT, now
                continue
            inquiry.transmissions += 1
            inquiry.sent_at = now
            self._outbox.send(Datagram(inquiry.channel, inquiry.request, inquiry.remote))

    def next_timeout(self) -> float | None:
        return min((inquiry.due_at for inquiry in self._waiting()), default=None)

    def _waiting(self) -> Iterable[Inquiry]:
        return [inquiry for inquiry in self._all if not inquiry.settled]


def _concerns(event: IcmpReceived, inquiry: Inquiry) -> bool:
    """Return True if an ICMP error on the channel of a question is about it."""
    if event.code != FRAGMENTATION_NEEDED:
        return event.remote == inquiry.remote
    # All that is too large goes no further, whichever it is about; and what Linux itself finds too large it reports without
    # the port (__ip_append_data).
    return event.remote.address == inquiry.remote.address and UDP_HEADERS + len(inquiry.request) > event.mtu
