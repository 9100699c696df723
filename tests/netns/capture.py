"""Captures frames on an interface of a lab host, to be checked packet by packet and read by tshark."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.packets.udp import UdpDatagram
from tunnelmgr.lab.namespaces import Host

_ETH_P_ALL = 3  # linux/if_ether.h
_ETHERNET_HEADER = 14  # bytes
_FILE_HEADER = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)  # pcap 2.4, microseconds, Ethernet


class Capture:
    """Frames with the instants they were seen at, in order."""

    def __init__(self) -> None:
        self.frames: list[tuple[float, bytes]] = []

    def ipv4(self, protocol: int) -> Iterator[IPv4Packet]:
        """The IPv4 packets of a protocol among the frames."""
        for _, frame in self.frames:
            if frame[12:14] == b"\x08\x00":
                packet = IPv4Packet.parse(frame[_ETHERNET_HEADER:])
                if packet.protocol == protocol:
                    yield packet

    def udp(self) -> Iterator[tuple[IPv4Packet, UdpDatagram]]:
        """The UDP datagrams of IPv4 among the frames. Checksums may be missing: veth leaves them to nobody's card."""
        for _, frame in self.frames:
            if frame[12:14] != b"\x08\x00":
                continue
            packet = IPv4Packet.parse(frame[_ETHERNET_HEADER:])
            if packet.protocol == IpProtocol.UDP:
                try:
                    yield packet, UdpDatagram.parse(packet.payload, packet.source, packet.destination)
                except WireError:
                    without = packet.payload[:6] + b"\0\0" + packet.payload[8:]
                    yield packet, UdpDatagram.parse(without, packet.source, packet.destination)

    def write(self, path: Path) -> Path:
        """Write a pcap file."""
        with path.open("wb") as file:
            file.write(_FILE_HEADER)
            for instant, frame in self.frames:
                seconds, fraction = divmod(instant, 1)
                file.write(struct.pack("=IIII", int(seconds), int(fraction * 1e6), len(frame), len(frame)) + frame)
        return path


@contextmanager
def capturing(host: Host, interface: str) -> Iterator[Capture]:
    """Capture until the with block ends."""
    with host.enter():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        sock.bind((interface, 0))
    sock.settimeout(0.05)
    capture, ended = Capture(), threading.Event()

    def receive() -> None:
        while True:
            try:
                frame = sock.recv(65535)
            except TimeoutError:
                if ended.is_set():
                    return
            else:
                capture.frames.append((time.time(), frame))

    thread = threading.Thread(target=receive)
    thread.start()
    try:
        yield capture
    finally:
        ended.set()
        thread.join()
        sock.close()
