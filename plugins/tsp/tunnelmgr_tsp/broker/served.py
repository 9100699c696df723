"""The tunnels a broker serves: where each client is, which packets may be its own, and which clients have fallen silent."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from tunnelmgr.api.addresses import is_within
from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.events import PathDown, PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.status import PathUse, PeerStatus
from tunnelmgr_tsp.constants import STATUS_PEERS_MAX, TUNNEL_SILENCE_INTERVALS, TUNNEL_SILENCE_MIN
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.datagrams import parse_inner, why_not_sent


@dataclass(slots=True)
class ServedTunnel:
    """One tunnel that is up."""

    owner: str
    type: TunnelType
    channel: str
    remote: Endpoint
    """Outer; port 0 for protocol 41."""
    networks: tuple[IPv6Network, ...]
    """Inner: the client's address, and its prefix."""
    interval: float
    """Seconds between keepalives."""
    received_at: float
    sent_at: float | None = None

    @property
    def silence_max(self) -> float:
        """Seconds without a packet after which it is dead."""
        return max(TUNNEL_SILENCE_INTERVALS * self.interval, TUNNEL_SILENCE_MIN)


class ServedTunnels:
    """All tunnels that are up, found by owner, by outer and by inner address."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._by_owner: dict[str, ServedTunnel] = {}
        self._by_remote: dict[tuple[str, Endpoint], ServedTunnel] = {}
        self._by_network: dict[IPv6Network, ServedTunnel] = {}
        self._lengths: tuple[int, ...] = ()
        self._per_address: Counter[IPv4Address] = Counter()
        self.generation = 0
        """Grows whenever a tunnel comes or goes."""

    def __len__(self) -> int:
        return len(self._by_owner)

    def of(self, owner: str) -> ServedTunnel | None:
        """Return the tunnel of an owner."""
        return self._by_owner.get(owner)

    def at(self, channel: str, remote: Endpoint) -> ServedTunnel | None:
        """Return the tunnel that ends there."""
        return self._by_remote.get((channel, remote))

    def count_at(self, address: IPv4Address) -> int:
        """Return how many tunnels end at an IPv4 address."""
        return self._per_address[address]

    def addresses(self) -> Iterator[IPv6Address]:
        """Yield the clients' own addresses."""
        return (tunnel.networks[0].network_address for tunnel in self._by_owner.values())

    def install(self, tunnel: ServedTunnel) -> None:
        """Let a tunnel carry, in place of the owner's old one and of one that ended at the same place."""
        self.remove(self._by_owner.get(tunnel.owner))
        self.remove(self.at(tunnel.channel, tunnel.remote))
        self.generation += 1
        self._by_owner[tunnel.owner] = tunnel
        self._by_remote[tunnel.channel, tunnel.remote] = tunnel
        self._per_address[tunnel.remote.address] += 1
        for network in tunnel.networks:
            self._by_network[network] = tunnel
            self._outbox.say(PathUp(network, tunnel.remote, tunnel.channel, valid_for=None))
        self._lengths = tuple(sorted({*self._lengths, *(network.prefixlen for network in tunnel.networks)}, reverse=True))

    def remove(self, tunnel: ServedTunnel | None) -> None:
        """Stop carrying. Does nothing for None, or for a tunnel that is gone already."""
        if tunnel is None or self._by_owner.get(tunnel.owner) is not tunnel:
            return
        self.generation += 1
        del self._by_owner[tunnel.owner]
        del self._by_remote[tunnel.channel, tunnel.remote]
        self._per_address[tunnel.remote.address] -= 1
        if not self._per_address[tunnel.remote.address]:
            del self._per_address[tunnel.remote.address]
        for network in tunnel.networks:
            del self._by_network[network]
            self._outbox.say(PathDown(network))

    def clear(self) -> None:
        """Remove all."""
        for tunnel in list(self._by_owner.values()):
            self.remove(tunnel)

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take a client's packet that the data plane did not take: a fragment, one with options, or a forged one."""
        tunnel = self.at(datagram.channel, datagram.remote)
        if tunnel is None:
            self._outbox.count("dropped-stranger")
            return
        try:
            packet, raw = parse_inner(datagram.data)
        except WireError:
            self._outbox.count("dropped-malformed")
            return
        if not is_within(packet.source, tunnel.networks):
            self._outbox.count("dropped-spoofed")
            return
        tunnel.received_at = now
        self._outbox.deliver(raw)

    def transmit(self, packet: bytes, now: float) -> None:
        """Send a packet that the data plane did not take to the client it is for."""
        try:
            parsed, raw = parse_inner(packet)
        except WireError:
            self._outbox.count(why_not_sent(packet))
            return
        tunnel = self._find(parsed.destination)
        if tunnel is None or is_within(parsed.source, tunnel.networks):
            self._outbox.count("dropped-no-tunnel")
            return
        tunnel.sent_at = now
        self._outbox.send(Datagram(tunnel.channel, raw, tunnel.remote))

    def paths_used(self, uses: Sequence[PathUse]) -> None:
        """Note which tunnels are in use."""
        for use in uses:
            tunnel = self._by_network.get(use.prefix)
            if tunnel is not None:
                tunnel.received_at = max(tunnel.received_at, use.received_at or 0.0)
                tunnel.sent_at = use.sent_at if use.sent_at is not None else tunnel.sent_at

    def silent(self, now: float) -> list[ServedTunnel]:
        """Return the tunnels that are dead."""
        return [one for one in self._by_owner.values() if now - one.received_at >= one.silence_max]

    def peers(self, now: float) -> Iterator[PeerStatus]:
        """Yield the tunnels most recently used."""
        recent = sorted(self._by_owner.values(), key=lambda one: -one.received_at)[:STATUS_PEERS_MAX]
        for one in recent:
            sent = None if one.sent_at is None else now - one.sent_at
            inner = str(one.networks[0].network_address)
            yield PeerStatus(inner, str(one.remote), "direct", now - one.received_at, sent)

    def _find(self, address: IPv6Address) -> ServedTunnel | None:
        for length in self._lengths:
            network = IPv6Network((int(address) >> 128 - length << 128 - length, length))
            if (tunnel := self._by_network.get(network)) is not None:
                return tunnel
        return None
