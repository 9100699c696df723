"""Which inner addresses are on which side of a configured tunnel, and what may pass from one to the other.

The checks are those of docs/protocols/sixinfour.md sections 2 and 4, in order.
"""

from ipaddress import IPv4Address, IPv6Address

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.encapsulation import Arrived, let_in, open_envelope
from tunnelmgr_sixinfour.protocol41.neighbours import is_discovery
from tunnelmgr_sixinfour.protocol41.nesting import is_nested_too_deep, is_routed_in_a_circle


class Sides:
    """The sides of one tunnel, as its settings name them."""

    def __init__(self, settings: SixInFourSettings) -> None:
        self._settings = settings
        self._far = settings.far
        self._on_link = settings.address.network
        self._inherited = settings.outer_tos.inherited
        self.own: tuple[IPv6Address, ...] = (settings.address.ip,)
        """The addresses of this host on the tunnel. Its link-local one is known later."""

    def is_ours(self, address: IPv6Address) -> bool:
        """True if an address is on this side."""
        if address in self.own or any(address in prefix for prefix in self._settings.prefixes):
            return True
        # A router takes any destination beyond it.
        if not self._settings.forward or address == self._far or address in self._on_link:
            return False
        return not self._settings.faces_the_internet and not self._is_beyond(address)

    def may_come_from(self, source: IPv6Address) -> bool:
        """True if the far end may send packets with this inner source: the ingress filter."""
        if source == self._far or source.is_unspecified or source.is_link_local:
            return source not in self.own
        if source in self.own or source in self._on_link or any(source in prefix for prefix in self._settings.prefixes):
            return False
        return self._is_beyond(source)

    def _is_beyond(self, address: IPv6Address) -> bool:
        return any(address in prefix for prefix in self._settings.routes)

    def sent(self, quote: bytes) -> bool:
        """True if a packet that an error quotes is from this side: a forged error must not make us write to other hosts."""
        try:
            return self.is_ours(IPv6Packet.quoted(quote).source)
        except WireError:
            return False

    def decapsulate(self, datagram: Datagram, local: IPv4Address) -> Arrived:
        """Return what a datagram carries (RFC 4213 section 3.6). Raises Refused with the first check that fails."""
        if datagram.local is not None and datagram.local.address != local:
            raise Refused(Drop.OUTER_DESTINATION)
        if datagram.remote.address != self._settings.remote:
            raise Refused(Drop.OUTER_SOURCE)
        packet = open_envelope(datagram)
        if self._settings.ingress_filter and not self.may_come_from(packet.source):
            raise Refused(Drop.INGRESS)
        destination = packet.destination
        if not (destination.is_multicast or destination.is_link_local or self.is_ours(destination)):
            raise Refused(Drop.DESTINATION)
        return let_in(packet, datagram, self._inherited)

    def check_outward(self, data: bytes, local: IPv4Address, mtu: int) -> None:
        """Raise Refused with the first reason why a packet may not go to the far end."""
        if is_routed_in_a_circle(data, local, self._settings.remote):
            raise Refused(Drop.RECURSION)
        try:
            packet = IPv6Packet.parse(data)
        except WireError:
            raise Refused(Drop.MALFORMED) from None
        if is_discovery(packet):
            raise Refused(Drop.DISCOVERY)
        if not self.is_ours(packet.source):
            raise Refused(Drop.SOURCE)
        if packet.destination in self._on_link and packet.destination != self._far:
            # No host is there, and the far end would send it back (RFC 4443 section 3.1, point-to-point links).
            raise Refused(Drop.DESTINATION)
        if is_nested_too_deep(packet):
            raise Refused(Drop.NESTED)
        if len(data) > mtu:
            raise Refused(Drop.TOO_BIG)
