"""ICMPv6 echo requests (RFC 4443) from this process: the sockets, and one ping by whatever way this host's routes say."""

import asyncio
import hmac
import os
import socket
import struct
from ipaddress import IPv6Address
from typing import Final

ECHO_REPLY: Final = 129
_ECHO_REQUEST: Final = 128
_ICMP6_FILTER: Final = 1  # linux/icmpv6.h
_HEADER: Final = struct.Struct("!BBHHH")  # type, code, checksum (filled in by the kernel), identifier, sequence
_NONCE_LENGTH: Final = 16  # bytes
NO_RAW_SOCKETS: Final = "this process may not open raw sockets, it lacks CAP_NET_RAW"


def echo_request(sequence: int) -> bytes:
    """Return a new request; whoever has seen it can tell its reply from others."""
    return _HEADER.pack(_ECHO_REQUEST, 0, 0, os.getpid() & 0xFFFF, sequence) + os.urandom(_NONCE_LENGTH)


def raw_echo_socket() -> socket.socket:
    """Return a non-blocking socket that hears every echo reply of this host. Raises OSError."""
    try:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    except PermissionError as error:
        raise PermissionError(error.errno, NO_RAW_SOCKETS) from error
    sock.setblocking(False)
    # A set bit blocks its type: all but echo reply.
    blocked = bytearray(b"\xff" * 32)
    blocked[ECHO_REPLY // 32 * 4 : ECHO_REPLY // 32 * 4 + 4] = struct.pack("=I", ~(1 << ECHO_REPLY % 32) & 0xFFFFFFFF)
    sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, bytes(blocked))
    return sock


async def ping(target: IPv6Address, source: IPv6Address | None = None) -> float:
    """Return the round trip in seconds; wait for it for ever. Raises OSError, PermissionError among it."""
    loop = asyncio.get_running_loop()
    request = echo_request(1)
    with _any_echo_socket() as sock:
        if source is not None:
            sock.bind((str(source), 0))
        started = loop.time()
        await loop.sock_sendto(sock, request, (str(target), 0))
        while True:
            reply = await loop.sock_recv(sock, 2048)
            # Without the identifier: the kernel gives a ping socket one of its own.
            if reply[0] == ECHO_REPLY and hmac.compare_digest(reply[_HEADER.size :], request[_HEADER.size :]):
                return loop.time() - started


def _any_echo_socket() -> socket.socket:
    """Return a ping socket, which many hosts let everybody have (net.ipv4.ping_group_range), or else a raw one."""
    try:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6)
    except PermissionError:
        return raw_echo_socket()
    sock.setblocking(False)
    return sock
