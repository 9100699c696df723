"""Proof that a direct bubble answers an indirect one of ours, wherever it comes from.

A peer behind a symmetric NAT sends from a mapping that is not in its address. Two proofs are known. RFC 6081 section 5.2:
each indirect bubble carries a nonce, which the peer repeats. Miredo: the bubble has a link-local source address that
that cannot be guessed, and the peer answers to it. The second is for Miredo, which knows no trailers; no one else needs it.
"""

import hashlib
import hmac
from ipaddress import IPv6Address
from random import Random

from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.client.peers import Peer
from tunnelmgr_teredo.constants import LINK_LOCAL_PREFIX, PROOF_KEY_LENGTH, TRAILER_NONCE_LENGTH
from tunnelmgr_teredo.wire.datagram import is_bubble
from tunnelmgr_teredo.wire.trailers import NonceTrailer, Trailer, first_trailer


class ReturnRoutability:
    """Makes proofs, and knows its own again."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._key = random.randbytes(PROOF_KEY_LENGTH)

    def question(self, peer: Peer) -> NonceTrailer:
        """Return the trailer of the next indirect bubble to a peer (RFC 6081 section 5.2.4.1)."""
        peer.nonce_sent = self._random.randbytes(TRAILER_NONCE_LENGTH)
        return NonceTrailer(peer.nonce_sent)

    def asked(self, peer: Peer, trailers: tuple[Trailer, ...]) -> None:
        """Note what an indirect bubble of a peer wants repeated: nothing, if it says nothing (section 5.2.4.3)."""
        nonce = first_trailer(trailers, NonceTrailer)
        peer.nonce_received = nonce.nonce if nonce is not None else None

    def answer(self, peer: Peer) -> tuple[Trailer, ...]:
        """Return the trailers of a direct bubble to a peer (section 5.2.4.2)."""
        return (NonceTrailer(peer.nonce_received),) if peer.nonce_received is not None else ()

    def is_answered(self, peer: Peer, trailers: tuple[Trailer, ...]) -> bool:
        """True if a direct bubble repeats the nonce of the last indirect one we sent (section 5.2.4.4)."""
        nonce = first_trailer(trailers, NonceTrailer)
        if nonce is None or peer.nonce_sent is None:
            return False
        return hmac.compare_digest(nonce.nonce, peer.nonce_sent)

    def link_local(self, peer: IPv6Address) -> IPv6Address:
        """Return the source of a bubble to `peer` that only an answer to it can know."""
        digest = hmac.digest(self._key, peer.packed, hashlib.sha256)
        return IPv6Address(LINK_LOCAL_PREFIX.network_address.packed[:8] + digest[:8])

    def is_answer_to_link_local(self, packet: IPv6Packet) -> bool:
        """True if a bubble is addressed to the link-local address we showed to its source alone."""
        if not packet.destination.is_link_local or not is_bubble(packet):
            return False
        return hmac.compare_digest(packet.destination.packed, self.link_local(packet.source).packed)
