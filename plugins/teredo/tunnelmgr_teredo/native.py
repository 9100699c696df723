"""Which IPv6 addresses may be a native host's, and which packets never come out of a tunnel."""

from ipaddress import IPv6Address

from tunnelmgr.api.packets.icmpv6 import Icmpv6Type
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr_teredo.constants import NOT_NATIVE
from tunnelmgr_teredo.drops import Drop, Refused
from tunnelmgr_teredo.wire.address import GlobalUnicast

_LINK_ONLY = {bytes((kind,)) for kind in range(Icmpv6Type.ROUTER_SOLICITATION, Icmpv6Type.REDIRECT + 1)}


def is_native(address: IPv6Address) -> bool:
    """True if an address may belong to a host that is reached through relays."""
    return not any(address in network for network in NOT_NATIVE)


def leads_astray(address: IPv6Address, unicast: GlobalUnicast) -> bool:
    """True if this is a 6to4 address of an IPv4 address that may not be sent to: another tunnel's loop (RFC 6324)."""
    behind = address.sixtofour
    return behind is not None and behind not in unicast


def require_harmless(packet: IPv6Packet) -> None:
    """Raise Refused for a packet that never comes out of a tunnel."""
    upper = packet.upper_layer()
    # A routing header that would send the packet on: RFC 5095, RFC 6169 section 2.3.
    if any(header.type == 0 or header.segments_left > 0 for header in upper.routing):
        raise Refused(Drop.ROUTING_HEADER)
    kind = packet.payload[upper.offset : upper.offset + 1]
    # Neighbour discovery, which a peer far away has no business with: RFC 4861 section 3.1.
    if upper.protocol == IpProtocol.ICMPV6 and upper.begins_here and kind in _LINK_ONLY:
        raise Refused(Drop.LINK_ONLY)
