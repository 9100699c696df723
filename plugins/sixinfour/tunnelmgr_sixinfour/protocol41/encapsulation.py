"""What goes into protocol 41: the checks on what this host sends (docs/protocols/sixinfour.md section 2)."""

from ipaddress import IPv4Address

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets import IPv6Packet
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.decapsulation import Sides
from tunnelmgr_sixinfour.protocol41.neighbours import is_discovery
from tunnelmgr_sixinfour.protocol41.nesting import is_nested_too_deep, is_routed_in_a_circle


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
        # Nobody is there, and the far end would send it back (RFC 4443 section 3.1, point-to-point links).
        raise Refused(Drop.DESTINATION)
    if is_nested_too_deep(packet):
        raise Refused(Drop.NESTED)
    if len(data) > mtu:
        raise Refused(Drop.TOO_BIG)
