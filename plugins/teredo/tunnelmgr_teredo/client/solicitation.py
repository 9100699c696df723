"""Asks one address of a server to advertise itself: three times at most, four seconds apart (RFC 4380 section 5.2.1)."""

import hmac
from enum import Enum
from random import Random

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.effects import ANY
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.discovery import RouterSolicitation
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet
from tunnelmgr_teredo.constants import (
    ALL_ROUTERS,
    CLIENT_LINK_LOCAL,
    CLIENT_LINK_LOCAL_CONE,
    NONCE_LENGTH,
    SERVICE,
    SOLICITATION_TIMEOUT,
    SOLICITATIONS_MAX,
)
from tunnelmgr_teredo.drops import Drop, Refused
from tunnelmgr_teredo.wire.datagram import Authentication, Payload, SharedSecret

SOLICITATION = icmpv6_packet(RouterSolicitation(), CLIENT_LINK_LOCAL, ALL_ROUTERS).serialize()
"""The packet a client asks with."""

CONE_SOLICITATION = icmpv6_packet(RouterSolicitation(), CLIENT_LINK_LOCAL_CONE, ALL_ROUTERS).serialize()
"""The one that is answered from the server's other address."""


class SolicitationOutcome(Enum):
    """What became of the question."""

    UNASKED = "unasked"
    WAITING = "waiting"
    ANSWERED = "answered"
    SILENT = "silent"


class KeyRefused(Refused):
    """The server answered, with the right signature, that our key is no longer valid."""


class Solicitation:
    """One address and the question put to it."""

    def __init__(
        self,
        random: Random,
        outbox: Outbox,
        secret: SharedSecret | None,
        channel: str = SERVICE,
        packet: bytes = SOLICITATION,
    ) -> None:
        self._random = random
        self._outbox = outbox
        self._secret = secret
        self._channel = channel
        self._packet = packet
        self._remote = ANY
        self._nonce = b""
        self._transmissions = 0
        self._sent_at = 0.0
        self.outcome = SolicitationOutcome.UNASKED
        self.round_trip: float | None = None
        """Seconds between the question that was answered and its answer."""

    def ask(self, remote: Endpoint, now: float) -> None:
        """Begin, whatever was going on before."""
        self._remote = remote
        self._transmissions = 0
        self.outcome = SolicitationOutcome.WAITING
        self._send(now)

    def cancel(self) -> None:
        self.outcome = SolicitationOutcome.UNASKED

    def is_from(self, remote: Endpoint) -> bool:
        """True if an answer is awaited from there."""
        return self.outcome is SolicitationOutcome.WAITING and remote == self._remote

    def is_answered_by(self, payload: Payload) -> bool:
        """True if a payload has the nonce of the question last sent."""
        header = payload.authentication
        return header is not None and hmac.compare_digest(header.nonce, self._nonce)

    def require_answer(self, payload: Payload) -> None:
        """Check that a payload answers the question last sent. Raises Refused, KeyRefused among it."""
        header = payload.authentication
        if header is None or not self.is_answered_by(payload):
            raise Refused(Drop.RA_UNASKED)
        if self._secret is not None and not self._secret.verifies(payload):
            raise Refused(Drop.RA_UNSIGNED)
        if header.confirmation:
            raise KeyRefused(Drop.RA_KEY_REFUSED)

    def answered(self, now: float) -> None:
        """Note that the answer was a good one."""
        self.outcome = SolicitationOutcome.ANSWERED
        self.round_trip = now - self._sent_at

    def next_timeout(self) -> float | None:
        return self._sent_at + SOLICITATION_TIMEOUT if self.outcome is SolicitationOutcome.WAITING else None

    def handle_timeout(self, now: float) -> None:
        at = self.next_timeout()
        if at is None or now < at:
            return
        if self._transmissions < SOLICITATIONS_MAX:
            self._send(now)
        else:
            self.outcome = SolicitationOutcome.SILENT

    def _send(self, now: float) -> None:
        # A nonce of its own for each transmission: a late answer to an earlier one tells nothing about the round trip.
        self._nonce = self._random.randbytes(NONCE_LENGTH)
        self._transmissions += 1
        self._sent_at = now
        self._outbox.count("solicitations-sent")
        asked = question(self._packet, self._nonce, self._secret)
        self._outbox.send(Datagram(self._channel, asked.serialize(), self._remote))


def question(packet: bytes, nonce: bytes, secret: SharedSecret | None) -> Payload:
    """Return a solicitation whose answer repeats the nonce, signed where there is a secret."""
    return Payload(packet, Authentication(nonce)) if secret is None else secret.sign(packet, nonce)
