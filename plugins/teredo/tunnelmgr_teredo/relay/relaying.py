"""What a relay does with packets (RFC 4380 section 5.4; docs/protocols/teredo.md section 7).

It asks a client to open its NAT by a bubble through the client's server; the client's direct answer proves where the
client is, and from there on packets flow without us: the data plane carries them.
"""

import itertools
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nlargest
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from random import Random

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.error_answers import ErrorAnswers
from tunnelmgr.api.events import PathDown, PathUp
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.ipv6 import IPV6_DESTINATION, IPV6_SOURCE, IPv6Packet, ipv6_length
from tunnelmgr.api.status import Fact, PathUse, PeerStatus
from tunnelmgr_teredo.client.bubbles import BubbleBudget
from tunnelmgr_teredo.client.packet_queue import PacketQueues
from tunnelmgr_teredo.client.return_routability import ReturnRoutability
from tunnelmgr_teredo.constants import (
    CLIENT_LINK_LOCAL,
    PATH_RENEWAL_INTERVAL,
    PATH_REPORT_INTERVAL,
    PEER_VALIDITY,
    RELAY_BUSY,
    RELAY_BUSY_REPORT_INTERVAL,
    RELAY_CHECK_INTERVAL,
    RELAY_CHORES_MAX,
    RELAY_CHORES_PAUSE,
    RELAY_CONTACT_ROUNDS,
    RELAY_CONTACT_TIMEOUT,
    RELAY_ERRORS,
    RELAY_PEER_MEMORY,
    RELAY_SERVER_BUDGET,
    STATUS_PEERS_MAX,
)
from tunnelmgr_teredo.drops import Drop, Refused, counted_by
from tunnelmgr_teredo.native import require_harmless
from tunnelmgr_teredo.relay.guests import Guests
from tunnelmgr_teredo.relay.peers import ClientStanding, RelayPeer, RelayPeers
from tunnelmgr_teredo.relay.served import Served
from tunnelmgr_teredo.wire.address import GlobalUnicast, TeredoAddress, is_teredo
from tunnelmgr_teredo.wire.datagram import Payload, bubble, is_bubble

RELAY = "relay"
"""The channel a relay's datagrams travel on."""


@dataclass(frozen=True, slots=True)
class RelayIdentity:
    """Who a relay is, and how it goes about."""

    own: frozenset[IPv4Address]
    """Every IPv4 address of this host, as it sees itself and as others see it: clients cannot be there."""
    bubble_source: IPv6Address | None = None
    """None: a link-local address for each client that cannot be guessed, so that an answer to it is a proof."""
    behind_nat: bool | None = False
    """True if a NAT in front of this relay must be opened by direct bubbles (RFC 4380 section 5.4.1); None: while this host
    has no public address."""


