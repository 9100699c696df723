"""Tunnels in tunnels: an attacker may wrap packets in packets to have them travel in circles; so may a mistaken route."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import islice

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr_sixinfour.constants import ENCAPSULATIONS_MAX

IPV4 = 4  # next header; RFC 2003
Packet = IPv6Packet | IPv4Packet


def is_nested_too_deep(packet: IPv6Packet) -> bool:
    """Whether `packet`, carried by one tunnel, is in more than ENCAPSULATIONS_MAX in all."""
    return next(islice(_inside(packet), ENCAPSULATIONS_MAX - 1, None), None) is not None


def is_routed_in_a_circle(packet: bytes, local: IPv4Address, remote: IPv4Address) -> bool:
    """Whether this is, or is the envelope of, a packet the tunnel from `local` to `remote` has sent before.

    It is when the route to `remote` leads into the tunnel, by its own device or by another tunnel within it.
    """
    try:
        outermost: Packet = (IPv4Packet if packet[:1] < b"\x60" else IPv6Packet).parse(packet)
    except WireError:
        return False
    return any(_is_envelope(one, local, remote) for one in (outermost, *islice(_inside(outermost), ENCAPSULATIONS_MAX)))


def _is_envelope(packet: Packet, local: IPv4Address, remote: IPv4Address) -> bool:
    if not isinstance(packet, IPv4Packet) or packet.protocol != IpProtocol.IPV6:
        return False
    return (packet.source, packet.destination) == (local, remote)


def _inside(packet: Packet) -> Iterator[Packet]:
    """Yield the packet in a packet, the one in that, and so on."""
    try:
        while (content := _content(packet)) is not None:
            yield content
            packet = content
    except WireError:
        return  # the host that opens this envelope will find nothing to carry


def _content(packet: Packet) -> Packet | None:
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
