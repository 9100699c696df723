"""What native hosts and clients do around a relay on the bench."""

from ipaddress import IPv6Address, IPv6Network

from tests.teredo_world.bench import udp_packet
from tests.teredo_world.served_bench import (
    ServedBench,
    knock,
)
from tests.teredo_world.vectors import CLIENT_A, NATIVE_HOST

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.events import PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.icmpv6 import parse_icmpv6
from tunnelmgr.api.packets.icmpv6_errors import DestinationUnreachable, UnreachableCode
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.wire.address import TeredoAddress

A_PATH = IPv6Network(CLIENT_A)


def send(bench: ServedBench, client: IPv6Address = CLIENT_A, source: IPv6Address = NATIVE_HOST) -> list[Datagram]:
    """Send a native host's packet to a client."""
    return bench.send(udp_packet(source, client))


def answer(bench: ServedBench, knocked: Datagram, remote: Endpoint | None = None) -> list[Datagram]:
    """Answer the relay's bubble directly, as a client does."""
    asked = IPv6Packet.parse(knocked.data)
    mapped = TeredoAddress.parse(asked.destination).mapped
    return bench.take(knock(asked.destination, asked.source), remote or mapped, "relay")


def with_client(bench: ServedBench, client: IPv6Address = CLIENT_A, source: IPv6Address = NATIVE_HOST) -> ServedBench:
    """Let a native host and a client have found each other."""
    [knocked] = send(bench, client, source)
    answer(bench, knocked)
    bench.take_events(PathUp)
    return bench


def errors(bench: ServedBench) -> list[IPv6Packet]:
    """Take the ICMPv6 errors address unreachable that went to native hosts."""
    packets = [IPv6Packet.parse(packet) for packet in bench.delivered()]
    messages = [parse_icmpv6(packet) for packet in packets]
    for message in messages:
        assert isinstance(message, DestinationUnreachable)
        assert message.code == UnreachableCode.ADDRESS_UNREACHABLE
    return packets
