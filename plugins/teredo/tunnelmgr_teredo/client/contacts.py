"""Getting in touch with peers: rounds of bubbles or echo tests (RFC 4380 section 5.2.4), CONTACT_ROUNDS at most.

A round towards a Teredo peer is an indirect bubble through the peer's server and a direct one to its mapping. Their
order matters to NATs that take unsolicited packets for their own (docs/protocols/nat-lab.md, "The race"): the first
packet of each side must leave its own NAT before the other side's arrives there. So:

    at once     a direct bubble with an outer TTL that ends behind our own NAT: it opens that NAT and reaches no other
    at once     the indirect bubble; the peer answers it directly, through its own NAT
    later       the direct bubble, by when the peer's answer has opened the peer's NAT: as soon as an indirect bubble of the
                peer says that it has answered, else after DIRECT_BUBBLE_DELAY. It is needed where the first one opened too
                little, as behind two NATs. The delay is not short, because the peer may be busy, or asleep on its radio

With symmetric NATs (RFC 6081 section 5.2) either side may have to hear from the other through the server before a direct
bubble can be believed, so an indirect bubble is answered with one of each.
"""

import heapq
from ipaddress import IPv6Address
from itertools import count
from random import Random

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.limits import TokenBucket
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.client.bubbles import BubbleBudget
from tunnelmgr_teredo.client.discovery import LocalDiscovery
from tunnelmgr_teredo.client.echo_test import EchoTest
from tunnelmgr_teredo.client.identity import Identity
from tunnelmgr_teredo.client.peers import Peer, PeerStanding
from tunnelmgr_teredo.client.return_routability import ReturnRoutability
from tunnelmgr_teredo.client.settings import ExtensionSettings
from tunnelmgr_teredo.constants import (
    BUBBLE_INTERVAL,
    CONTACT_ROUNDS,
    CONTACT_TIMEOUT,
    DIRECT_BUBBLE_DELAY,
    OPENER_TTL,
    SERVICE,
    STRANGER_ECHO_TESTS,
)
from tunnelmgr_teredo.drops import Drop
from tunnelmgr_teredo.wire.datagram import bubble, with_trailers
from tunnelmgr_teredo.wire.trailers import Trailer

ROUND_TIME = max(CONTACT_TIMEOUT, BUBBLE_INTERVAL)  # seconds from an unanswered round to the next
CONTACT_TIME = CONTACT_ROUNDS * ROUND_TIME  # seconds until a peer that does not answer is given up


