"""Codecs for the packets all transports share: IPv4, IPv6, UDP, ICMP, neighbour discovery.

Parsing raises WireError and nothing else; so does constructing a packet whose fields do not fit, and what has been
constructed can be serialized.
"""

from tunnelmgr.api.packets.checksum import (
    IpAddress,
    checksum_is_valid,
    internet_checksum,
    pseudo_header_sum,
)
from tunnelmgr.api.packets.discovery import (
    NeighbourAdvertisement,
    NeighbourSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
)
from tunnelmgr.api.packets.discovery_options import (
    LIFETIME_INFINITE,
    DiscoveryOption,
    MtuOption,
    OtherOption,
    PrefixInformation,
)
from tunnelmgr.api.packets.echo import EchoReply, EchoRequest
from tunnelmgr.api.packets.ecn import Ecn, decapsulated_ecn, is_suspicious_ecn
from tunnelmgr.api.packets.extension_headers import FragmentHeader, RoutingHeader, UpperLayer, find_upper_layer
from tunnelmgr.api.packets.icmpv4 import (
    Icmpv4Error,
    Icmpv4Message,
    Icmpv4Type,
    Icmpv4UnreachableCode,
    OtherIcmpv4,
    icmpv4_packet,
    parse_icmpv4,
)
from tunnelmgr.api.packets.icmpv6 import (
    DISCOVERY_HOP_LIMIT,
    Icmpv6Message,
    Icmpv6Type,
    OtherIcmpv6,
    icmpv6_packet,
    parse_icmpv6,
)
from tunnelmgr.api.packets.icmpv6_answer import icmpv6_error
from tunnelmgr.api.packets.icmpv6_errors import (
    DestinationUnreachable,
    Icmpv6Error,
    PacketTooBig,
    ParameterProblem,
    ParameterProblemCode,
    TimeExceeded,
    TimeExceededCode,
    UnreachableCode,
)
from tunnelmgr.api.packets.ipv4 import IPV4_HEADER_LENGTH, IPv4Packet, IPv4Quote
from tunnelmgr.api.packets.ipv6 import (
    IPV6_DESTINATION,
    IPV6_HEADER_LENGTH,
    IPV6_HOP_LIMIT,
    IPV6_MINIMUM_MTU,
    IPV6_NEXT_HEADER,
    IPV6_SOURCE,
    IPv6Packet,
    IPv6Quote,
    ipv6_length,
    traffic_class,
    with_hop_limit,
    with_traffic_class,
)
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.packets.udp import UDP_HEADER_LENGTH, UdpDatagram

__all__ = [
    "DISCOVERY_HOP_LIMIT",
    "IPV4_HEADER_LENGTH",
    "IPV6_DESTINATION",
    "IPV6_HEADER_LENGTH",
    "IPV6_HOP_LIMIT",
    "IPV6_MINIMUM_MTU",
    "IPV6_NEXT_HEADER",
    "IPV6_SOURCE",
    "LIFETIME_INFINITE",
    "UDP_HEADER_LENGTH",
    "DestinationUnreachable",
    "DiscoveryOption",
    "EchoReply",
    "EchoRequest",
    "Ecn",
    "FragmentHeader",
    "IPv4Packet",
    "IPv4Quote",
    "IPv6Packet",
    "IPv6Quote",
    "Icmpv4Error",
    "Icmpv4Message",
    "Icmpv4Type",
    "Icmpv4UnreachableCode",
    "Icmpv6Error",
    "Icmpv6Message",
    "Icmpv6Type",
    "IpAddress",
    "IpProtocol",
    "MtuOption",
    "NeighbourAdvertisement",
    "NeighbourSolicitation",
    "OtherIcmpv4",
    "OtherIcmpv6",
    "OtherOption",
    "PacketTooBig",
    "ParameterProblem",
    "ParameterProblemCode",
    "PrefixInformation",
    "RouterAdvertisement",
    "RouterSolicitation",
    "RoutingHeader",
    "TimeExceeded",
    "TimeExceededCode",
    "UdpDatagram",
    "UnreachableCode",
    "UpperLayer",
    "checksum_is_valid",
    "decapsulated_ecn",
    "find_upper_layer",
    "icmpv4_packet",
    "icmpv6_error",
    "icmpv6_packet",
    "internet_checksum",
    "ipv6_length",
    "is_suspicious_ecn",
    "parse_icmpv4",
    "parse_icmpv6",
    "pseudo_header_sum",
    "traffic_class",
    "with_hop_limit",
    "with_traffic_class",
]
