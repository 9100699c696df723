"""The same packets as scapy writes and reads them: a second opinion on field positions and checksums."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from scapy.layers.inet import ICMP, IP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6ND_RA,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    IPv6,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)

from tunnelmgr.api.packets.discovery import RouterAdvertisement
from tunnelmgr.api.packets.discovery_options import MtuOption, PrefixInformation
from tunnelmgr.api.packets.extension_headers import FragmentHeader
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv4 import Icmpv4Error, Icmpv4Type, icmpv4_packet
from tunnelmgr.api.packets.icmpv6 import Icmpv6Message, icmpv6_packet
from tunnelmgr.api.packets.icmpv6_errors import (
    DestinationUnreachable,
    PacketTooBig,
    ParameterProblem,
    ParameterProblemCode,
    UnreachableCode,
)
from tunnelmgr.api.packets.ipv4 import IPv4Packet, IPv4Quote
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.udp import UdpDatagram

V4 = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.7")
V6 = IPv6Address("2001:db8::1"), IPv6Address("2001:db8:f::2")
IN_IPV4 = IP(src=str(V4[0]), dst=str(V4[1]))
IN_IPV6 = IPv6(src=str(V6[0]), dst=str(V6[1]), hlim=255)
QUOTED = IPv6Packet(V6[1], V6[0], next_header=17, payload=bytes(30))


def test_ipv4_with_options_and_flags() -> None:
    ours = IPv4Packet(*V4, 17, b"payload", ttl=9, tos=0xB8, identification=0x1234, dont_fragment=True)
    ours = replace(ours, options=b"\x94\x04\x00\x00")
    theirs = IN_IPV4.copy()
    theirs.ttl, theirs.tos, theirs.id, theirs.flags, theirs.proto = 9, 0xB8, 0x1234, "DF", 17
    theirs.options = [IPOption_Router_Alert()]
    assert ours.serialize() == bytes(theirs / b"payload")


@pytest.mark.parametrize("payload", [b"", b"odd", b"even"])
def test_udp_over_both_families(payload: bytes) -> None:
    theirs = UDP(sport=3544, dport=51631) / payload
    ours = UdpDatagram(3544, 51631, payload)
    assert ours.serialize(*V4) == bytes(IN_IPV4 / theirs)[20:]
    assert ours.serialize(*V6) == bytes(IN_IPV6 / theirs)[40:]


def test_icmpv4_fragmentation_needed() -> None:
    offending = IPv4Packet(V4[1], V4[0], 41, bytes(100))
    ours = icmpv4_packet(Icmpv4Error(Icmpv4Type.DESTINATION_UNREACHABLE, 4, IPv4Quote.of(offending), mtu=1400), *V4)
    theirs = IN_IPV4 / ICMP(type=3, code=4, nexthopmtu=1400) / offending.serialize()[:28]
    assert ours.payload == bytes(theirs)[20:]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (EchoRequest(7, 8, b"data"), ICMPv6EchoRequest(id=7, seq=8, data=b"data")),
        (PacketTooBig(1380, QUOTED.serialize()), ICMPv6PacketTooBig(mtu=1380) / QUOTED.serialize()),
        (
            DestinationUnreachable(UnreachableCode.ADDRESS_UNREACHABLE, QUOTED.serialize()),
            ICMPv6DestUnreach(code=3) / QUOTED.serialize(),
        ),
        (
            ParameterProblem(ParameterProblemCode.UNRECOGNISED_NEXT_HEADER, 6, QUOTED.serialize()),
            ICMPv6ParamProblem(code=1, ptr=6) / QUOTED.serialize(),
        ),
        (
            RouterAdvertisement(
                current_hop_limit=64,
                other_configuration=True,
                router_lifetime=1800,
                reachable_time=30000,
                retransmit_timer=1000,
                options=(
                    PrefixInformation(IPv6Network("2001:db8:1::/64"), True, True, 86400, 14400),
                    MtuOption(1480),
                ),
            ),
            ICMPv6ND_RA(chlim=64, M=0, O=1, prf=0, routerlifetime=1800, reachabletime=30000, retranstimer=1000)
            / ICMPv6NDOptPrefixInfo(
                prefix="2001:db8:1::", prefixlen=64, L=1, A=1, validlifetime=86400, preferredlifetime=14400
            )
            / ICMPv6NDOptMTU(mtu=1480),
        ),
    ],
)
def test_icmpv6_messages(ours: Icmpv6Message, theirs: object) -> None:
    assert icmpv6_packet(ours, *V6).serialize() == bytes(IN_IPV6 / theirs)


def test_extension_headers() -> None:
    chain = IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting(addresses=["::1", "::2"]) / IPv6ExtHdrFragment(id=9, m=1)
    packet = IPv6Packet.parse(bytes(IN_IPV6 / chain / UDP(sport=1, dport=2) / b"x"))
    upper = packet.upper_layer()
    assert upper.protocol == 17
    assert upper.fragment == FragmentHeader(0, more=True, identification=9)
    assert upper.routing == ((0, 2),)
    assert packet.payload[upper.offset :][:4] == b"\0\1\0\2"
