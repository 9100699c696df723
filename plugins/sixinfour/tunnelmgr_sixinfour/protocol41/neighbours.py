"""Probes from the far end, answered: neighbour discovery on a link without addresses (RFC 4213 section 3.8), and echo."""

from collections.abc import Collection
from ipaddress import IPv6Address

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.discovery import NeighbourAdvertisement, NeighbourSolicitation
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv6 import Icmpv6Type, icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol

_DISCOVERY = range(Icmpv6Type.ROUTER_SOLICITATION, Icmpv6Type.REDIRECT + 1)


def is_discovery(packet: IPv6Packet) -> bool:
    """Whether a packet is neighbour discovery, which never goes beyond its link."""
    return packet.next_header == IpProtocol.ICMPV6 and len(packet.payload) > 0 and packet.payload[0] in _DISCOVERY


def answer_to(packet: IPv6Packet, own: Collection[IPv6Address], *, router: bool) -> IPv6Packet | None:
    """Return the answer to a probe for one of our addresses; None for anything else.

    Link-layer address options are neither read nor sent. The unspecified source of duplicate address detection gets no
    answer: no third host can have an address on a link of two.
    """
    try:
        message = parse_icmpv6(packet)
    except WireError:
        return None
    if not isinstance(message, NeighbourSolicitation) or message.target not in own or packet.source.is_unspecified:
        return None
    advertisement = NeighbourAdvertisement(message.target, router=router, solicited=True)
    return icmpv6_packet(advertisement, message.target, packet.source)


def echo_reply_to(packet: IPv6Packet, own: IPv6Address) -> IPv6Packet | None:
    """Return the answer to an echo request for our address; None for anything else."""
    if packet.destination != own or packet.next_header != IpProtocol.ICMPV6:
        return None
    try:
        message = parse_icmpv6(packet)
    except WireError:
        return None
    return icmpv6_packet(message.reply(), own, packet.source) if isinstance(message, EchoRequest) else None
