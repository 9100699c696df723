"""What lives as long as one Teredo address: the peers known under it, and the trust in them."""

from collections.abc import Iterable
from ipaddress import IPv6Address, IPv6Network
from random import Random

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.error_answers import ErrorAnswers
from tunnelmgr.api.events import PathDown, PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.status import PathUse, PeerStatus
from tunnelmgr.api.tunnel import earliest
from tunnelmgr_teredo.client.contacts import Contacts
from tunnelmgr_teredo.client.discovery import LocalDiscovery
from tunnelmgr_teredo.client.echo_test import awaits_reply
from tunnelmgr_teredo.client.identity import Identity
from tunnelmgr_teredo.client.packet_queue import PacketQueues
from tunnelmgr_teredo.client.peers import Peer, PeerList, PeerStanding
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.constants import (
    ICMP_STRIKES,
    PATH_RENEWAL_INTERVAL,
    PATH_REPORT_INTERVAL,
    PEER_SWEEP_INTERVAL,
    PEER_VALIDITY,
    SERVICE,
    STATUS_PEERS_MAX,
)
from tunnelmgr_teredo.drops import Drop
from tunnelmgr_teredo.wire.address import TeredoAddress, is_teredo


class PeerBook:
    """One identity's peers, queues and paths."""

    def __init__(
        self,
        identity: Identity,
        settings: ClientSettings,
        discovery: LocalDiscovery | None,
        random: Random,
        outbox: Outbox,
        errors: ErrorAnswers,
        now: float,
    ) -> None:
        self.identity = identity
        self.peers = PeerList(settings.peers_max)
        self.contacts = Contacts(identity, settings.extensions, discovery, random, outbox)
        self.relay: Endpoint | None = None
        """The relay that has proven last to be the way to some native host."""
        self._outbox = outbox
        self._errors = errors
        self.outward = PacketQueues(outbox)
        """Packets of this host, until their peer is trusted."""
        self.inward = PacketQueues(outbox)
        """Packets from outside, until their source is proven."""
        self._own_network = IPv6Network(identity.address.packed)
        self._sweep_at = now + PEER_SWEEP_INTERVAL
        self._paths_valid_until = now
        """When the last path known to be in use lapses, unless the data plane tells of more."""
        self._report_at = now

    # -- peers --------------------------------------------------------------------------------------------------------

    def meet(self, address: IPv6Address, standing: PeerStanding, now: float) -> Peer:
        """Return the entry of a peer, made if need be; being wanted by this host raises its standing."""
        peer = self.peers.get(address)
        if peer is None:
            peer = Peer(address, TeredoAddress.parse(address) if is_teredo(address) else None, now, standing)
            for evicted in self.peers.add(peer):
                self._forget(evicted)
        elif standing is PeerStanding.SOLICITED and peer.standing is PeerStanding.UNSOLICITED:
            self.peers.promote(peer, standing)
        self.peers.touch(peer)
        return peer

    def trust(self, peer: Peer, mapped: Endpoint, now: float) -> None:
        """The peer has proven to be at `mapped`: packets flow from here on."""
        peer.trusted = True
        peer.mapped = mapped
        if peer.teredo is None:
            self.relay = mapped
        if peer.standing is PeerStanding.SOLICITED:
            self.peers.promote(peer, PeerStanding.ESTABLISHED)
        self.heard(peer, now)

    def heard(self, peer: Peer, now: float) -> None:
        """A packet of a trusted peer arrived from where it should: what waited for it may go."""
        peer.received_at = now
        self._used(peer, now)
        self._say_path(peer, now)
        self._reached(peer, now)

    def watch_for_replies(self, now: float) -> None:
        """Where a peer was tested that is reached already: the reply is ours, and would come by the path in use."""
        for peer in self.contacts.tested():
            self._watch(peer, now)

    def distrust(self, peer: Peer) -> None:
        """Send nothing more to where the peer was."""
        peer.trusted = False
        self._take_back_path(peer)

    def doubt(self) -> None:
        """The network changed: NATs on the way may know nothing of us, so every path must be proven again."""
        for peer in self.peers:
            self.contacts.end(peer)
            self._take_back_path(peer)
            peer.received_at = peer.sent_at = None

    # -- packets ------------------------------------------------------------------------------------------------------

    def send(self, peer: Peer, packet: bytes, now: float) -> None:
        """Send a packet of this host to a valid peer."""
        peer.sent_at = now
        self._outbox.count("packets-sent")
        self._outbox.send(Datagram(SERVICE, packet, peer.mapped))

    def release_inward(self, peer: Peer, source: Endpoint) -> list[bytes]:
        """Return the packets that came from where the peer has proven to be; drop the others."""
        waiting = self.inward.drain(peer)
        released = [held.packet for held in waiting if held.source == source]
        for _ in range(len(waiting) - len(released)):
            self._outbox.drop(Drop.UNPROVEN)
        return released

    def give_up(self, peer: Peer, now: float) -> None:
        """The peer did not answer: tell whoever waits for it."""
        wanted = self.outward.drain(peer)
        if wanted and not peer.is_valid(now):
            # Only what this host began may end trust: a stranger makes us test any address by sending in its name.
            self.distrust(peer)
            peer.discovered_at = None  # it may have left our link
        for waiting in wanted:
            self._outbox.drop(Drop.UNREACHABLE)
            self._errors.unreachable(waiting.packet, now)
        for _ in self.inward.drain(peer):
            self._outbox.drop(Drop.UNPROVEN)

    # -- what the outside tells ---------------------------------------------------------------------------------------

    def paths_used(self, uses: Iterable[PathUse], now: float) -> bool:
        """Note what the data plane carried; return True if any of it came from our server, which may be a relay too."""
        from_server = False
        for use in uses:
            peer = self.peers.get(use.prefix.network_address)
            if peer is None:
                continue
            if use.received_at is not None and use.packets_received:
                peer.received_at = max(use.received_at, peer.received_at or use.received_at)
                if peer.is_valid(now):
                    self._reached(peer, now)
                from_server = from_server or peer.mapped == self.identity.server.primary_endpoint
            if use.sent_at is not None:
                peer.sent_at = max(use.sent_at, peer.sent_at or use.sent_at)
            self._used(peer, now)
            if peer.path_watched:
                self._watch(peer, now)
        return from_server

    def icmp_unreachable(self, remote: Endpoint) -> None:
        """Count an ICMP error for a datagram to `remote`. Anyone can forge one, so a single one is not believed."""
        for peer in self.peers:
            if peer.trusted and peer.mapped == remote:
                peer.strikes += 1
                if peer.strikes >= ICMP_STRIKES:
                    self.distrust(peer)

    def handle_timeout(self, now: float) -> None:
        for peer in self.contacts.handle_timeout(now):
            self.give_up(peer, now)
        self.watch_for_replies(now)
        if now >= self._sweep_at:
            self._sweep_at = now + PEER_SWEEP_INTERVAL
            for peer in self.peers.idle(now):
                self.peers.remove(peer)
                self._forget(peer)
        if now >= self._report_at:
            self._report_at = now + PATH_REPORT_INTERVAL

    def next_timeout(self) -> float | None:
        timers = [self.contacts.next_timeout()]
        if self.peers:
            timers.append(self._sweep_at)
        if self._report_at < self._paths_valid_until:
            # Only to hear what the data plane carried: it tells before every timeout.
            timers.append(self._report_at)
        return earliest(*timers)

    def end(self, now: float) -> None:
        """The address is gone: no paths, no trust, and an answer for packets that wait."""
        for peer in list(self.peers):
            self.distrust(peer)
            self.give_up(peer, now)

    def peer_statuses(self, now: float) -> tuple[PeerStatus, ...]:
        """Describe the peers, the most recently used first."""
        recent = sorted(self.peers, key=_last_used, reverse=True)[:STATUS_PEERS_MAX]
        return tuple(self._peer_status(peer, now) for peer in recent)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _reached(self, peer: Peer, now: float) -> None:
        """Packets of the peer arrive: nothing need be done to reach it, and what waited for that may go."""
        self.contacts.end(peer)
        peer.strikes = 0
        for waiting in self.outward.drain(peer):
            self.send(peer, waiting.packet, now)

    def _used(self, peer: Peer, now: float) -> None:
        self.peers.touch(peer)
        if peer.standing is PeerStanding.UNSOLICITED and peer.is_proven(now):
            self.peers.promote(peer, PeerStanding.ESTABLISHED)
        if peer.received_at is not None:
            self._paths_valid_until = max(self._paths_valid_until, peer.received_at + PEER_VALIDITY)

    def _say_path(self, peer: Peer, now: float) -> None:
        watched = awaits_reply(peer.echo_tests, now)
        said = peer.path == peer.mapped and peer.path_watched is watched
        if said and now - peer.path_said_at < PATH_RENEWAL_INTERVAL:
            return
        peer.path, peer.path_watched, peer.path_said_at = peer.mapped, watched, now
        prefix = IPv6Network(peer.address.packed)  # from bytes: from an address it goes through text, at ten times the cost
        valid_for = peer.valid_for(now)
        self._outbox.say(PathUp(prefix, peer.mapped, SERVICE, valid_for, local=self._own_network, watch_echo=watched))

    def _watch(self, peer: Peer, now: float) -> None:
        if peer.path is not None and peer.is_valid(now):
            self._say_path(peer, now)

    def _take_back_path(self, peer: Peer) -> None:
        if peer.path is not None:
            peer.path, peer.path_said_at = None, float("-inf")
            self._outbox.say(PathDown(IPv6Network(peer.address.packed)))

    def _forget(self, peer: Peer) -> None:
        """Undo what an entry that has left the list still means elsewhere."""
        self.contacts.forget(peer)
        self._take_back_path(peer)
        self.outward.drain(peer)
        self.inward.drain(peer)

    def _peer_status(self, peer: Peer, now: float) -> PeerStatus:
        return PeerStatus(
            str(peer.address),
            str(peer.mapped) if peer.trusted else None,
            self._path_word(peer),
            None if peer.received_at is None else now - peer.received_at,
            None if peer.sent_at is None else now - peer.sent_at,
        )

    def _path_word(self, peer: Peer) -> str:
        if not peer.trusted:
            return "none"
        if peer.teredo is not None:
            return "direct"
        return "server" if peer.mapped == self.identity.server.primary_endpoint else "relay"


def _last_used(peer: Peer) -> float:
    return max(peer.created_at, peer.received_at or peer.created_at, peer.sent_at or peer.created_at)
