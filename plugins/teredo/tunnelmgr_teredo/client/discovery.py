"""Local client discovery (RFC 4380 section 5.2.8): clients behind the same NAT find each other by multicast on their link.

Off unless the user wants it: whoever is on the link can claim to be anybody there.
"""

from ipaddress import IPv4Address
from random import Random

from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.client.identity import Identity
from tunnelmgr_teredo.constants import (
    ALL_NODES,
    DISCOVERY_GROUP,
    DISCOVERY_HOP_LIMIT,
    DISCOVERY_INTERVAL,
    SERVER_PORT,
    SERVICE,
)
from tunnelmgr_teredo.drops import Drop, Refused
from tunnelmgr_teredo.wire.address import TeredoAddress, is_teredo
from tunnelmgr_teredo.wire.datagram import bubble, is_bubble

DISCOVERY = "discovery"
"""The channel that has joined the group."""

_GROUP = Endpoint(DISCOVERY_GROUP, SERVER_PORT)


class LocalDiscovery:
    """Announces a client on all its links, and judges the announcements of others."""

    def __init__(self, random: Random, outbox: Outbox) -> None:
        self._random = random
        self._outbox = outbox
        self._network = Network()
        self._identity: Identity | None = None
        self._announce_at: float | None = None

    def opening(self) -> OpenChannel:
        """Return the effect that joins the group."""
        return OpenChannel(DISCOVERY, ChannelKind.MULTICAST, Endpoint(IPv4Address(0), SERVER_PORT), group=DISCOVERY_GROUP)

    def network_changed(self, network: Network) -> None:
        """Learn which links there are."""
        self._network = network

    def begin(self, identity: Identity, now: float) -> None:
        """Announce this client from now on."""
        self._identity = identity
        self.announce(now)

    def end(self) -> None:
        """Announce nothing any more."""
        self._identity = self._announce_at = None

    def announce(self, now: float) -> None:
        """Send a discovery bubble to all links at once, and the next one in 200 to 300 seconds."""
        if self._identity is None:
            return
        data = bubble(self._identity.address, ALL_NODES, DISCOVERY_HOP_LIMIT)
        for interface in dict.fromkeys(local.interface for local in self._network.addresses):
            self._outbox.count("discovery-bubbles-sent")
            self._outbox.send(Datagram(SERVICE, data, _GROUP, interface=interface, ttl=1))
        self._announce_at = now + self._random.uniform(*DISCOVERY_INTERVAL)

    def handle_timeout(self, now: float) -> None:
        if self._announce_at is not None and now >= self._announce_at:
            self.announce(now)

    def next_timeout(self) -> float | None:
        return self._announce_at

    def require_neighbour(self, packet: IPv6Packet, datagram: Datagram) -> None:
        """Check that a datagram announces a client behind our own NAT. Raises Refused."""
        own = self._identity
        if own is None or packet.source == own.address or not self._is_on_link(datagram):
            raise Refused(Drop.DISCOVERY)
        to_group = datagram.local is not None and datagram.local.address == DISCOVERY_GROUP
        if not to_group or not is_bubble(packet) or packet.destination != ALL_NODES or not is_teredo(packet.source):
            raise Refused(Drop.DISCOVERY)
        if TeredoAddress.parse(packet.source).mapped.address != own.mapped.address:
            raise Refused(Drop.DISCOVERY)

    def _is_on_link(self, datagram: Datagram) -> bool:
        source = datagram.remote.address
        links = [local.address for local in self._network.addresses if datagram.interface in (None, local.interface)]
        return any(source in link.network and source != link.ip for link in links)
