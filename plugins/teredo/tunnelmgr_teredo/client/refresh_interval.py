"""Finds out how long the NAT keeps a mapping (RFC 4380 section 5.2.7): a second port is left alone for a while and then
sent a bubble through the server. Off unless the user wants it.

    opening -> qualifying -> idling -> knocking -> (done)
                   ^                      |
                   '----------------------'

A longer interval is tried as long as the bubble comes through, a shorter one when it does not, until what works is close
to what does not. Either way of the bubble counts, over the server or directly (a NAT that hairpins).
"""

from enum import Enum
from random import Random

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.events import Notice
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.tunnel import earliest
from tunnelmgr_teredo.client.advertisement import read_advertisement
from tunnelmgr_teredo.client.identity import Identity
from tunnelmgr_teredo.client.solicitation import Solicitation, SolicitationOutcome
from tunnelmgr_teredo.constants import (
    INTERVAL_CLOSE_ENOUGH,
    INTERVAL_FIRST_GUESS,
    INTERVAL_MAX,
    KNOCK_TIMEOUT,
    KNOCKS_MAX,
    REFRESH_INTERVAL,
    SERVICE,
)
from tunnelmgr_teredo.drops import Drop, Refused
from tunnelmgr_teredo.wire.address import GlobalUnicast, TeredoAddress
from tunnelmgr_teredo.wire.datagram import Payload, SharedSecret, bubble, is_bubble

SECOND = "second"
"""The channel of the second port, used for nothing else."""


class SecondPortPhase(Enum):
    """What the second port is doing; drawn above."""

    OPENING = "opening"
    QUALIFYING = "qualifying"
    IDLING = "idling"
    KNOCKING = "knocking"
    DONE = "done"


class RefreshInterval:
    """One determination, for one identity."""

    channel = SECOND

    def __init__(
        self, identity: Identity, unicast: GlobalUnicast, secret: SharedSecret | None, random: Random, outbox: Outbox
    ) -> None:
        self._identity = identity
        self._unicast = unicast
        self._random = random
        self._outbox = outbox
        self._solicitation = Solicitation(random, outbox, secret, SECOND)
        self._address: TeredoAddress | None = None
        """What the second port is known as."""
        self._knocks = 0
        self._due_at: float | None = None
        self._longest = INTERVAL_MAX
        self._candidate = INTERVAL_FIRST_GUESS
        self.phase = SecondPortPhase.OPENING
        self.interval = REFRESH_INTERVAL
        """The longest interval that has worked so far, in seconds."""

    @property
    def done(self) -> bool:
        return self.phase is SecondPortPhase.DONE

    def begin(self, now: float) -> None:
        """Let the server say where it sees the second port."""
        self.phase = SecondPortPhase.QUALIFYING
        self._due_at = None
        self._solicitation.ask(self._identity.server.primary_endpoint, now)

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take what arrived on the second port. Raises WireError."""
        payload = Payload.parse(datagram.data)
        if self.phase is SecondPortPhase.QUALIFYING and self._solicitation.is_from(datagram.remote):
            self._solicitation.require_answer(payload)
            mapped = read_advertisement(payload, self._identity.server, self._unicast).mapped
            self._solicitation.answered(now)
            # Another mapping than before, if the NAT has forgotten that one.
            self._idle(mapped, now)
        elif self.phase is SecondPortPhase.KNOCKING and self._is_ours(IPv6Packet.parse(payload.packet)):
            self._came_through(now)
        else:
            raise Refused(Drop.MISMATCH)

    def handle_timeout(self, now: float) -> None:
        self._solicitation.handle_timeout(now)
        if self._solicitation.outcome is SolicitationOutcome.SILENT:
            self.phase = SecondPortPhase.DONE  # REFRESH_INTERVAL, which always works, stays
        if self._due_at is None or now < self._due_at:
            return
        if self.phase is SecondPortPhase.IDLING:
            self.phase = SecondPortPhase.KNOCKING
            self._knocks = 0
        if self._knocks < KNOCKS_MAX:
            self._knock(now)
        else:
            self._did_not_come_through(now)

    def next_timeout(self) -> float | None:
        return earliest(self._due_at, self._solicitation.next_timeout())

    def _idle(self, mapped: Endpoint, now: float) -> None:
        self.phase = SecondPortPhase.IDLING
        self._address = TeredoAddress.build(self._identity.server.primary, mapped, self._random)
        self._due_at = now + self._candidate

    def _knock(self, now: float) -> None:
        if self._address is not None:
            packet = bubble(self._identity.address, self._address.ipv6)
            # RFC 4380 section 5.2.7 does not name the way. Over the server the bubble comes from outside, as it should. Few
            # NATs let a direct one in, which is hairpinning, but where it comes in the mapping is there.
            for remote in (self._identity.server.primary_endpoint, self._address.mapped):
                self._outbox.send(Datagram(SERVICE, packet, remote))
        self._knocks += 1
        self._due_at = now + KNOCK_TIMEOUT

    def _is_ours(self, packet: IPv6Packet) -> bool:
        to_us = self._address is not None and packet.destination == self._address.ipv6
        return to_us and packet.source == self._identity.address and is_bubble(packet)

    def _came_through(self, now: float) -> None:
        self.interval = self._candidate
        # No further than twice what is known to work: a lost mapping costs a new qualification of the second port.
        self._candidate = min(2 * self.interval, (self.interval + self._longest) / 2)
        self._go_on(now)

    def _did_not_come_through(self, now: float) -> None:
        self._longest = self._candidate
        self._candidate = (self.interval + self._longest) / 2
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        # RFC 4380 asks after failures only, and would go on for ever where every bubble comes through.
        if self.interval < INTERVAL_CLOSE_ENOUGH * self._longest:
            self.begin(now)
            return
        self._outbox.say(Notice("teredo.refresh-interval", f"the NAT keeps its mapping for {self.interval:.0f} s"))
        self.phase = SecondPortPhase.DONE
