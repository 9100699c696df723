"""Every packet codec against values and bytes that nobody chose."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.checksum import IpAddress, checksum_is_valid, internet_checksum, pseudo_header_sum
from tunnelmgr.api.packets.discovery import (
    NeighbourAdvertisement,
    NeighbourSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
)
from tunnelmgr.api.packets.discovery_options import MtuOption, OtherOption, PrefixInformation
from tunnelmgr.api.packets.extension_headers import find_upper_layer
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest, OtherIcmp
from tunnelmgr.api.packets.icmpv4 import Icmpv4Error, Icmpv4Message, Icmpv4Type, icmpv4_packet, parse_icmpv4
from tunnelmgr.api.packets.icmpv6 import Icmpv6Message, Icmpv6Type, icmpv6_error, icmpv6_packet, parse_icmpv6
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
from tunnelmgr.api.packets.ipv4 import IPv4Packet, IPv4Quote
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.udp import UdpDatagram


def bits(width: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << width) - 1)


v4 = st.ip_addresses(v=4)
v6 = st.ip_addresses(v=6)
payloads = st.binary(max_size=300)
address_pairs: st.SearchStrategy[tuple[IpAddress, IpAddress]] = st.tuples(v4, v4) | st.tuples(v6, v6)

ipv6_packets = st.builds(
    IPv6Packet,
    source=v6,
    destination=v6,
    next_header=bits(8),
    payload=payloads,
    hop_limit=bits(8),
    traffic_class=bits(8),
    flow_label=bits(20),
)
ipv4_options = st.sampled_from([b"", b"\x94\x04\x00\x00", b"\x01" * 40, b"\x07\x07\x04\x00\x00\x00\x00\x00"])
ipv4_packets = st.builds(
    IPv4Packet,
    source=v4,
    destination=v4,
    protocol=bits(8),
    payload=payloads,
    ttl=bits(8),
    tos=bits(8),
    identification=bits(16),
    dont_fragment=st.booleans(),
    fragment_offset=st.integers(0, 8000).map(lambda blocks: blocks * 8),
    options=ipv4_options,
)
datagrams = st.builds(UdpDatagram, source_port=bits(16), destination_port=bits(16), payload=payloads)

prefixes = st.builds(
    lambda address, length: IPv6Network((address, length), strict=False), v6, st.integers(min_value=0, max_value=128)
)
prefix_options = st.builds(
    PrefixInformation,
    prefix=prefixes,
    on_link=st.booleans(),
    autonomous=st.booleans(),
    valid_lifetime=bits(32),
    preferred_lifetime=bits(32),
)
other_options = st.builds(
    OtherOption,
    type=bits(8).filter(lambda kind: kind not in {PrefixInformation.type, MtuOption.type}),
    body=st.integers(0, 4).flatmap(lambda words: st.binary(min_size=6 + 8 * words, max_size=6 + 8 * words)),
)
options = st.lists(prefix_options | st.builds(MtuOption, bits(32)) | other_options, max_size=4).map(tuple)
targets = v6.filter(lambda address: not address.is_multicast)
discovery = st.one_of(
    st.builds(RouterSolicitation, options),
    st.builds(
        RouterAdvertisement,
        current_hop_limit=bits(8),
        managed=st.booleans(),
        other_configuration=st.booleans(),
        router_lifetime=bits(16),
        reachable_time=bits(32),
        retransmit_timer=bits(32),
        options=options,
    ),
    st.builds(NeighbourSolicitation, targets, options),
    st.builds(NeighbourAdvertisement, targets, st.booleans(), st.booleans(), st.booleans(), options),
)
echoes = st.builds(EchoRequest, bits(16), bits(16), payloads) | st.builds(EchoReply, bits(16), bits(16), payloads)
quotes = ipv6_packets.map(IPv6Packet.serialize) | payloads
icmpv6_errors: st.SearchStrategy[Icmpv6Error] = st.one_of(
    st.builds(DestinationUnreachable, st.sampled_from(UnreachableCode), quotes),
    st.builds(PacketTooBig, bits(32), quotes),
    st.builds(TimeExceeded, st.sampled_from(TimeExceededCode), quotes),
    st.builds(ParameterProblem, st.sampled_from(ParameterProblemCode), bits(32), quotes),
)
other_icmpv6 = st.builds(OtherIcmp, bits(8).filter(lambda kind: kind not in {*Icmpv6Type} - {137}), bits(8), payloads)
icmpv6_messages: st.SearchStrategy[Icmpv6Message] = discovery | echoes | icmpv6_errors | other_icmpv6

ipv4_quotes = st.builds(IPv4Quote.of, ipv4_packets, st.integers(0, 128))
icmpv4_messages: st.SearchStrategy[Icmpv4Message] = st.one_of(
    echoes,
    st.builds(Icmpv4Error, st.just(Icmpv4Type.DESTINATION_UNREACHABLE), st.just(4), ipv4_quotes, mtu=bits(16)),
    st.builds(Icmpv4Error, st.just(Icmpv4Type.TIME_EXCEEDED), bits(8), ipv4_quotes),
    st.builds(Icmpv4Error, st.just(Icmpv4Type.PARAMETER_PROBLEM), bits(8), ipv4_quotes, pointer=bits(8)),
    st.builds(OtherIcmp, st.sampled_from([4, 5, 13, 255]), bits(8), payloads),
)


@given(ipv6_packets, st.binary(max_size=30))
def test_ipv6_packets_come_back_with_what_followed_them(packet: IPv6Packet, trailing: bytes) -> None:
    assert IPv6Packet.split(packet.serialize() + trailing) == (packet, trailing)


@given(ipv6_packets, st.integers(40, 400))
def test_ipv6_quotes_come_back(packet: IPv6Packet, size: int) -> None:
    quoted = packet.serialize()[:size]
    read = IPv6Packet.quoted(quoted)
    assert read == replace(packet, payload=packet.payload[: size - 40])


@given(ipv4_packets, st.binary(max_size=30))
def test_ipv4_packets_come_back_whatever_follows_them(packet: IPv4Packet, trailing: bytes) -> None:
    assert IPv4Packet.parse(packet.serialize() + trailing) == packet


@given(ipv4_quotes)
def test_ipv4_quotes_come_back(quote: IPv4Quote) -> None:
    assert IPv4Quote.parse(quote.serialize()) == quote


@given(datagrams, address_pairs)
def test_udp_comes_back(datagram: UdpDatagram, addresses: tuple[IpAddress, IpAddress]) -> None:
    assert UdpDatagram.parse(datagram.serialize(*addresses), *addresses) == datagram


@given(icmpv6_messages, v6, v6)
def test_icmpv6_comes_back(message: Icmpv6Message, source: IPv6Address, destination: IPv6Address) -> None:
    packet = icmpv6_packet(message, source, destination)
    assert parse_icmpv6(IPv6Packet.parse(packet.serialize())) == message


@given(icmpv4_messages, v4, v4)
def test_icmpv4_comes_back(message: Icmpv4Message, source: IPv4Address, destination: IPv4Address) -> None:
    packet = icmpv4_packet(message, source, destination)
    assert parse_icmpv4(IPv4Packet.parse(packet.serialize())) == message


@given(icmpv6_errors, v6)
def test_an_icmpv6_answer_fits_the_minimum_mtu_and_draws_no_other(error: Icmpv6Error, source: IPv6Address) -> None:
    answer = icmpv6_error(error, source)
    if answer is None:
        return
    assert answer.destination == IPv6Packet.quoted(error.quote).source
    assert len(answer.serialize()) <= 1280
    assert icmpv6_error(replace(error, quote=answer.serialize()), source) is None


@given(st.binary(min_size=1, max_size=99), address_pairs, bits(8))
def test_a_checksum_written_into_data_makes_it_valid(
    data: bytes, addresses: tuple[IpAddress, IpAddress], protocol: int
) -> None:
    pseudo = pseudo_header_sum(*addresses, protocol, len(data) + 2)
    checksum = internet_checksum(bytes(2) + data, pseudo)
    assert checksum_is_valid(checksum.to_bytes(2, "big") + data, pseudo)


def icmpv6_body(kind: int) -> Callable[[bytes], object]:
    """Read arbitrary bytes as the body of an ICMPv6 message whose checksum is right."""
    addresses = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")

    def parse(body: bytes) -> object:
        code, rest = (body[0] % 4, body[1:]) if body else (0, b"")
        return parse_icmpv6(icmpv6_packet(OtherIcmp(kind, code, rest), *addresses))

    return parse


def icmpv4_body(body: bytes) -> object:
    kind, code, rest = (body[0] % 16, body[1] % 16, body[2:]) if len(body) > 1 else (3, 4, b"")
    addresses = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
    return parse_icmpv4(icmpv4_packet(OtherIcmp(kind, code, rest), *addresses))


def ipv4_resummed(data: bytes) -> IPv4Packet:
    """Read arbitrary bytes as IPv4, with the version and the header checksum made right."""
    header = bytearray(b"\x45" + data[1:20])
    header[10:12] = bytes(2)
    header[10:12] = internet_checksum(bytes(header)).to_bytes(2, "big")
    return IPv4Packet.parse(bytes(header) + data[20:])


ANY_ADDRESSES = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
PARSERS: dict[str, Callable[[bytes], object]] = {
    "ipv6": IPv6Packet.parse,
    "ipv6 version": lambda data: IPv6Packet.parse(b"\x60" + data).upper_layer(),
    "ipv6 quote": lambda data: IPv6Packet.quoted(b"\x60" + data),
    "ipv4": IPv4Packet.parse,
    "ipv4 checksum": ipv4_resummed,
    "ipv4 quote": lambda data: IPv4Quote.parse(b"\x47" + data),
    "udp": lambda data: UdpDatagram.parse(data, *ANY_ADDRESSES),
    "udp unchecked": lambda data: UdpDatagram.parse(data[:4] + b"\0\x08\0\0" + data[4:], *ANY_ADDRESSES),
    "icmpv4": icmpv4_body,
    **{f"icmpv6 {kind.name.lower()}": icmpv6_body(kind) for kind in Icmpv6Type},
}


@pytest.mark.parametrize("parse", PARSERS.values(), ids=list(PARSERS))
@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_wire_errors(parse: Callable[[bytes], object], data: bytes) -> None:
    try:
        parse(data)
    except WireError:
        return


extension_headers = st.lists(
    st.tuples(st.sampled_from([0, 43, 44, 51, 60, 17, 58, 59]), st.integers(0, 3), st.binary(min_size=6, max_size=30)).map(
        lambda fields: bytes(fields[:2]) + fields[2]
    ),
    max_size=20,
).map(b"".join)


@given(st.sampled_from([0, 43, 44, 51, 60, 17]), extension_headers | payloads)
def test_the_walk_of_extension_headers_stays_inside_the_payload(next_header: int, payload: bytes) -> None:
    try:
        upper = find_upper_layer(next_header, payload)
    except WireError:
        return
    assert 0 <= upper.offset <= len(payload)
    assert len(upper.routing) <= upper.offset / 8