class Contacts:
    """Sends what gets us in touch, now or when it is due."""

    def __init__(
        self,
        identity: Identity,
        extensions: ExtensionSettings,
        discovery: LocalDiscovery | None,
        random: Random,
        outbox: Outbox,
    ) -> None:
        self._identity = identity
        self._discovery = discovery
        self._random = random
        self._outbox = outbox
        self._extensions = extensions
        self._proofs = ReturnRoutability(random)
        self._budget = BubbleBudget()
        self._stranger_tests = TokenBucket(STRANGER_ECHO_TESTS, STRANGER_ECHO_TESTS)
        self._due: list[tuple[float, int, Peer]] = []
        self._number = count()
        self._tested: list[Peer] = []

    def begin(self, peer: Peer, now: float) -> bool:
        """Try to reach a peer, unless that is being done; False when it has been tried too often without an answer."""
        if peer.contact_until is not None:
            return True
        first = peer.rounds.earliest(now, peer.sent_at)
        if first is None:
            return False
        peer.contact_until = now + CONTACT_TIME
        peer.round_at = first
        self._work(peer, now)
        return True

    def end(self, peer: Peer) -> None:
        """The peer was heard: nothing more is due."""
        peer.rounds.answered()
        self.forget(peer)

    def forget(self, peer: Peer) -> None:
        """Drop what is due for a peer."""
        peer.contact_until = peer.round_at = peer.direct_bubble_at = peer.answer_at = None
        peer.asked_as_miredo = False

    def answer(self, peer: Peer, trailers: tuple[Trailer, ...], now: float) -> None:
        """Answer an indirect bubble of a Teredo peer as soon as the limits allow; `trailers` came with it."""
        self._proofs.asked(peer, trailers)
        if peer.direct_bubble_at is not None:
            peer.direct_bubble_at = now  # its NAT is open: nothing is left to wait for
        elif peer.round_at is not None:
            return  # the next round is as good an answer
        elif peer.answer_at is None:
            peer.answer_at = peer.rounds.earliest(now, peer.sent_at)
            if peer.answer_at is None:
                self._outbox.drop(Drop.BUBBLE_LIMIT)
                return
        self._work(peer, now)

    def answer_neighbour(self, peer: Peer, now: float) -> None:
        """Answer a discovery bubble on the link it came from, if the limits allow."""
        if peer.local is None or peer.rounds.earliest(now, peer.sent_at) != now:
            self._outbox.drop(Drop.BUBBLE_LIMIT)
            return
        peer.rounds.count(now)
        self._bubble(peer.address, peer.local, now)

    def answer_relay(self, relay: IPv6Address, origin: Endpoint, now: float) -> None:
        """Answer the bubble of a relay, which opens our NAT for it; `relay` may be a link-local address (Miredo)."""
        self._bubble(relay, origin, now)

    def answer_proven(self, peer: Peer, now: float) -> None:
        """Answer a bubble that proved another mapping than the peer's address has, unless a packet that waited has done so.

        The peer learns only from this that we heard it, and would wait for its next round.
        """
        if self._extensions.symmetric and peer.sent_at != now:
            self._direct_bubble(peer, now)

    def ask_as_miredo(self, peer: Peer, now: float) -> None:
        """Ask a peer that answers us from elsewhere without a proof, as Miredo behind a symmetric NAT does."""
        if self._extensions.symmetric and peer.round_at is not None and not peer.asked_as_miredo:
            self._bubble_from_link_local(peer, now)

    def is_proof(self, peer: Peer, trailers: tuple[Trailer, ...]) -> bool:
        """True if a direct bubble with these trailers answers an indirect one of ours."""
        return self._extensions.symmetric and self._proofs.is_answered(peer, trailers)

    def is_proof_of_source(self, packet: IPv6Packet) -> bool:
        """True if a bubble answers one that we sent from a link-local address."""
        return self._extensions.symmetric and self._proofs.is_answer_to_link_local(packet)

    def handle_timeout(self, now: float) -> list[Peer]:
        """Do what is due; return the peers that are given up."""
        given_up = []
        while self._due and self._due[0][0] <= now:
            _, _, peer = heapq.heappop(self._due)
            if peer.round_at is not None and peer.round_at <= now and self._is_exhausted(peer, now):
                self.forget(peer)
                given_up.append(peer)
            else:
                self._work(peer, now)
        return given_up

    def tested(self) -> list[Peer]:
        """Drain the peers that an echo test went out for."""
        tested, self._tested = self._tested, []
        return tested

    def next_timeout(self) -> float | None:
        while self._due:
            at, _, peer = self._due[0]
            if at in (peer.round_at, peer.direct_bubble_at, peer.answer_at):
                return at
            heapq.heappop(self._due)  # no longer wanted
        return None

    def _is_exhausted(self, peer: Peer, now: float) -> bool:
        # By the clock, too: a peer that calls all the time puts our rounds off, and this host must not wait for ever.
        out_of_time = peer.contact_until is not None and now >= peer.contact_until
        return out_of_time or peer.rounds.earliest(now, None) is None

    def _work(self, peer: Peer, now: float) -> None:
        """Send what is due to one peer and note when to come back."""
        if peer.direct_bubble_at is not None and peer.direct_bubble_at <= now:
            peer.direct_bubble_at = None
            self._direct_bubble(peer, now)
        if peer.answer_at is not None and peer.answer_at <= now:
            peer.answer_at = None
            peer.rounds.count(now)
            self._direct_bubble(peer, now)
            if self._extensions.symmetric and not peer.is_valid(now):
                self._indirect_bubble(peer, now)
        if peer.round_at is not None and peer.round_at <= now:
            # An answer given meanwhile counts as a round, too.
            earliest = peer.rounds.earliest(now, peer.sent_at)
            # None: rounds and answers have used up what section 5.2.6 allows. The last one is given its time all the same.
            if earliest is not None and earliest <= now:
                self._round(peer, now)
                earliest = now + ROUND_TIME
            peer.round_at = earliest if earliest is not None else now + ROUND_TIME
        for at in (peer.round_at, peer.direct_bubble_at, peer.answer_at):
            if at is not None:
                heapq.heappush(self._due, (at, next(self._number), peer))

    def _round(self, peer: Peer, now: float) -> None:
        peer.rounds.count(now)
        if peer.teredo is None:
            self._echo_test(peer, now)
            return
        if peer.is_local(now) and peer.local is not None:
            # Case 3 of section 5.2.4: on the link, where no NAT and no server stand between us.
            self._bubble(peer.address, peer.local, now)
            if self._discovery is not None:
                self._discovery.announce(now)  # so that the peer knows where we are, too
            return
        if peer.nonce_received is not None:
            # It has heard of us: the race is over, and the bubble proves where we are.
            self._direct_bubble(peer, now)
        else:
            # Without a NAT there is nothing to open.
            if self._identity.behind_nat:
                self._bubble(peer.address, peer.teredo.mapped, now, ttl=OPENER_TTL)
            peer.direct_bubble_at = now + DIRECT_BUBBLE_DELAY
        self._indirect_bubble(peer, now)

    def _echo_test(self, peer: Peer, now: float) -> None:
        if peer.standing is PeerStanding.UNSOLICITED and not self._stranger_tests.take(now):
            self._outbox.drop(Drop.ECHO_LIMIT)
            return
        test = EchoTest.draw(self._random, now)
        peer.echo_tests = (*peer.echo_tests, test)[-CONTACT_ROUNDS:]  # a reply slower than the next test is as good
        self._tested.append(peer)
        packet = test.request(self._identity.address, peer.address, self._random)
        self._outbox.count("echo-tests-sent")
        self._outbox.send(Datagram(SERVICE, packet, self._identity.server.primary_endpoint))

    def _direct_bubble(self, peer: Peer, now: float) -> None:
        if peer.teredo is not None:
            # Not to where an untrusted peer was last: anyone could have made us believe that (teredo.md section 4.9).
            remote = peer.mapped if peer.trusted else peer.teredo.mapped
            trailers = self._proofs.answer(peer) if self._extensions.symmetric else ()
            self._bubble(peer.address, remote, now, trailers)

    def _indirect_bubble(self, peer: Peer, now: float) -> None:
        if peer.teredo is None:
            return
        if not self._extensions.symmetric:
            self._bubble(peer.address, peer.teredo.server_endpoint, now)
            return
        self._bubble(peer.address, peer.teredo.server_endpoint, now, (self._proofs.question(peer),))
        if peer.rounds.unanswered > 1:
            self._bubble_from_link_local(peer, now)

    def _bubble_from_link_local(self, peer: Peer, now: float) -> None:
        """Ask what Miredo behind a symmetric NAT proves its mapping by; not at first, since no other peer needs it."""
        if peer.teredo is not None:
            peer.asked_as_miredo = True
            source = self._proofs.link_local(peer.address)
            self._bubble(peer.address, peer.teredo.server_endpoint, now, source=source)

    def _bubble(
        self,
        destination: IPv6Address,
        remote: Endpoint,
        now: float,
        trailers: tuple[Trailer, ...] = (),
        ttl: int | None = None,
        source: IPv6Address | None = None,
    ) -> None:
        if not self._budget.allows(remote, now):
            self._outbox.drop(Drop.BUBBLE_LIMIT)
            return
        self._outbox.count("bubbles-sent")
        packet = bubble(source or self._identity.address, destination)
        self._outbox.send(Datagram(SERVICE, with_trailers(packet, *trailers), remote, ttl=ttl))
