"""What a qualified client does with a datagram (RFC 4380 section 5.2.3; the order is teredo.md section 4.7)."""

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.client.echo_test import EchoTest, answered_by, echo_reply
from tunnelmgr_teredo.client.peer_book import PeerBook
from tunnelmgr_teredo.client.peers import Peer, PeerStanding
from tunnelmgr_teredo.client.settings import RelaySettings
from tunnelmgr_teredo.drops import Drop, Refused
from tunnelmgr_teredo.native import is_native, require_harmless
from tunnelmgr_teredo.wire.address import GlobalUnicast, TeredoAddress, is_teredo
from tunnelmgr_teredo.wire.datagram import Payload, is_bubble
from tunnelmgr_teredo.wire.trailers import Trailer

Trailers = tuple[Trailer, ...]


class Reception:
    """Judges datagrams of the service port. Everything it does not accept it refuses by raising."""

    def __init__(self, book: PeerBook, unicast: GlobalUnicast, relays: RelaySettings, outbox: Outbox) -> None:
        self._book = book
        self._unicast = unicast
        self._relays = relays
        self._outbox = outbox
        self._identity = book.identity

    def receive(self, payload: Payload, packet: IPv6Packet, datagram: Datagram, now: float) -> None:
        """Take one datagram that does not answer a solicitation. Raises WireError, Refused for the most part."""
        trailers = payload.trailers()  # may condemn the datagram
        if self._book.contacts.is_proof_of_source(packet):
            self._answer_to_link_local(packet, datagram.remote, now)
            return
        if packet.destination != self._identity.address:
            raise Refused(Drop.INNER_DESTINATION)
        if datagram.remote == self._identity.server.primary_endpoint and is_bubble(packet):
            self._bubble_from_server(payload, packet, trailers, now)
            return
        if packet.source == self._identity.address:
            raise Refused(Drop.INNER_SOURCE)
        if is_teredo(packet.source):
            self._from_teredo(payload, packet, trailers, datagram.remote, now)
        elif is_native(packet.source):
            self._from_native(payload, packet, datagram.remote, now)
        else:
            raise Refused(Drop.INNER_SOURCE)

    # -- bubbles through our server -----------------------------------------------------------------------------------

    def _bubble_from_server(self, payload: Payload, packet: IPv6Packet, trailers: Trailers, now: float) -> None:
        """Somebody wants to reach us and asks us to open our NAT."""
        if is_teredo(packet.source):
            self._indirect_bubble(payload, packet, trailers, now)
            return
        if payload.origin is None or not self._unicast.has_endpoint(payload.origin.endpoint):
            raise Refused(Drop.ORIGIN)
        if not packet.source.is_link_local and not is_native(packet.source):
            raise Refused(Drop.INNER_SOURCE)
        if not self._relays.accepts(payload.origin.endpoint.address):
            raise Refused(Drop.RELAY_REFUSED)
        self._book.contacts.answer_relay(packet.source, payload.origin.endpoint, now)
        if is_native(packet.source):
            peer = self._book.meet(packet.source, PeerStanding.UNSOLICITED, now)
            if not peer.is_valid(now):
                self._book.contacts.begin(peer, now)

    def _indirect_bubble(self, payload: Payload, packet: IPv6Packet, trailers: Trailers, now: float) -> None:
        teredo = TeredoAddress.parse(packet.source)
        origin = payload.origin.endpoint if payload.origin is not None else teredo.mapped
        if packet.source == self._identity.address or teredo.mapped == self._identity.mapped:
            raise Refused(Drop.INNER_SOURCE)
        if not self._unicast.has_endpoint(origin) or not self._unicast.has_client(teredo):
            raise Refused(Drop.ORIGIN)
        self._book.contacts.answer(self._book.meet(packet.source, PeerStanding.UNSOLICITED, now), trailers, now)

    def receive_announcement(self, packet: IPv6Packet, datagram: Datagram, now: float) -> None:
        """Take a discovery bubble that was found to be a neighbour's."""
        peer = self._book.meet(packet.source, PeerStanding.UNSOLICITED, now)
        peer.local, peer.discovered_at = datagram.remote, now
        self._book.contacts.answer_neighbour(peer, now)

    # -- packets of peers ---------------------------------------------------------------------------------------------

    def _from_teredo(self, payload: Payload, packet: IPv6Packet, trailers: Trailers, remote: Endpoint, now: float) -> None:
        peer = self._book.peers.get(packet.source)
        if peer is not None and peer.trusted and peer.mapped == remote:
            self._book.heard(peer, now)
        elif TeredoAddress.parse(packet.source).mapped == remote and self._unicast.has_endpoint(remote):
            peer = self._book.meet(packet.source, PeerStanding.UNSOLICITED, now)
            self._book.trust(peer, remote, now)
        elif peer is not None and peer.is_local(now) and peer.local == remote:
            self._book.trust(peer, remote, now)
        elif peer is not None and is_bubble(packet) and self._book.contacts.is_proof(peer, trailers):
            self._trust_elsewhere(peer, remote, now)
        else:
            same_nat = remote.address == TeredoAddress.parse(packet.source).mapped.address
            if peer is not None and same_nat and is_bubble(packet):
                self._book.contacts.ask_as_miredo(peer, now)
            raise Refused(Drop.MISMATCH)
        self._pass_up(payload.packet, packet)

    def _answer_to_link_local(self, packet: IPv6Packet, remote: Endpoint, now: float) -> None:
        peer = self._book.peers.get(packet.source)
        if peer is None:
            raise Refused(Drop.UNPROVEN)
        self._trust_elsewhere(peer, remote, now)

    def _trust_elsewhere(self, peer: Peer, remote: Endpoint, now: float) -> None:
        """A bubble has proven that the peer's NAT gave it another mapping towards us than towards its server."""
        if not self._unicast.has_endpoint(remote):
            raise Refused(Drop.ORIGIN)
        self._book.trust(peer, remote, now)
        self._outbox.count("bubbles-received")
        self._book.contacts.answer_proven(peer, now)

    def _from_native(self, payload: Payload, packet: IPv6Packet, remote: Endpoint, now: float) -> None:
        if not self._relays.accepts(remote.address):
            raise Refused(Drop.RELAY_REFUSED)
        if not self._unicast.has_endpoint(remote):
            raise Refused(Drop.OUTER_SOURCE)
        peer = self._book.peers.get(packet.source)
        reply = echo_reply(packet)
        test = answered_by(reply, peer.echo_tests, now) if reply is not None and peer is not None else None
        if peer is not None and test is not None:
            self._test_answered(peer, test, remote, now)
        elif peer is not None and peer.trusted and peer.mapped == remote:
            self._book.heard(peer, now)
            self._pass_up(payload.packet, packet)
        elif reply is not None and (peer is None or not peer.trusted):
            # Held and tested it would only provoke the next test: nothing of ours is answered by it.
            raise Refused(Drop.ECHO_REPLY)
        else:
            self._test_stranger(payload.packet, packet, remote, now)

    def _test_answered(self, peer: Peer, test: EchoTest, remote: Endpoint, now: float) -> None:
        if test.answered:
            raise Refused(Drop.ECHO_REPLY)  # a copy: it proves nothing, and the host has not asked either
        test.answered = True
        self._book.trust(peer, remote, now)
        for held in self._book.release_inward(peer, remote):
            self._pass_up(held, IPv6Packet.parse(held))

    def _test_stranger(self, data: bytes, packet: IPv6Packet, remote: Endpoint, now: float) -> None:
        """Hold a packet until an echo test has shown that its relay is where the packet came from."""
        if is_bubble(packet):
            raise Refused(Drop.UNPROVEN)
        require_harmless(packet)
        peer = self._book.meet(packet.source, PeerStanding.UNSOLICITED, now)
        if not self._book.contacts.begin(peer, now):
            raise Refused(Drop.ECHO_LIMIT)
        self._book.watch_for_replies(now)
        self._book.inward.hold(peer, data, remote)

    # -- to the host --------------------------------------------------------------------------------------------------

    def _pass_up(self, data: bytes, packet: IPv6Packet) -> None:
        if is_bubble(packet):
            self._outbox.count("bubbles-received")
            return
        require_harmless(packet)
        self._outbox.deliver(data)
