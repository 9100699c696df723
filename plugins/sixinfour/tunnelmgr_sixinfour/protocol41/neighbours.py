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


def answer_to(
    packet: IPv6Packet, own: Collection[IPv6Address], *, router: bool, pinged: IPv6Address | None = None
) -> IPv6Packet | None:
    """Return the answer to a probe for one of our addresses, or to an echo request for `pinged`; None for anything else.

    Link-layer address options are neither read nor sent. The unspecified source of duplicate address detection gets no
    answer: no third host can have an address on a link of two.
    """
    try:
        message = parse_icmpv6(packet)
    except WireError:
        return None
    match message:
        case NeighbourSolicitation(target=target) if target in own and not packet.source.is_unspecified:
            advertisement = NeighbourAdvertisement(target, router=router, solicited=True)
            return icmpv6_packet(advertisement, target, packet.source)
        case EchoRequest() if packet.destination == pinged and packet.next_header == IpProtocol.ICMPV6:
            return icmpv6_packet(message.reply(), pinged, packet.source)
    return None