class Relaying:
    """Carries packets between clients and the native hosts it serves."""

    def __init__(
        self,
        identity: RelayIdentity,
        served: Served,
        peers: RelayPeers,
        guests: Guests,
        unicast: GlobalUnicast,
        random: Random,
        outbox: Outbox,
    ) -> None:
        self.peers = peers
        self._budget = BubbleBudget(RELAY_SERVER_BUDGET)
        self._guests = guests
        self._identity = identity
        self._served = served
        self._unicast = unicast
        self._outbox = outbox
        self._proofs = ReturnRoutability(random)
        self._errors = ErrorAnswers(CLIENT_LINK_LOCAL, RELAY_ERRORS, outbox)
        self._own = identity.own
        self._has_source = False
        self._ipv4_source: IPv4Address | None = None
        self._behind_nat = False
        self._waiting = PacketQueues(outbox)
        self._rounds: deque[tuple[float, RelayPeer]] = deque()
        """When the next bubble to each client is due. All wait equally long, so this is in order."""
        self._checks: deque[RelayPeer] = deque()
        """Whom to look at next, whether it is still heard; in order, too."""
        self._resume_at = float("-inf")
        """Not before this instant, because the last go left something to do."""
        self._report_at = float("inf")

    def network_changed(self, network: Network) -> None:
        """Learn this host's addresses: where no client can be, and where ICMPv6 errors are sent from, if at all."""
        self._own = self._identity.own.union(local.address.ip for local in network.addresses)
        source = self._identity.bubble_source or network.native_source
        self._has_source = source is not None
        private = network.source is not None and network.source not in self._unicast
        self._behind_nat = private if self._identity.behind_nat is None else self._identity.behind_nat
        if network.source != self._ipv4_source:
            self._ipv4_source = network.source
            self._doubt()
        if source is not None:
            self._errors.source = source

    def _doubt(self) -> None:
        """This host has moved: the NATs of clients know nothing of its new address, so each must be asked again."""
        for peer in self.peers:
            if peer.standing is ClientStanding.TRUSTED:
                self._leave_trust(peer, ClientStanding.SILENT)

    # -- from native IPv6 to clients (RFC 4380 section 5.4.1) ---------------------------------------------------------

    def transmit(self, packet: bytes, now: float) -> None:
        """Take a packet the data plane does not carry."""
        with counted_by(self._outbox):
            self._transmit(packet[: ipv6_length(packet)], now)

    def _transmit(self, packet: bytes, now: float) -> None:
        packed = packet[IPV6_DESTINATION]
        destination, source = IPv6Address(packed), IPv6Address(packet[IPV6_SOURCE])
        if destination.is_multicast or destination.is_link_local:
            raise Refused(Drop.SCOPE)
        if not self._served.sends(source):
            raise Refused(Drop.SOURCE)
        if not is_teredo(destination):
            self._refuse(packet, Drop.DESTINATION, now)
            return
        client = TeredoAddress.parse(destination)
        if not self._unicast.has_client(client) or client.mapped.address in self._own:
            raise Refused(Drop.DESTINATION)
        peer = self.peers.get(packed)
        if not self._guests.admits(client.mapped, now):
            self._refuse(packet, self._guests.refusal, now)
            return
        if peer is not None and peer.is_valid(now):
            self._send(peer, packet)
            return
        try:
            peer = self._contact(peer, packet, client, now)
        except Refused as refused:
            self._refuse(packet, refused.drop, now)
            return
        self._waiting.hold(peer, packet)

    def _contact(self, peer: RelayPeer | None, packet: bytes, client: TeredoAddress, now: float) -> RelayPeer:
        """Ask a client to answer us, unless that is being done. Raises Refused."""
        if peer is None:
            peer = self.peers.enter(packet[IPV6_DESTINATION], packet[IPV6_SOURCE], now)
        elif peer.standing is ClientStanding.CONTACTING:
            return peer
        else:
            self._leave_trust(peer, ClientStanding.CONTACTING)
        peer.bubbles = 0
        self._round(peer, client, now)
        return peer

    def _round(self, peer: RelayPeer, client: TeredoAddress, now: float) -> None:
        peer.bubbles += 1
        self._rounds.append((now + RELAY_CONTACT_TIMEOUT, peer))
        self._bubble(peer, client.server_endpoint, now)
        if self._behind_nat:
            # Our NAT lets the client's answer in only after it has seen us write to where the answer comes from.
            self._bubble(peer, client.mapped, now)

    def _bubble(self, peer: RelayPeer, remote: Endpoint, now: float) -> None:
        own_server = remote.address in self._own
        if not own_server and not self._budget.allows(remote, now):
            self._outbox.drop(Drop.BUBBLE_LIMIT)
            return
        self._outbox.count("bubbles-sent")
        # Whoever answers to a link-local source has seen the bubble, which went through the client's server.
        source = self._identity.bubble_source or self._proofs.link_local(peer.address)
        self._outbox.send(Datagram(RELAY, bubble(source, peer.address), remote))

    def _send(self, peer: RelayPeer, packet: bytes) -> None:
        self._outbox.count("packets-sent")
        self._outbox.send(Datagram(RELAY, packet, _mapped(peer)))

    def _refuse(self, packet: bytes, reason: Drop, now: float) -> None:
        self._outbox.drop(reason)
        if self._has_source:
            self._errors.unreachable(packet, now)

    # -- from clients to native IPv6 (RFC 4380 section 5.4.2) ---------------------------------------------------------

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take a datagram the data plane does not let in."""
        self._outbox.count("datagrams-received")
        with counted_by(self._outbox):
            self._receive(datagram, now)

    def _receive(self, datagram: Datagram, now: float) -> None:
        if not self._unicast.has_endpoint(datagram.remote):
            raise Refused(Drop.OUTER_SOURCE)
        payload = Payload.parse(datagram.data)
        payload.trailers()  # may condemn the datagram
        packet = IPv6Packet.parse(payload.packet)
        if not is_teredo(packet.source):
            raise Refused(Drop.INNER_SOURCE)
        peer = self.peers.get(packet.source.packed)
        if peer is None:
            raise Refused(Drop.NO_ENTRY)
        self._require_proof(peer, packet, datagram.remote, now)
        self._heard(peer, datagram.remote, now)
        if is_bubble(packet):
            self._outbox.count("bubbles-received")
            return
        self._pass_on(payload.packet, packet)

    def _require_proof(self, peer: RelayPeer, packet: IPv6Packet, remote: Endpoint, now: float) -> None:
        """A client is where its address says, or where it answers our bubbles from. Raises Refused."""
        mapped = TeredoAddress.parse(packet.source).mapped
        # A path in use is moved by a proof alone: anyone can forge an outer source.
        if remote == (_mapped(peer) if peer.is_valid(now) else mapped):
            return
        # Another port of the same NAT only: a client that forges its answer must not make us flood somebody else.
        here = remote.address == mapped.address and self._identity.bubble_source is None
        if not here or not self._proofs.is_answer_to_link_local(packet):
            raise Refused(Drop.MISMATCH)

    def _heard(self, peer: RelayPeer, remote: Endpoint, now: float) -> None:
        """A client answered, or sends: what waited for it may go."""
        moved = remote != _mapped(peer)
        if moved:
            peer.mapped = remote
        peer.received_at = now
        if peer.standing is not ClientStanding.TRUSTED:
            self.peers.move(peer, ClientStanding.TRUSTED)
            if peer.check_at is None:
                self._check_later(peer, now)
            self._report_at = min(self._report_at, now + self._report_interval)
            peer.path_said_at = float("-inf")
        if moved or now - peer.path_said_at >= PATH_RENEWAL_INTERVAL:
            peer.path_said_at = now
            self._outbox.say(self._path_to(peer, remote))
        for waiting in self._waiting.drain(peer):
            self._send(peer, waiting.packet)

    def _path_to(self, peer: RelayPeer, remote: Endpoint) -> PathUp:
        prefix = IPv6Network(peer.packed)  # from bytes: from an address it goes through text, at ten times the cost
        local, also, exceptions = self._served.side
        return PathUp(prefix, remote, RELAY, PEER_VALIDITY, local=local, local_also=also, local_except=exceptions)

    def _pass_on(self, data: bytes, packet: IPv6Packet) -> None:
        require_harmless(packet)
        if packet.destination not in self._served:
            raise Refused(Drop.NOT_SERVED)
        self._outbox.deliver(data)

    # -- time ---------------------------------------------------------------------------------------------------------

    def paths_used(self, uses: Iterable[PathUse], now: float) -> None:
        """Note which clients the data plane has heard."""
        for use in uses:
            peer = self.peers.get(use.prefix.network_address.packed)
            if peer is not None and use.received_at is not None and use.packets_received:
                peer.received_at = max(peer.received_at, use.received_at)

    def handle_timeout(self, now: float) -> None:
        """Do what is due, a bounded part of it in one go."""
        chores = RELAY_CHORES_MAX
        while chores and self._rounds and self._rounds[0][0] <= now:
            self._continue(self._rounds.popleft()[1], now)
            chores -= 1
        while chores and self._checks and _check_at(self._checks[0]) <= now:
            self._check(self._checks.popleft(), now)
            chores -= 1
        while chores and (peer := self.peers.longest_silent()) and peer.received_at + RELAY_PEER_MEMORY <= now:
            self.peers.remove(peer)
            chores -= 1
        self._resume_at = now + RELAY_CHORES_PAUSE
        if now >= self._report_at:
            self._report_at = now + self._report_interval if self.peers.trusted else float("inf")

    def next_timeout(self) -> float | None:
        chores = [at for at, _ in itertools.islice(self._rounds, 1)]
        chores += [_check_at(peer) for peer in itertools.islice(self._checks, 1)]
        if (since := self.peers.silent_since) is not None:
            chores.append(since + RELAY_PEER_MEMORY)
        at = min((max(at, self._resume_at) for at in chores), default=float("inf"))
        # Reports need no work of ours: the data plane tells of its use before every timeout.
        at = min(at, self._report_at)
        return at if at < float("inf") else None

    @property
    def _report_interval(self) -> float:
        return PATH_REPORT_INTERVAL if self.peers.trusted <= RELAY_BUSY else RELAY_BUSY_REPORT_INTERVAL

    def _continue(self, peer: RelayPeer, now: float) -> None:
        """A bubble has gone unanswered: send another, or give up."""
        if peer.standing is not ClientStanding.CONTACTING or peer not in self.peers:
            return
        if peer.bubbles < RELAY_CONTACT_ROUNDS:
            self._round(peer, TeredoAddress.parse(peer.address), now)
            return
        self.peers.remove(peer)
        self._outbox.count("clients-unreachable")
        for waiting in self._waiting.drain(peer):
            self._refuse(waiting.packet, Drop.UNREACHABLE, now)

    def _check_later(self, peer: RelayPeer, now: float) -> None:
        peer.check_at = now + RELAY_CHECK_INTERVAL
        self._checks.append(peer)

    def _check(self, peer: RelayPeer, now: float) -> None:
        peer.check_at = None
        if peer.standing is not ClientStanding.TRUSTED or peer not in self.peers:
            return
        if peer.is_valid(now):
            self._check_later(peer, now)
        else:
            self._leave_trust(peer, ClientStanding.SILENT)

    def _leave_trust(self, peer: RelayPeer, standing: ClientStanding) -> None:
        if peer.standing is ClientStanding.TRUSTED:
            self._outbox.say(PathDown(IPv6Network(peer.packed)))
        self.peers.move(peer, standing)

    # -- status -------------------------------------------------------------------------------------------------------

    def facts(self) -> dict[str, Fact]:
        """What a user would ask for."""
        return {"clients": self.peers.trusted, "client_networks": self.peers.networks}

    def peer_statuses(self, now: float) -> tuple[PeerStatus, ...]:
        """Describe some clients, those heard last among them: looking at all would hold up packets."""
        known = itertools.chain(reversed(self._checks), (peer for _, peer in reversed(self._rounds)), self.peers.silent())
        some = dict.fromkeys(peer for peer in itertools.islice(known, 2 * STATUS_PEERS_MAX) if peer in self.peers)
        recent = nlargest(STATUS_PEERS_MAX, some, key=lambda peer: peer.received_at)
        return tuple(_status(peer, now) for peer in recent)


def _mapped(peer: RelayPeer) -> Endpoint:
    return peer.mapped if peer.mapped is not None else TeredoAddress.parse(peer.address).mapped


def _check_at(peer: RelayPeer) -> float:
    return peer.check_at if peer.check_at is not None else float("-inf")


def _status(peer: RelayPeer, now: float) -> PeerStatus:
    proven = peer.is_valid(now)
    heard = now - peer.received_at if peer.received_at != float("-inf") else None
    return PeerStatus(str(peer.address), str(_mapped(peer)) if proven else None, "direct" if proven else "none", heard)
