"""A hundred thousand Teredo clients on one host, with their server, as far as a relay can tell.

Raw sockets see whatever arrives and send from any port, so that no client needs a socket of its own.
"""

import selectors
import socket
import struct
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from tunnelmgr.lab.namespaces import Host

SERVER = IPv4Address("192.0.2.1")
CLIENTS = (IPv4Address("203.0.113.1"), IPv4Address("203.0.113.2"))
FIRST_PORT = 1024
PORTS = 60_000  # clients an address
SERVER_PORT = 3544
NATIVE_PORT = 9
WINDOW = 64  # clients being contacted at one time
SILENCE = 5.0  # seconds after which packets are held to be lost
RECEIVE_BUFFER = 8 << 20  # bytes
_SO_RCVBUFFORCE = 33  # asm-generic/socket.h
_UDP = struct.Struct("!HHHH")


def client_address(number: int) -> IPv6Address:
    """Return the Teredo address of a client."""
    mapped, port = CLIENTS[number // PORTS], FIRST_PORT + number % PORTS
    packed = struct.pack("!HHIHHI", 0x2001, 0, int(SERVER), 0, port ^ 0xFFFF, int(mapped) ^ 0xFFFF_FFFF)
    return IPv6Address(packed)


class Clients:
    """The clients and server of `host`, and `native`, who talks to them."""

    def __init__(self, host: Host, native: Host) -> None:
        with host.enter():
            self._server = _raw_socket(SERVER)
            self._clients = {address.packed: _raw_socket(address) for address in CLIENTS}
        with native.enter():
            self._native = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            self._native.bind((str(native.ipv6), NATIVE_PORT))
            self._native.setblocking(False)
        self._source = native.ipv6
        self._relay = ("", 0)
        self._selector = selectors.DefaultSelector()
        for sock in (self._server, *self._clients.values()):
            self._selector.register(sock, selectors.EVENT_READ)

    def close(self) -> None:
        for sock in (self._server, self._native, *self._clients.values()):
            sock.close()
        self._selector.close()

    def meet(self, first: int, count: int) -> float:
        """Let `native` send something to each of these clients, until all have got it; return the seconds that took.

        Raises TimeoutError when packets are lost.
        """
        waiting: set[int] = set()
        following = iter(range(first, first + count))
        started_at = heard_at = time.monotonic()
        remaining = count
        while remaining:
            while len(waiting) < WINDOW and (number := next(following, None)) is not None:
                waiting.add(number)
                self.send_to(number, b"hello")
            for number, _ in self.received(0.1):
                heard_at = time.monotonic()
                if number in waiting:
                    waiting.discard(number)
                    remaining -= 1
            if time.monotonic() - heard_at > SILENCE:
                raise TimeoutError(f"{remaining} of {count} clients were not reached")
        return time.monotonic() - started_at

    def send_to(self, number: int, payload: bytes) -> None:
        """Send a UDP datagram from `native` to a client."""
        self._native.sendto(payload, (str(client_address(number)), NATIVE_PORT))

    def send_from(self, number: int, packet: bytes) -> None:
        """Send a datagram from a client to the relay it has heard last."""
        mapped = CLIENTS[number // PORTS].packed
        header = _UDP.pack(FIRST_PORT + number % PORTS, self._relay[1], 8 + len(packet), 0)
        self._clients[mapped].sendto(header + packet, (self._relay[0], 0))

    def packet(self, number: int, payload: bytes) -> bytes:
        """Return an IPv6 packet of UDP from a client to `native`, without a checksum worth checking."""
        length = 8 + len(payload)
        header = struct.pack("!IHBB", 6 << 28, length, socket.IPPROTO_UDP, 64)
        udp = _UDP.pack(NATIVE_PORT, NATIVE_PORT, length, 0xFFFF)
        return header + client_address(number).packed + self._source.packed + udp + payload

    def received(self, timeout: float) -> Iterator[tuple[int, bytes]]:
        """Yield what has arrived at clients: their numbers, and the IPv6 packets. Bubbles are answered on the way."""
        for key, _ in self._selector.select(timeout):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            for _ in range(WINDOW):
                try:
                    datagram = sock.recv(2048)
                except BlockingIOError:
                    break
                source_port, port = struct.unpack_from("!HH", datagram, 20)
                if sock is self._server:
                    if port == SERVER_PORT:
                        self._relay = (socket.inet_ntoa(datagram[12:16]), source_port)
                        self._answer(datagram[28:])
                else:
                    mapped = IPv4Address(datagram[16:20])
                    yield CLIENTS.index(mapped) * PORTS + port - FIRST_PORT, datagram[28:]

    def _answer(self, bubble: bytes) -> None:
        """Let the client a bubble is for answer it directly."""
        source, client = bubble[8:24], bubble[24:40]
        port = int.from_bytes(client[10:12]) ^ 0xFFFF
        mapped = (int.from_bytes(client[12:16]) ^ 0xFFFF_FFFF).to_bytes(4)
        header = _UDP.pack(port, self._relay[1], 48, 0)
        self._clients[mapped].sendto(header + bubble[:8] + client + source, (self._relay[0], 0))


def _raw_socket(address: IPv4Address) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    sock.bind((str(address), 0))
    sock.setblocking(False)
    return sock
