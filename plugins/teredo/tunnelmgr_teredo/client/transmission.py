"""What a qualified client does with a packet of its host (RFC 4380 section 5.2.4; the order is teredo.md section 4.8).

Only packets the data plane does not carry by itself come here: the first ones to a peer, and what needs a look.
"""

from ipaddress import IPv6Address

from tunnelmgr.api.error_answers import ErrorAnswers
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.ipv6 import IPV6_DESTINATION, IPV6_SOURCE
from tunnelmgr_teredo.client.peer_book import PeerBook
from tunnelmgr_teredo.client.peers import PeerStanding
from tunnelmgr_teredo.drops import Drop
from tunnelmgr_teredo.native import is_native
from tunnelmgr_teredo.wire.address import GlobalUnicast, TeredoAddress, is_teredo


class Transmission:
    """Sends packets, or holds them while their destination is being contacted."""

    def __init__(self, book: PeerBook, unicast: GlobalUnicast, errors: ErrorAnswers, outbox: Outbox) -> None:
        self._book = book
        self._unicast = unicast
        self._errors = errors
        self._outbox = outbox
        self._identity = book.identity

    def transmit(self, packet: bytes, now: float) -> None:
        """Take one whole IPv6 packet."""
        destination = IPv6Address(packet[IPV6_DESTINATION])
        if destination.is_multicast or destination.is_link_local:
            self._outbox.drop(Drop.SCOPE)
        elif packet[IPV6_SOURCE] != self._identity.address.packed:
            self._outbox.drop(Drop.SOURCE)
            self._errors.prohibited(packet, now)
        elif len(packet) > self._identity.mtu:
            self._outbox.drop(Drop.TOO_BIG)
            self._errors.too_big(packet, self._identity.mtu, now)
        elif is_teredo(destination):
            self._to_teredo(destination, packet, now)
        elif is_native(destination):
            self._to_peer(destination, packet, now)
        else:
            self._outbox.drop(Drop.DESTINATION)
            self._errors.unreachable(packet, now)

    def _to_teredo(self, destination: IPv6Address, packet: bytes, now: float) -> None:
        teredo = TeredoAddress.parse(destination)
        if not self._unicast.has_client(teredo) or teredo.mapped == self._identity.mapped:
            self._outbox.drop(Drop.DESTINATION)
            return
        self._to_peer(destination, packet, now)

    def _to_peer(self, destination: IPv6Address, packet: bytes, now: float) -> None:
        peer = self._book.peers.get(destination)
        if peer is not None and peer.is_valid(now):
            self._book.send(peer, packet, now)
            return
        peer = self._book.meet(destination, PeerStanding.SOLICITED, now)
        if self._book.contacts.begin(peer, now):
            self._book.outward.hold(peer, packet)
        else:
            self._outbox.drop(Drop.UNREACHABLE)
            self._errors.unreachable(packet, now)
