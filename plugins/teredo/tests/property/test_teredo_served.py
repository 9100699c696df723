"""Whatever arrives, a server and a relay neither raise nor send where they must not, nor more than they were sent."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.teredo_world import vectors
from tests.teredo_world.bench import udp_packet
from tests.teredo_world.served_bench import ServedBench, echo_request, knock, relay_bench, server_bench
from tests.teredo_world.vectors import CLIENT_A, NATIVE_HOST, PACKETS

from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.native import is_native
from tunnelmgr_teredo.wire.address import GlobalUnicast, TeredoAddress, is_teredo

OWN = {vectors.SERVER_1, vectors.SERVER_1_SECONDARY}
UNICAST = GlobalUnicast()

ports = st.sampled_from([0, 53, 3544, 3545, 4096, 8192, 65535]) | st.integers(0, 65535)
ipv4 = st.sampled_from(
    [*OWN, vectors.CLIENT_A_MAPPED.address, IPv4Address("10.0.0.1"), IPv4Address("224.0.0.1"), IPv4Address("127.0.0.1")]
) | st.ip_addresses(v=4)
endpoints = st.builds(Endpoint, ipv4, ports)
teredo = st.builds(lambda server, flags, mapped: TeredoAddress(server, flags, mapped).ipv6, ipv4, ports, endpoints)
ipv6 = teredo | st.sampled_from([NATIVE_HOST, IPv6Address("fe80::1"), IPv6Address("ff02::2")]) | st.ip_addresses(v=6)
headers = st.sampled_from([b"", bytes.fromhex("00010000112233445566778800"), bytes.fromhex("0000efff3ffffdfe")])
packets = st.builds(
    lambda make, source, destination: make(source, destination),
    st.sampled_from([knock, echo_request, udp_packet]),
    ipv6,
    ipv6,
)
well_formed = st.builds(lambda front, packet, behind: front + packet + behind, headers, packets, st.binary(max_size=12))
recorded = st.sampled_from([vector.payload for vector in PACKETS.values()])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A recorded datagram with a few bytes changed, cut off somewhere."""
    payload = bytearray(draw(recorded))
    for _ in range(draw(st.integers(0, 3))):
        if payload:
            payload[draw(st.integers(0, len(payload) - 1))] = draw(st.integers(0, 255))
    return bytes(payload[: draw(st.integers(0, len(payload)))])


payloads = st.binary(max_size=200) | recorded | damaged() | well_formed
datagrams = st.tuples(payloads, endpoints, st.sampled_from(["primary", "secondary", "relay"]))


def check_output(bench: ServedBench, sent: int) -> None:
    for packet in bench.delivered():
        parsed = IPv6Packet.parse(packet)
        assert is_native(parsed.destination)
    assert sent <= 1


@given(st.lists(datagrams, max_size=20))
def test_a_server_with_a_relay_takes_anything(arriving: list[tuple[bytes, Endpoint, str]]) -> None:
    bench = server_bench(relay=True)
    for payload, remote, channel in arriving:
        sent = bench.take(payload, remote, channel)
        assert all(UNICAST.has_endpoint(datagram.remote) and datagram.remote.address not in OWN for datagram in sent)
        check_output(bench, len(sent))
    bench.wait(20)
    bench.tunnel.status(bench.now)


@given(st.lists(st.tuples(st.just(None) | datagrams, packets | st.binary(max_size=100)), max_size=20))
@settings(deadline=None)
def test_a_relay_takes_anything(arriving: list[tuple[tuple[bytes, Endpoint, str] | None, bytes]]) -> None:
    bench = relay_bench()
    for datagram, packet in arriving:
        if datagram is None:
            sent = bench.send(packet)
        else:
            payload, remote, _ = datagram
            sent = bench.take(payload, remote, "relay")
        assert all(UNICAST.has_endpoint(one.remote) for one in sent)
        for delivered in bench.delivered():
            assert not is_teredo(IPv6Packet.parse(delivered).destination)
        bench.wait(0.7)
    bench.wait(400)
    assert bench.tunnel.next_timeout() is None
    assert bench.tunnel.status(bench.now).peers_total == 0


@given(endpoints)
def test_only_a_client_s_own_nat_makes_it_trusted(remote: Endpoint) -> None:
    """Whoever else answers, with or without the proof, is not believed."""
    bench = relay_bench()
    [knocked] = bench.send(udp_packet(NATIVE_HOST, CLIENT_A))
    proof = IPv6Packet.parse(knocked.data).source
    mapped = TeredoAddress.parse(CLIENT_A).mapped
    sent = bench.take(knock(CLIENT_A, proof), remote, "relay")
    assert bool(sent) == (remote.address == mapped.address and remote.port != 0)
