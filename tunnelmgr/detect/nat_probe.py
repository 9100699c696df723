"""Which NAT is on the way: the tests of RFC 5780 section 4 against STUN servers.

Each socket has one task, so that no test opens the filter for another (RFC 5780 section 4.4): MAPPING speaks with every
address there is, FILTERING with one address of one server only, HAIRPIN is the second inside endpoint. CONFIRMING asks
again what FILTERING found open: its port may have been somebody's before, for whom the NAT still lets the server in. The
first server that has two addresses is explored; where none has, different servers still tell how the NAT maps.
"""

from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from tunnelmgr.api.addresses import is_seen_by, is_within
from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.report import Filtering
from tunnelmgr.detect.behaviour import Sighting
from tunnelmgr.detect.inquiries import PATIENT, Inquiries, Inquiry, InquiryState, brisk
from tunnelmgr.detect.stun import BindingError, BindingResponse, ChangeRequest

MAPPING, FILTERING, HAIRPIN = CHANNELS = ("mapping", "filtering", "hairpin")
CONFIRMING = "confirming"  # opened when there is something to confirm


class ProbeStage(Enum):
    """Where the tests are.

    WAITING --begin--> CHOOSING --a server answers--> EXPLORING --all is asked--> DONE
                          |                                                        ^
                          `---------------all servers are silent-------------------'
    """

    WAITING = "waiting"
    CHOOSING = "choosing"
    EXPLORING = "exploring"
    DONE = "done"


