"""What goes into protocol 41 and what comes out of it: the checks of sixinfour.md sections 2 and 4, in order."""

from typing import NamedTuple

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.ecn import Ecn, decapsulated_ecn, is_suspicious_ecn
from tunnelmgr.api.packets.ipv6 import IPv6Packet, ipv6_length, with_traffic_class
from tunnelmgr_sixinfour.constants import DSCP, ECN
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.addresses import is_impossible_source
from tunnelmgr_sixinfour.protocol41.nesting import is_nested_too_deep


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
