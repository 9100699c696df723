"""Finds out whether the NAT lets everybody in, which tells a full cone from the restricted kinds (RFC 4380 section 5.2.1).

A solicitation with the cone bit is answered from the server's *other* address. Sent to the first address from a port that
the second one has never heard of, its answer comes in only where the NAT does not filter. That is a look at the NAT and no
part of qualification, whose cone phase RFC 5991 section 3.2 ended for the bit it left in addresses: none of ours shows it.

Which of the restricted kinds it is, one server cannot tell: its two addresses answer from one port.
"""

from random import Random

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.tunnel import earliest
from tunnelmgr_teredo.client.servers import Server
from tunnelmgr_teredo.client.solicitation import CONE_SOLICITATION, Solicitation, SolicitationOutcome
from tunnelmgr_teredo.drops import Drop, Refused
from tunnelmgr_teredo.wire.datagram import Payload, SharedSecret

FILTERING = "filtering"


class FilteringTest:
    """One test, for one mapping."""

    channel = FILTERING

    def __init__(self, server: Server, secret: SharedSecret | None, random: Random, outbox: Outbox) -> None:
        self._server = server
        self._cone = Solicitation(random, outbox, secret, FILTERING, CONE_SOLICITATION)
        self._plain = Solicitation(random, outbox, secret, FILTERING)
        """Shows that answers of the server reach this port at all."""
        self.done = False
        self.lets_strangers_in: bool | None = None
        """None while unknown."""

    def begin(self, now: float) -> None:
        self._plain.ask(self._server.primary_endpoint, now)
        self._cone.ask(self._server.primary_endpoint, now)

    def receive(self, datagram: Datagram, now: float) -> None:
        payload = Payload.parse(datagram.data)
        if datagram.remote == self._server.secondary_endpoint and self._cone.outcome is SolicitationOutcome.WAITING:
            self._cone.require_answer(payload)
            self.lets_strangers_in = self.done = True
        elif self._plain.is_from(datagram.remote) and self._plain.is_answered_by(payload):
            self._plain.answered(now)
        elif self._cone.is_from(datagram.remote) and self._cone.is_answered_by(payload):
            self.done = True  # from the address that was asked: this server knows nothing of the bit
        else:
            raise Refused(Drop.RA_UNASKED)

    def handle_timeout(self, now: float) -> None:
        self._plain.handle_timeout(now)
        self._cone.handle_timeout(now)
        if self._cone.outcome is SolicitationOutcome.SILENT:
            self.done = True
            if self._plain.outcome is SolicitationOutcome.ANSWERED:
                self.lets_strangers_in = False

    def next_timeout(self) -> float | None:
        return earliest(self._plain.next_timeout(), self._cone.next_timeout())
