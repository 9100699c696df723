"""What goes into protocol 41 and what comes out of it: the checks of sixinfour.md sections 2 and 4, in order."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import NamedTuple

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.ecn import Ecn, decapsulated_ecn, is_suspicious_ecn
from tunnelmgr.api.packets.ipv6 import IPv6Packet, ipv6_length, with_traffic_class
from tunnelmgr_sixinfour.constants import DSCP, ECN
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.addresses import is_impossible_source
from tunnelmgr_sixinfour.protocol41.neighbours import is_discovery
from tunnelmgr_sixinfour.protocol41.nesting import is_nested_too_deep, is_routed_in_a_circle


@dataclass(frozen=True, slots=True)
class Sides:
    """Which inner addresses are on which side of a configured tunnel."""

    own: tuple[IPv6Address, ...]
    """Those of this host on the tunnel."""
    far: IPv6Address | None
    """The far end's."""
    on_link: IPv6Network
    """The tunnel's own prefix."""
    site: tuple[IPv6Network, ...] = ()
    """Prefixes routed to this side."""
    beyond: tuple[IPv6Network, ...] = ()
    """Prefixes behind the far end; ::/0 where the internet is."""
    forward: bool = False
    """Whether this side is a router for the far end: any destination beyond it is good."""
    strict: bool = True
    """Whether inner sources are held against these prefixes: RFC 4213 section 3.6 recommends one switch."""

    def is_ours(self, address: IPv6Address) -> bool:
        """Whether an address is on this side."""
        if address in self.own or any(address in prefix for prefix in self.site):
            return True
        if not self.forward or address == self.far or address in self.on_link:
            return False
        return not self.faces_the_internet and not any(address in prefix for prefix in self.beyond)

    @property
    def faces_the_internet(self) -> bool:
        """Whether everything that is not on this side is behind the far end."""
        return any(prefix.prefixlen == 0 for prefix in self.beyond)

    def may_come_from(self, source: IPv6Address) -> bool:
        """Whether the far end may send packets with this inner source: the ingress filter."""
        if source == self.far or source.is_unspecified or source.is_link_local:
            return source not in self.own
        if source in self.own or source in self.on_link or any(source in prefix for prefix in self.site):
            return False
        return any(source in prefix for prefix in self.beyond)


class Arrived(NamedTuple):
    """A packet that passed."""

    packet: IPv6Packet
    data: bytes
    """The same with its marks, ready to be delivered."""
    suspicious: bool
    """Whether its congestion marks are such as no honest path makes."""


def open_envelope(datagram: Datagram) -> IPv6Packet:
    """Return the inner packet without padding. Raises Refused if there is none, or if its source is impossible."""
    try:
        packet = IPv6Packet.parse(datagram.data)
        upper = packet.upper_layer()
    except WireError:
        raise Refused(Drop.MALFORMED) from None
    if is_impossible_source(packet.source):
        raise Refused(Drop.SOURCE)
    if any(header.type == 0 for header in upper.routing):  # RFC 5095
        raise Refused(Drop.ROUTING_HEADER)
    return packet


def decapsulate(datagram: Datagram, local: IPv4Address, remote: IPv4Address, sides: Sides, inherited: int = 0) -> Arrived:
    """Return what a datagram carries (RFC 4213 section 3.6); raises Refused with the first check that fails.

    `inherited` are the bits of the TOS octet that belong to the inner packet, as in `OuterTos`.
    """
    if datagram.local is not None and datagram.local.address != local:
        raise Refused(Drop.OUTER_DESTINATION)
    if datagram.remote.address != remote:
        raise Refused(Drop.OUTER_SOURCE)
    packet = open_envelope(datagram)
    if sides.strict and not sides.may_come_from(packet.source):
        raise Refused(Drop.INGRESS)
    destination = packet.destination
    if not (destination.is_multicast or destination.is_link_local or sides.is_ours(destination)):
        raise Refused(Drop.DESTINATION)
    return let_in(packet, datagram, inherited)


def let_in(packet: IPv6Packet, datagram: Datagram, inherited: int) -> Arrived:
    """Do what remains when the addresses are right: nesting, congestion marks (RFC 6040), DSCP (RFC 2983)."""
    if is_nested_too_deep(packet):
        raise Refused(Drop.NESTED)
    inner, outer = packet.ecn, Ecn(datagram.tos & ECN)
    mark = decapsulated_ecn(inner, outer)
    if mark is None:
        raise Refused(Drop.ECN)
    dscp = (datagram.tos if inherited & DSCP else packet.traffic_class) & DSCP
    data = datagram.data[: ipv6_length(datagram.data)]
    if dscp | mark != packet.traffic_class:
        data = with_traffic_class(data, dscp | mark)
    return Arrived(packet, data, is_suspicious_ecn(inner, outer))


def check_outward(data: bytes, local: IPv4Address, remote: IPv4Address, sides: Sides, mtu: int) -> None:
    """Raise Refused with the first reason why a packet may not go to the far end."""
    if is_routed_in_a_circle(data, local, remote):
        raise Refused(Drop.RECURSION)
    try:
        packet = IPv6Packet.parse(data)
    except WireError:
        raise Refused(Drop.MALFORMED) from None
    if is_discovery(packet):
        raise Refused(Drop.DISCOVERY)
    if not sides.is_ours(packet.source):
        raise Refused(Drop.SOURCE)
    if packet.destination in sides.on_link and packet.destination != sides.far:
        # No host is there, and the far end would send it back (RFC 4443 section 3.1, point-to-point links).
        raise Refused(Drop.DESTINATION)
    if is_nested_too_deep(packet):
        raise Refused(Drop.NESTED)
    if len(data) > mtu:
        raise Refused(Drop.TOO_BIG)