class NatProbe:
    """Runs the tests; what was asked and answered is for others to read."""

    def __init__(self, inquiries: Inquiries, outbox: Outbox) -> None:
        self._inquiries = inquiries
        self._own: frozenset[IPv4Address] = frozenset()
        self._near: tuple[IPv4Network, ...] = ()
        self._outbox = outbox
        self.stage = ProbeStage.WAITING
        self.servers: list[Inquiry] = []
        """The first question to each server."""
        self.explored: Inquiry | None = None
        """The first question to the server that was explored."""
        self.elsewhere: list[Inquiry] = []
        """The same from the same socket to its other address."""
        self.fence: Inquiry | None = None
        """Asked on the socket of the filtering tests: while it is answered, the others are lost to a filter only."""
        self.from_other_address: Inquiry | None = None
        self.from_other_port: Inquiry | None = None
        self.confirmation: Inquiry | None = None
        """`from_other_address` again, when that was answered."""
        self.hairpin: Inquiry | None = None
        """Where the second inside endpoint is seen."""
        self.turned: list[Inquiry] = []
        """Questions of the inside endpoints to each other's outside endpoints."""
        self.turned_round = False
        """Whether one of these arrived."""

    @property
    def done(self) -> bool:
        return self.stage is ProbeStage.DONE

    def begin(self, servers: Sequence[Endpoint], own: Collection[IPv4Interface], now: float) -> None:
        """Ask all servers; `own` are this host's addresses with their networks. No server makes an end at once."""
        self.stage, self._own = ProbeStage.CHOOSING, frozenset(one.ip for one in own)
        self._near = tuple(one.network for one in own)
        self.servers = [self._inquiries.ask_stun(MAPPING, server, PATIENT, now) for server in servers]
        self.advance(now)

    def receive(self, datagram: Datagram) -> bool:
        """Return True if a datagram is a question of ours that the NAT turned round, and remember it."""
        turned = (inquiry := self._inquiries.asked(datagram.data)) is not None and inquiry in self.turned
        self.turned_round |= turned
        return turned

    def advance(self, now: float) -> None:
        """Do what the answers so far allow."""
        if self.stage is ProbeStage.CHOOSING and (chosen := self._choose()) is not None:
            self._explore(chosen, now)
        if self.stage is ProbeStage.CHOOSING and all(inquiry.settled for inquiry in self.servers):
            self.stage = ProbeStage.DONE
        if self.stage is ProbeStage.EXPLORING:
            self._turn_round(now)
            self._confirm(now)
            if all(inquiry.settled for inquiry in self._asked()):
                self.stage = ProbeStage.DONE

    def _asked(self) -> Iterator[Inquiry]:
        yield from self.servers
        yield from self.elsewhere
        tests = (self.fence, self.from_other_address, self.from_other_port, self.confirmation, self.hairpin)
        yield from (one for one in tests if one)
        # One that came round is answered, whatever else is.
        yield from () if self.turned_round else self.turned

    def _choose(self) -> Inquiry | None:
        """A server with two addresses as soon as one is heard; any other only when none is left to wait for."""
        answered = [inquiry for inquiry in self.servers if inquiry.state is InquiryState.ANSWERED and inquiry.mapped]
        if best := [inquiry for inquiry in answered if other_address(inquiry, self._near)]:
            return best[0]
        return answered[0] if answered and all(inquiry.settled for inquiry in self.servers) else None

    def _explore(self, chosen: Inquiry, now: float) -> None:
        self.stage, self.explored = ProbeStage.EXPLORING, chosen
        ask, schedule = self._inquiries.ask_stun, brisk(chosen)
        if self._is_translated(chosen):
            self.hairpin = ask(HAIRPIN, chosen.remote, schedule, now)
        if (other := other_address(chosen, self._near)) is None:
            return
        for remote in (Endpoint(other.address, chosen.remote.port), other):
            self.elsewhere.append(ask(MAPPING, remote, schedule, now))
        self.fence = ask(FILTERING, chosen.remote, schedule, now)
        self.from_other_address = ask(FILTERING, chosen.remote, schedule, now, ChangeRequest.ADDRESS_AND_PORT)
        self.from_other_port = ask(FILTERING, chosen.remote, schedule, now, ChangeRequest.PORT)

    def _is_translated(self, inquiry: Inquiry) -> bool:
        """Whether there is a NAT on the way: elsewhere nothing turns round, and everything comes in."""
        return inquiry.mapped is not None and inquiry.mapped.address not in self._own

    def _turn_round(self, now: float) -> None:
        """Let both inside endpoints send to each other's outside one: each opens the filter for the other."""
        one, two = self.explored, self.hairpin
        if self.turned or one is None or two is None or one.mapped is None or two.mapped is None:
            return
        ask, schedule = self._inquiries.ask_stun, brisk(two)
        self.turned = [ask(MAPPING, two.mapped, schedule, now), ask(HAIRPIN, one.mapped, schedule, now)]

    def _confirm(self, now: float) -> None:
        far, explored = self.from_other_address, self.explored
        if self.confirmation is not None or explored is None or far is None or far.state is not InquiryState.ANSWERED:
            return
        if self._is_translated(explored):
            self._outbox.say(OpenChannel(CONFIRMING, ChannelKind.UDP))
            self.confirmation = self._inquiries.ask_stun(
                CONFIRMING, explored.remote, brisk(explored), now, ChangeRequest.ADDRESS_AND_PORT
            )

    # What the answers say.

    def sightings(self) -> list[Sighting]:
        """Return who saw the MAPPING socket where."""
        asked = [*self.servers, *self.elsewhere]
        return [Sighting(inquiry.remote, inquiry.mapped) for inquiry in asked if inquiry.mapped is not None]

    def filtering(self) -> Filtering | None:
        """Return what the NAT lets in; None where no server could or would show it."""
        far, near = self.answer_from_elsewhere, self.from_other_port
        if far is None or near is None or self.fence is None or self.fence.state is not InquiryState.ANSWERED:
            return None
        if self.ignores_changes:
            return None
        if far.state is InquiryState.ANSWERED:
            return Filtering.ENDPOINT_INDEPENDENT
        return Filtering.ADDRESS if near.state is InquiryState.ANSWERED else Filtering.ADDRESS_AND_PORT

    @property
    def answer_from_elsewhere(self) -> Inquiry | None:
        """The question that tells whether an answer from another address comes in: the second one if that was lost."""
        again = self.confirmation
        return again if again is not None and again.state is InquiryState.SILENT else self.from_other_address

    @property
    def ignores_changes(self) -> bool:
        """Whether the server refuses CHANGE-REQUEST, or answers as if it was not asked for anything."""
        tests = [one for one in (self.from_other_address, self.from_other_port) if one is not None]
        return any(isinstance(one.answer, BindingError) or one.answered_from == one.remote for one in tests)

    def hairpins(self) -> bool | None:
        """Return whether the NAT turns packets for its own outside round; None where that was not tried to the end."""
        if self.turned_round:
            return True
        return False if self.turned and all(inquiry.settled for inquiry in self.turned) else None


def other_address(inquiry: Inquiry, near: Collection[IPv4Network]) -> Endpoint | None:
    """Return where else the server that answered can be asked, if that differs in address and port, as it must.

    A server outside has no second address inside our networks, `near` among them: it would have us knock there.
    """
    answer = inquiry.answer
    if not isinstance(answer, BindingResponse) or answer.other is None:
        return None
    differs = answer.other.address != inquiry.remote.address and answer.other.port != inquiry.remote.port
    is_possible = answer.other.port and is_seen_by(answer.other.address, inquiry.remote.address)
    is_ours = is_within(answer.other.address, near) and not is_within(inquiry.remote.address, near)
    return answer.other if differs and is_possible and not is_ours else None
