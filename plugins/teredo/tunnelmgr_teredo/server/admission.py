"""Which datagrams a server takes (RFC 4380 section 5.3.1; the order is docs/protocols/teredo.md section 6.1)."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network

from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr_teredo.constants import SERVER_PORT
from tunnelmgr_teredo.drops import Drop, Refused
from tunnelmgr_teredo.native import is_native
from tunnelmgr_teredo.wire.address import GlobalUnicast, TeredoAddress, is_teredo
from tunnelmgr_teredo.wire.datagram import is_bubble

_OWN_LINK = 64  # bits of the prefix our native address is from


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """Who a server is."""

    primary: IPv4Address
    """The address in its clients' Teredo addresses."""
    own: frozenset[IPv4Address]
    """Every IPv4 address that is this host's, as it sees itself and as others see it."""


class Admission:
    """Refuses, by raising, what a server must not act on."""

    def __init__(self, identity: ServerIdentity, unicast: GlobalUnicast) -> None:
        self._identity = identity
        self._unicast = unicast
        self._own_link: IPv6Network | None = None

    def network_changed(self, network: Network) -> None:
        """Learn the native prefix of our own link: a packet from outside cannot come from there."""
        native = network.native_source
        self._own_link = IPv6Network((native, _OWN_LINK), strict=False) if native is not None else None

    def require_outer_source(self, remote: Endpoint) -> None:
        """Checks 3 and 4. Raises Refused."""
        if not self._unicast.has_endpoint(remote):
            raise Refused(Drop.OUTER_SOURCE)
        if remote.port == SERVER_PORT and remote.address in self._identity.own:
            raise Refused(Drop.LOOP)

    def require_inner_source(self, packet: IPv6Packet, remote: Endpoint) -> None:
        """Checks 6 to 8: a client speaks for itself; others may only knock at our clients. Raises Refused."""
        if is_teredo(packet.source):
            if TeredoAddress.parse(packet.source).mapped != remote:
                raise Refused(Drop.MISMATCH)
            return
        if not is_teredo(packet.destination) or TeredoAddress.parse(packet.destination).server != self._identity.primary:
            raise Refused(Drop.FOREIGN_CLIENT)
        if packet.source.is_link_local:
            # Miredo's relays knock like this (teredo.md section 3.4).
            if not is_bubble(packet):
                raise Refused(Drop.INNER_SOURCE)
        elif not is_native(packet.source) or (self._own_link is not None and packet.source in self._own_link):
            raise Refused(Drop.INNER_SOURCE)


def require_serverly(packet: bytes) -> None:
    """Check 2: nothing but bubbles and ICMPv6 goes through a server. Raises Refused."""
    if packet[6] == IpProtocol.NO_NEXT_HEADER and len(packet) == 40:
        return
    if packet[6] != IpProtocol.ICMPV6:
        raise Refused(Drop.PROTOCOL)
