"""Packet sockets on the loopback interface: the kernel runs our filter, and counts what we were too slow for."""

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.packets.udp import UdpDatagram
from tunnelmgr.host.linux.packet_filter import OuterEnd, packets_of
from tunnelmgr.host.linux.packet_socket import BUFFER_SIZE, PACKET_BYTES_MAX, PacketSocket, SeenPacket
from tunnelmgr.lab.waiting import wait_for

LOOPBACK = "127.0.0.1"
LARGE = bytes(60_000)


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets with ports of their own; the second is the receiver of all tests."""
    with socket.socket(type=socket.SOCK_DGRAM) as ours, socket.socket(type=socket.SOCK_DGRAM) as other:
        ours.bind((LOOPBACK, 0))
        other.bind((LOOPBACK, 0))
        yield ours, other


def watching(sock: socket.socket) -> PacketSocket:
    end = OuterEnd(IpProtocol.UDP, IPv4Address(LOOPBACK), sock.getsockname()[1])
    return PacketSocket("lo", packets_of([end], PACKET_BYTES_MAX))


def payload_of(seen: SeenPacket) -> bytes:
    packet = IPv4Packet.parse(seen.data)
    return UdpDatagram.parse(packet.payload[:6] + b"\0\0" + packet.payload[8:], packet.source, packet.destination).payload


def test_the_kernel_copies_what_the_filter_wants_both_ways_and_nothing_else(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    ours, other = sockets
    watch = watching(ours)
    other.sendto(b"not ours", other.getsockname())
    ours.sendto(b"leaves", other.getsockname())
    other.sendto(b"arrives", ours.getsockname())
    seen: list[SeenPacket] = []

    def both_seen() -> bool:
        seen.extend(watch.read())
        return len(seen) >= 2

    wait_for("two packets", both_seen)
    watch.close()
    assert [payload_of(packet) for packet in seen] == [b"leaves", b"arrives"]
    assert all(packet.length == len(packet.data) for packet in seen)
    assert seen[0].at <= seen[1].at


def test_what_a_slow_reader_loses_is_counted_once(sockets: tuple[socket.socket, socket.socket]) -> None:
    ours, other = sockets
    watch = watching(ours)
    sent = 4 * BUFFER_SIZE // len(LARGE)
    for _ in range(sent):
        ours.sendto(LARGE, other.getsockname())
    kept = 0
    while batch := list(watch.read()):
        kept += len(batch)
    lost = watch.lost()
    assert 0 < lost < sent
    assert kept + lost == sent
    assert watch.lost() == 0
    watch.close()


def test_an_interface_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OSError, match="No such device"):
        PacketSocket("tm-nowhere")
