"""The clients a relay knows: bounded, and fair to the native networks on whose behalf they were entered.

    CONTACTING  --answers-->  TRUSTED  --30 s unheard-->  SILENT  --300 s unheard--> (forgotten)
        |  ^                     ^                          | | ^
        |  |                     '----------heard-----------' | '--
        |  '-----------------a packet for it------------------'
        '--four bubbles without an answer--> (forgotten)

A native host that sweeps the Teredo address space can fill neither the list nor other networks' share of it (RFC 4380
section 7.3.5; teredo.md section 7.4): new entries are limited per second and network, a network holds no more than a
quarter of the list, entries without an answer no more than a quarter, and the only entries that ever go for a new one are
silent, the one longest silent first.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address

from tunnelmgr.api.limits import TokenBucket, TokenBuckets
from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.constants import (
    PEER_VALIDITY,
    RELAY_CHORES_MAX,
    RELAY_CONTACTS_SHARE,
    RELAY_NETWORK,
    RELAY_NETWORK_SHARE,
    RELAY_NETWORKS_MAX,
    RELAY_NEWCOMERS_IN_ALL,
    RELAY_NEWCOMERS_PER_NETWORK,
)
from tunnelmgr_teredo.drops import Drop, Refused


class ClientStanding(Enum):
    """Where a client stands with the relay; drawn above."""

    CONTACTING = "contacting"
    TRUSTED = "trusted"
    SILENT = "silent"


@dataclass(slots=True, eq=False)
class RelayPeer:
    """One client. A hundred thousand of them are nothing special, so there is little in it."""

    packed: bytes
    """Its Teredo address."""
    network: int
    """The native network on whose behalf it was entered."""
    standing: ClientStanding = ClientStanding.CONTACTING
    mapped: Endpoint | None = None
    """Where it answers from, if that is not the mapping in its address: it is behind a symmetric NAT."""
    received_at: float = float("-inf")
    path_said_at: float = float("-inf")
    check_at: float | None = None
    """When to look whether it is still heard; None while it is in no queue for that."""
    bubbles: int = 0
    """Sent since it was last heard."""

    @property
    def address(self) -> IPv6Address:
        return IPv6Address(self.packed)

    def is_valid(self, now: float) -> bool:
        """True if packets may be sent at once (RFC 4380 section 5.4.1)."""
        return self.standing is ClientStanding.TRUSTED and now - self.received_at < PEER_VALIDITY


class RelayPeers:
    """Clients by address."""

    def __init__(self, peers_max: int, network_share: float = RELAY_NETWORK_SHARE) -> None:
        """Leave one native network this share of the list; a host-specific relay is all for one network."""
        self._peers_max = peers_max
        self._contacts_max = int(peers_max * RELAY_CONTACTS_SHARE)
        self._network_max = int(peers_max * network_share)
        self._newcomers_per_network: TokenBuckets[int] = TokenBuckets(*RELAY_NEWCOMERS_PER_NETWORK, RELAY_NETWORKS_MAX)
        self._newcomers = TokenBucket(*RELAY_NEWCOMERS_IN_ALL)
        self._peers: dict[bytes, RelayPeer] = {}
        self._silences: deque[tuple[float, RelayPeer]] = deque()
        """Who fell silent, and when it was heard last; who was heard since is skipped."""
        self._contacting = self._silent = 0
        self._per_network: Counter[int] = Counter()
        self._networks: dict[int, int] = {}
        """Each network's number once, for all of its clients."""

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[RelayPeer]:
        return iter(self._peers.values())

    def __contains__(self, peer: RelayPeer) -> bool:
        return self._peers.get(peer.packed) is peer

    @property
    def trusted(self) -> int:
        """How many are trusted."""
        return len(self._peers) - self._silent - self._contacting

    @property
    def networks(self) -> int:
        """How many native networks they were entered for."""
        return len(self._per_network)

    def get(self, packed: bytes) -> RelayPeer | None:
        return self._peers.get(packed)

    def enter(self, packed: bytes, source: bytes, now: float) -> RelayPeer:
        """Enter a client a native host wants to reach. Raises Refused while that may not be."""
        network = network_of(source)
        if self._contacting >= self._contacts_max or self._per_network[network] >= self._network_max:
            raise Refused(Drop.TABLE_FULL)
        leaving = self.longest_silent() if len(self._peers) >= self._peers_max else None
        if len(self._peers) >= self._peers_max and leaving is None:
            raise Refused(Drop.TABLE_FULL)
        if not (self._newcomers_per_network.take(network, now) and self._newcomers.take(now)):
            raise Refused(Drop.NEWCOMER_LIMIT)
        if leaving is not None:
            self.remove(leaving)
        peer = self._peers[packed] = RelayPeer(packed, self._networks.setdefault(network, network))
        self._contacting += 1
        self._per_network[network] += 1
        return peer

    def move(self, peer: RelayPeer, standing: ClientStanding) -> None:
        """Change a client's standing."""
        self._leave(peer)
        peer.standing = standing
        if standing is ClientStanding.SILENT:
            self._silent += 1
            self._silences.append((peer.received_at, peer))
        elif standing is ClientStanding.CONTACTING:
            self._contacting += 1

    def remove(self, peer: RelayPeer) -> None:
        self._leave(peer)
        del self._peers[peer.packed]
        self._per_network[peer.network] -= 1
        if not self._per_network[peer.network]:
            del self._per_network[peer.network], self._networks[peer.network]

    def longest_silent(self) -> RelayPeer | None:
        """Return the client that is silent longest. None: there is none, or the search goes on the next time."""
        for _ in range(min(RELAY_CHORES_MAX, len(self._silences))):
            received_at, peer = self._silences[0]
            if peer.standing is ClientStanding.SILENT and peer.received_at == received_at and peer in self:
                return peer
            self._silences.popleft()
        return None

    def silent(self) -> Iterator[RelayPeer]:
        """Go through those that fell silent, the latest first; some may have been heard since."""
        return (peer for _, peer in reversed(self._silences))

    @property
    def silent_since(self) -> float | None:
        """An instant before which no silent client was heard last. None if no client is silent."""
        return self._silences[0][0] if self._silences else None

    def _leave(self, peer: RelayPeer) -> None:
        if peer.standing is ClientStanding.SILENT:
            self._silent -= 1
        elif peer.standing is ClientStanding.CONTACTING:
            self._contacting -= 1


def network_of(source: bytes) -> int:
    """Return the native network a packed source address is in, as the number of its prefix."""
    return int.from_bytes(source) >> 128 - RELAY_NETWORK
