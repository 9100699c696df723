"""One ICMPv6 echo request (RFC 4443) by whatever way this host's routes say, and how long the answer takes."""

import asyncio
import os
import socket
import struct
from ipaddress import IPv6Address
from typing import Final

_ECHO_REQUEST: Final = 128
_ECHO_REPLY: Final = 129
_ICMP6_FILTER: Final = 1  # linux/icmpv6.h
_HEADER: Final = struct.Struct("!BBHHH")  # type, code, checksum (filled in by the kernel), identifier, sequence


async def ping(target: IPv6Address, source: IPv6Address | None = None) -> float:
    """Return the round trip in seconds; wait for it for ever. Raises OSError, PermissionError among it."""
    loop = asyncio.get_running_loop()
    nonce = os.urandom(16)
    with _echo_socket() as sock:
        if source is not None:
            sock.bind((str(source), 0))
        started = loop.time()
        await loop.sock_sendto(sock, _HEADER.pack(_ECHO_REQUEST, 0, 0, os.getpid() & 0xFFFF, 1) + nonce, (str(target), 0))
        while True:
            reply = await loop.sock_recv(sock, 2048)
            # The kernel gives a datagram socket an identifier of its own, a raw one hears the replies of others.
            if reply[0] == _ECHO_REPLY and reply[_HEADER.size :] == nonce:
                return loop.time() - started


def _echo_socket() -> socket.socket:
    """Return a ping socket, which many hosts let everybody have (net.ipv4.ping_group_range), or else a raw one."""
    try:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6)
    except PermissionError:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        # A set bit blocks its type: all but echo reply.
        blocked = bytearray(b"\xff" * 32)
        blocked[_ECHO_REPLY // 32 * 4 : _ECHO_REPLY // 32 * 4 + 4] = struct.pack("=I", ~(1 << _ECHO_REPLY % 32) & 0xFFFFFFFF)
        sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, bytes(blocked))
    sock.setblocking(False)
    return sock
