"""The peer list (RFC 4380 section 5.2): the peers a client knows, bounded so that strangers cannot push out friends."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv6Address

from tunnelmgr.api.effects import ANY
from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.client.bubbles import RoundLimit
from tunnelmgr_teredo.client.echo_test import EchoTest
from tunnelmgr_teredo.constants import LOCAL_PEER_MEMORY, PEER_IDLE_MAX, PEER_VALIDITY, STRANGERS_SHARE
from tunnelmgr_teredo.wire.address import TeredoAddress


class PeerStanding(Enum):
    """How well a peer is known; evicted in this order."""

    UNSOLICITED = "unsolicited"
    """It spoke first: anyone who can forge an IPv4 source can be that."""
    SOLICITED = "solicited"
    """This host wants to reach it, and nothing has been proven yet."""
    ESTABLISHED = "established"
    """It answered us, or packets have been going both ways for longer than a forgery keeps up."""


@dataclass(slots=True, eq=False)
class Peer:
    """One entry. Instants are on the Tunnel's clock, None for never."""

    address: IPv6Address
    teredo: TeredoAddress | None
    """The address taken apart; None for a native host."""
    created_at: float
    standing: PeerStanding = PeerStanding.UNSOLICITED
    mapped: Endpoint = ANY
    """Where packets go while it is trusted: the peer's mapping, or its relay."""
    trusted: bool = False
    received_at: float | None = None
    sent_at: float | None = None
    local: Endpoint | None = None
    """Its endpoint on our own link, from local discovery."""
    discovered_at: float | None = None
    rounds: RoundLimit = field(default_factory=RoundLimit)
    contact_until: float | None = None
    """While it is being contacted: when that is given up."""
    round_at: float | None = None
    direct_bubble_at: float | None = None
    answer_at: float | None = None
    echo_tests: tuple[EchoTest, ...] = ()
    asked_as_miredo: bool = False
    """True if a bubble from a link-local address went out since the contact began."""
    nonce_sent: bytes | None = None
    """Of our last indirect bubble: a direct one that repeats it is the peer's, wherever it comes from."""
    nonce_received: bytes | None = None
    """Of the peer's last indirect bubble, for our direct ones."""
    path: Endpoint | None = None
    """Where the data plane was told to send."""
    path_watched: bool = False
    """True if it leaves echo replies to us."""
    path_said_at: float = float("-inf")
    strikes: int = 0
    """ICMPv4 errors in a row."""

    def is_valid(self, now: float) -> bool:
        """True if packets may be sent at once (RFC 4380 section 5.2.4, case 1)."""
        return self.trusted and self.valid_for(now) > 0

    def valid_for(self, now: float) -> float:
        """Return for how many seconds what it has proven is good."""
        return 0.0 if self.received_at is None else self.received_at + PEER_VALIDITY - now

    def is_local(self, now: float) -> bool:
        """True if it was met on our own link not long ago (RFC 4380 section 5.2.4, case 3)."""
        if self.discovered_at is None:
            return False
        return now - self.discovered_at < LOCAL_PEER_MEMORY

    def is_proven(self, now: float) -> bool:
        """True if an entry that began with a packet of the peer's has lasted like a conversation."""
        return self.trusted and self.sent_at is not None and now - self.created_at >= PEER_VALIDITY

    def is_idle(self, now: float) -> bool:
        last = max(at for at in (self.created_at, self.received_at, self.sent_at, self.discovered_at) if at is not None)
        return now - last >= PEER_IDLE_MAX and self.contact_until is None


class PeerList:
    """Peers by address, in three classes, each from the one used longest ago to the one used last."""

    def __init__(self, peers_max: int) -> None:
        self._peers_max = peers_max
        self._strangers_max = int(peers_max * STRANGERS_SHARE)
        self._classes: dict[PeerStanding, OrderedDict[IPv6Address, Peer]] = {
            standing: OrderedDict() for standing in PeerStanding
        }
        self._peers: dict[IPv6Address, Peer] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Peer]:
        """Go through all peers, the most recently used of the best known first."""
        for standing in reversed(PeerStanding):
            yield from reversed(self._classes[standing].values())

    def get(self, address: IPv6Address) -> Peer | None:
        return self._peers.get(address)

    def add(self, peer: Peer) -> list[Peer]:
        """Enter a new peer; return those that had to go for it."""
        stranger = peer.standing is not PeerStanding.ESTABLISHED
        full = len(self._peers) >= self._peers_max or (stranger and self._strangers() >= self._strangers_max)
        evicted = [self._evict()] if full else []
        self._peers[peer.address] = self._classes[peer.standing][peer.address] = peer
        return evicted

    def remove(self, peer: Peer) -> None:
        del self._peers[peer.address]
        del self._classes[peer.standing][peer.address]

    def touch(self, peer: Peer) -> None:
        """Note that a peer is in use."""
        self._classes[peer.standing].move_to_end(peer.address)

    def promote(self, peer: Peer, standing: PeerStanding) -> None:
        """Move a peer to another class."""
        if peer.standing is not standing:
            del self._classes[peer.standing][peer.address]
            peer.standing = standing
            self._classes[standing][peer.address] = peer

    def idle(self, now: float) -> list[Peer]:
        """Return the peers unused for so long that they may be forgotten."""
        return [peer for peer in self._peers.values() if peer.is_idle(now)]

    def _strangers(self) -> int:
        return len(self._peers) - len(self._classes[PeerStanding.ESTABLISHED])

    def _evict(self) -> Peer:
        for standing in PeerStanding:
            if self._classes[standing]:
                _, peer = self._classes[standing].popitem(last=False)
                del self._peers[peer.address]
                return peer
        raise AssertionError("a full list is not empty")
