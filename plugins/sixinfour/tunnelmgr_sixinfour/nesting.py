"""How many tunnels a packet is in already: an attacker may wrap packets in packets to have them travel in circles."""

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets import IpProtocol, IPv4Packet, IPv6Packet
from tunnelmgr_sixinfour.constants import ENCAPSULATIONS_MAX

IPV4 = 4  # next header; RFC 2003


def is_nested_too_deep(packet: IPv6Packet) -> bool:
    """Whether `packet`, carried by one tunnel, is in more than ENCAPSULATIONS_MAX in all."""
    carried: IPv6Packet | IPv4Packet = packet
    try:
        for _ in range(ENCAPSULATIONS_MAX):
            inside = _inside(carried)
            if inside is None:
                return False
            carried = inside
    except WireError:
        return False  # whoever takes it out of its envelope will find nothing to carry
    return True


def _inside(packet: IPv6Packet | IPv4Packet) -> IPv6Packet | IPv4Packet | None:
    """Return the packet in a packet, None when it is none."""
    if isinstance(packet, IPv6Packet):
        upper = packet.upper_layer()
        protocol, data = upper.protocol, packet.payload[upper.offset :]
        if not upper.begins_here:
            return None
    else:
        protocol, data = packet.protocol, packet.payload
        if packet.is_fragment:
            return None
    if protocol == IpProtocol.IPV6:
        return IPv6Packet.parse(data)
    return IPv4Packet.parse(data) if protocol == IPV4 else None
