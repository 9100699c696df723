"""Whatever arrives, nothing is raised and nothing passes that the checks forbid."""

from dataclasses import replace
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sixinfour_world import vectors
from tests.sixinfour_world.bench import Bench
from tests.sixinfour_world.vectors import CLIENT, CLIENT6, SERVER

from tunnelmgr.api.datagrams import Datagram, IcmpReceived
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.ipv6 import IPv6Packet

NAMES = [*vectors.names("p41-"), *vectors.names("neg-p41")]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A vector with some bytes changed, cut or extended."""
    data = bytearray(vectors.outer(draw(st.sampled_from(NAMES))).payload)
    for _ in range(draw(st.integers(0, 6))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))]) + draw(st.binary(max_size=8))


@given(st.one_of(st.binary(max_size=1500), mutated()), st.integers(0, 255))
@pytest.mark.requirement("S-DE-010")
def test_no_payload_crashes_or_passes_the_checks(data: bytes, tos: int) -> None:
    bench = Bench()
    bench.take(Datagram("raw41/1", data, Endpoint(SERVER, 0), Endpoint(CLIENT, 0), tos=tos))
    for delivered in bench.delivered:
        packet = IPv6Packet.parse(delivered)
        assert packet.serialize() == delivered
        assert packet.destination == CLIENT6 or packet.destination.is_multicast or packet.destination.is_link_local
        assert packet.source not in {CLIENT6, IPv6Address("::1")}
        assert not packet.source.is_multicast


@given(st.binary(max_size=1500))
def test_no_packet_of_this_host_crashes(data: bytes) -> None:
    Bench().send(data)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=200))
def test_no_icmp_error_crashes_or_lowers_the_mtu_below_1280(kind: int, code: int, mtu: int, quote: bytes) -> None:
    bench = Bench()
    known = vectors.error("icmp4-frag-needed-1400")
    bench.change(IcmpReceived("raw41/1", kind, code, mtu, known.reporter, known.remote, quote))
    bench.change(replace(known, mtu=mtu))
    bench.wake_until(30.0, answering=1480)
    assert bench.tunnel.status(30.0).state == "established"
