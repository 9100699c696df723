"""A client with two friends, whom nothing that strangers send may cost it."""

from tests.teredo_world.bench import Bench, ScriptedRandom, udp_packet
from tests.teredo_world.vectors import CLIENT_A, CLIENT_A_MAPPED, CLIENT_B, CLIENT_B_MAPPED, NATIVE_HOST, RELAY, SERVER_2

from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.wire.datagram import bubble

PEERS_MAX = 16


def client_with_friends() -> Bench:
    """Return client B, qualified, with client A and a native host for friends."""
    bench = Bench(ScriptedRandom(flags=0x2081), server=str(SERVER_2), peers_max=PEERS_MAX)
    bench.qualified(CLIENT_B_MAPPED, SERVER_2)
    bench.refreshes = CLIENT_B_MAPPED
    bench.send(udp_packet(CLIENT_B, CLIENT_A))
    bench.receive(bubble(CLIENT_A, CLIENT_B), CLIENT_A_MAPPED)
    bench.sent()
    bench.send(udp_packet(CLIENT_B, NATIVE_HOST))
    (test,) = bench.sent()
    request = parse_icmpv6(IPv6Packet.parse(test.data))
    assert isinstance(request, EchoRequest)
    bench.receive(icmpv6_packet(request.reply(), NATIVE_HOST, CLIENT_B).serialize(), RELAY)
    bench.sent()
    return bench


def friends(bench: Bench) -> dict[str, str | None]:
    peers = bench.client.status(bench.now).peers
    return {peer.address: peer.endpoint for peer in peers if peer.address in {str(CLIENT_A), str(NATIVE_HOST)}}
