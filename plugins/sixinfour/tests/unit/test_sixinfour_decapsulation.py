"""What comes out of protocol 41 and what does not: the vectors, and each check by itself."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from tests.sixinfour_world import vectors
from tests.sixinfour_world.bench import Bench
from tests.sixinfour_world.vectors import CLIENT, CLIENT6, SERVER, SERVER6

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.events import Notice
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet, traffic_class
from tunnelmgr.api.packets.protocol import IpProtocol

NATIVE = IPv6Address("2001:db8:cafe::1")


def inward(payload: bytes = b"\x9c\xa4\x9c\xa5\x00\x08\x00\x00", **fields: object) -> IPv6Packet:
    return replace(IPv6Packet(NATIVE, CLIENT6, IpProtocol.UDP, payload), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "drop"),
    [
        ("neg-p41-wrong-outer-source", "outer-source"),
        ("neg-p41-own-prefix-source", "ingress"),
        ("neg-p41-src-loopback", "source"),
        ("neg-p41-src-mapped", "source"),
        ("neg-p41-src-compatible", "source"),
        ("neg-p41-src-multicast", "source"),
        ("neg-p41-short", "malformed"),
        ("neg-p41-version4", "malformed"),
        ("p41-ecn-notect-ce", "ecn"),
    ],
)
@pytest.mark.requirement("S-DE-001", "S-DE-002", "S-DE-005", "S-DE-006", "S-DE-007", "S-DE-011")
def test_what_must_not_pass_is_dropped_and_counted_without_an_answer(name: str, drop: str) -> None:
    bench = Bench()
    bench.sent.clear()
    bench.take(vectors.datagram(name))
    assert bench.drops == {f"dropped-{drop}": 1}
    assert not bench.delivered
    assert all(datagram.remote.address == SERVER for datagram in bench.sent)


def test_every_negative_vector_of_configured_tunnels_is_tested_above() -> None:
    assert len(vectors.names("neg-p41")) == 8


@pytest.mark.requirement("S-DE-003")
def test_padding_is_cut() -> None:
    bench = Bench(SERVER)
    bench.take(vectors.datagram("p41-padded"))
    (packet,) = bench.delivered
    assert packet == vectors.outer("p41-padded").payload[:-6]


@pytest.mark.parametrize("name", ["p41-udp-static-mtu", "p41-udp-dynamic-mtu"])
def test_a_packet_of_the_far_end_is_delivered_as_it_is(name: str) -> None:
    bench = Bench(SERVER)
    bench.take(vectors.datagram(name))
    assert bench.delivered == [vectors.outer(name).payload]


@pytest.mark.requirement("S-EC-002")
def test_congestion_outside_is_told_inside() -> None:
    bench = Bench()
    bench.take(vectors.datagram("p41-ecn-ect0-ce"))
    assert [traffic_class(packet) for packet in bench.delivered] == [0x03]


@pytest.mark.requirement("S-EC-003")
@pytest.mark.parametrize("tos", [1, 3])
def test_marks_no_honest_path_makes_are_told_once_in_a_while_and_not_at_all_if_so_wished(tos: int) -> None:
    bench, quiet = Bench(), Bench(log_ecn=False)
    for _ in range(100):
        for end in (bench, quiet):
            end.take_inner(inward(), tos=tos)
    (notice,) = bench.said_of(Notice)
    assert notice.code == "6in4.ecn"
    assert "outside, NOT_ECT inside" in notice.text
    assert not quiet.said_of(Notice)


@pytest.mark.parametrize(("tos", "suspicious"), [(0, 0), (2, 1), (1, 1)])
def test_marks_no_honest_path_makes_are_counted(tos: int, suspicious: int) -> None:
    bench = Bench()
    bench.take_inner(inward(), tos=tos)
    assert bench.tunnel.status(0.0).counters.get("suspicious-ecn", 0) == suspicious
    assert bench.delivered == [inward().serialize()]


@pytest.mark.requirement("S-EC-004")
@pytest.mark.parametrize(("model", "delivered"), [("pipe", 0xB8), ("uniform", 0x28)])
def test_the_dscp_is_the_packets_own_or_the_tunnels(model: str, delivered: int) -> None:
    bench = Bench(dscp_model=model)
    bench.take_inner(inward(traffic_class=0xB8), tos=0x28)
    assert [traffic_class(packet) for packet in bench.delivered] == [delivered]


@pytest.mark.requirement("S-DE-009")
def test_routing_headers_of_type_0_are_dropped_and_others_pass() -> None:
    bench = Bench()
    for kind in (0, 4):
        header = bytes([IpProtocol.NO_NEXT_HEADER, 0, kind, 0]) + bytes(4)
        bench.take_inner(inward(header, next_header=IpProtocol.ROUTING))
    assert bench.drops == {"dropped-routing-header": 1}
    assert len(bench.delivered) == 1


@pytest.mark.parametrize(
    ("source", "drop"),
    [
        (str(CLIENT6), "ingress"),
        ("2001:db8:1:2::99", "ingress"),
        ("2001:db8:5:1::1", "ingress"),
        ("2002:a00:1::1", "source"),
        ("2002:7f00:1::1", "source"),
        ("::1", "source"),
        (str(SERVER6), None),
        ("2002:c000:201::1", None),
        ("fe80::1", None),
    ],
)
@pytest.mark.requirement("S-DE-005", "S-DE-006")
def test_an_inner_source_must_be_on_the_side_it_comes_from(source: str, drop: str | None) -> None:
    bench = Bench(prefixes=["2001:db8:5::/48"])
    bench.take_inner(inward(source=IPv6Address(source)))
    assert bench.drops == ({f"dropped-{drop}": 1} if drop else {})


@pytest.mark.requirement("S-DE-006")
def test_one_switch_turns_the_ingress_filter_off() -> None:
    bench = Bench(ingress_filter=False)
    bench.take(vectors.datagram("neg-p41-own-prefix-source"))
    assert len(bench.delivered) == 1


@pytest.mark.requirement("S-DE-006")
def test_a_router_takes_from_its_edge_what_belongs_to_the_edge() -> None:
    bench = Bench(SERVER)
    bench.take_inner(inward(source=IPv6Address("2001:db8:1:3::7"), destination=NATIVE))
    assert len(bench.delivered) == 1
    bench.take_inner(inward(source=IPv6Address("2001:db8:1:4::7"), destination=NATIVE))
    bench.take_inner(inward(source=IPv6Address("2001:db8:1:2::7"), destination=NATIVE))
    assert bench.drops == {"dropped-ingress": 2}
    bench.take_inner(inward(source=IPv6Address("2001:db8:1:3::7"), destination=IPv6Address("2001:db8:1:3::8")))
    assert bench.drops["dropped-destination"] == 1, "it would go straight back"


@pytest.mark.parametrize("destination", ["2001:db8:1:2::99", "2001:db8:77::1", "::1"])
def test_a_destination_must_be_on_this_side(destination: str) -> None:
    bench = Bench()
    bench.take_inner(inward(destination=IPv6Address(destination)))
    assert bench.drops == {"dropped-destination": 1}


@pytest.mark.requirement("S-EN-006")
def test_multicast_passes_both_ways() -> None:
    bench = Bench()
    bench.take_inner(inward(destination=IPv6Address("ff05::2")))
    assert len(bench.delivered) == 1
    packet = IPv6Packet(CLIENT6, IPv6Address("ff05::2"), IpProtocol.UDP, bytes(8)).serialize()
    bench.sent.clear()
    bench.send(packet)
    assert [datagram.data for datagram in bench.sent] == [packet]


def test_what_was_sent_to_another_address_of_this_host_is_not_for_this_tunnel() -> None:
    bench = Bench()
    elsewhere = Endpoint(IPv4Address("192.0.2.99"), 0)
    bench.take(Datagram("raw41/1", inward().serialize(), Endpoint(SERVER, 0), elsewhere))
    bench.take(Datagram("raw41/0", inward().serialize(), Endpoint(SERVER, 0), Endpoint(CLIENT, 0)))
    assert bench.drops == {"dropped-outer-destination": 1, "dropped-old-channel": 1}


def nested(levels: int, outermost: IPv6Packet | None = None) -> bytes:
    """An IPv6 packet in so many tunnels, IPv6 in IPv6 and IPv6 in IPv4 in turn, with the addresses of the outermost."""
    ends = outermost or inward()
    packet = inward().serialize()
    for level in range(levels):
        if level % 2:
            packet = IPv4Packet(IPv4Address("192.0.2.7"), IPv4Address("192.0.2.8"), IpProtocol.IPV6, packet).serialize()
        next_header = 4 if level % 2 else IpProtocol.IPV6
        packet = replace(ends, next_header=next_header, payload=packet).serialize()
    return packet


@pytest.mark.parametrize(("levels", "passes"), [(1, True), (2, True), (3, False), (9, False)])
def test_packets_in_too_many_tunnels_are_dropped_both_ways(levels: int, passes: bool) -> None:
    bench = Bench()
    bench.take(Datagram("raw41/1", nested(levels), Endpoint(SERVER, 0), Endpoint(CLIENT, 0)))
    assert bool(bench.delivered) is passes
    bench.sent.clear()
    outward = nested(levels, IPv6Packet(CLIENT6, NATIVE, IpProtocol.UDP, bytes(8)))
    bench.send(outward)
    assert [datagram.data for datagram in bench.sent] == ([outward] if passes else [])
    assert bench.drops == ({} if passes else {"dropped-nested": 2})


@pytest.mark.requirement("S-ND-003", "S-ND-005")
@pytest.mark.parametrize("name", ["p41-nud-ns", "p41-nud-ns-slla"])
def test_a_neighbour_probe_is_answered_without_options(name: str) -> None:
    bench = Bench(SERVER)
    bench.sent.clear()
    bench.take(vectors.datagram(name))
    assert bench.sent[-1].data == vectors.outer("p41-nud-na").payload
    assert bench.sent[-1].remote == Endpoint(CLIENT, 0)
    assert not bench.delivered


def test_other_discovery_is_of_no_use_on_a_configured_tunnel() -> None:
    bench = Bench()
    bench.take(vectors.datagram("p41-nud-na"))
    assert bench.drops == {"dropped-discovery": 1}
