"""A tunnel that was accepted: its path, its keepalives, and the packets that the data plane does not take."""

from ipaddress import IPv6Network
from random import Random

from tunnelmgr.api.addresses import is_within
from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.events import EVERYWHERE, PathUp
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.status import Fact, PeerStatus
from tunnelmgr_tsp.client.keepalive import TunnelWatch
from tunnelmgr_tsp.client.terms import Agreement
from tunnelmgr_tsp.constants import RENEWAL
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.datagrams import parse_inner, why_not_sent


class Carrying:
    """One accepted tunnel on one channel."""

    def __init__(self, agreement: Agreement, outbox: Outbox, random: Random, now: float) -> None:
        terms = agreement.terms
        self.agreement = agreement
        self.terms = terms
        self.channel = agreement.channel
        self.renew_at = now + RENEWAL * terms.lifetime
        self.sent_at: float | None = None
        self.watch = TunnelWatch(terms, random, now)
        self._began_at = now
        self._outbox = outbox

    @property
    def is_protocol41_blocked(self) -> bool:
        """True as long as nothing has come through a tunnel over protocol 41."""
        return self.terms.type is TunnelType.V6V4 and not self.watch.alive

    def path(self) -> PathUp:
        """Return what the data plane may carry by itself. Packets of the keepalive address come to us: echoes are ours."""
        watched = (IPv6Network(self.terms.keepalive_address),) if self.terms.keepalive_address is not None else ()
        ingress = (*self.terms.own, *watched)
        return PathUp(
            EVERYWHERE, self.terms.remote, self.channel, valid_for=None, ingress=ingress, local=self.terms.own_together
        )

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take a datagram with a packet, and deliver the packet when it is for this host."""
        if datagram.remote != self.terms.remote:
            self._outbox.count("dropped-not-the-broker")  # no other address can speak for the tunnel (section 9)
            return
        try:
            packet, raw = parse_inner(datagram.data)
            if is_within(packet.source, self.terms.own) or not is_within(packet.destination, self.terms.own):
                self._outbox.count("dropped-spoofed")
                return
            is_ours = self.watch.is_answer(packet, now)
        except WireError:
            self._outbox.count("dropped-malformed")
            return
        self.watch.heard(now)
        if is_ours:
            self._outbox.count("keepalives-answered")
        else:
            self._outbox.deliver(raw)

    def transmit(self, packet: bytes, now: float) -> None:
        """Send a packet of this host, if its source is ours."""
        try:
            parsed, raw = parse_inner(packet)
        except WireError:
            self._outbox.count(why_not_sent(packet))
            return
        # Also ends loops: what the default route brings back for an unused part of the prefix is from elsewhere.
        if not is_within(parsed.source, self.terms.own) or is_within(parsed.destination, self.terms.own):
            self._outbox.count("dropped-not-ours")
        else:
            self._send(raw, now)

    def handle_timeout(self, now: float) -> None:
        """Send the keepalive that is due."""
        if (echo := self.watch.handle_timeout(now)) is not None:
            self._outbox.count("keepalives-sent")
            self._send(echo, now)

    def silent_for(self, now: float) -> float:
        """Return for how many seconds nothing came through."""
        heard_at = self.watch.heard_at
        return now - (self._began_at if heard_at is None else heard_at)

    def peer_status(self, now: float) -> PeerStatus:
        """Return the broker as the peer of everything."""
        heard_at = self.watch.heard_at
        received = None if heard_at is None else now - heard_at
        sent = None if self.sent_at is None else now - self.sent_at
        target = self.terms.keepalive_address or EVERYWHERE
        return PeerStatus(str(target), str(self.terms.remote), "server", received, sent)

    def facts(self, now: float) -> dict[str, Fact]:
        """Return what `status` tells of the tunnel."""
        terms, agreement = self.terms, self.agreement
        return {
            "broker": str(agreement.broker),
            "tunnel": terms.type.value,
            "endpoint": str(terms.remote),
            "prefix": str(terms.prefix) if terms.prefix else None,
            "seen_as": str(agreement.seen_as) if agreement.seen_as else None,
            "name": terms.name or None,
            "authentication": agreement.authentication,
            "broker_round_trip_s": agreement.broker_round_trip,
            "round_trip_s": self.watch.round_trip,
            "renewal_in_s": round(self.renew_at - now),
        }

    def _send(self, packet: bytes, now: float) -> None:
        self.sent_at = now
        self._outbox.send(Datagram(self.channel, packet, self.terms.remote))
