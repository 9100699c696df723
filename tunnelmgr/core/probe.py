"""Proves that packets flow: ICMPv6 echo requests (RFC 4443) that leave by the tunnel device and must come back by it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from tunnelmgr.core.ping import ECHO_REPLY, echo_request, raw_echo_socket

PROBES: Final = 2  # a target; one answer is enough
PROBE_TIMEOUT: Final = 4.0  # seconds for each: the first packet of a Teredo peer waits for an echo test and its repeat


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What became of the probes to one target."""

    target: IPv6Address
    sent: int
    answered: int
    round_trip: float | None
    """Seconds, of the fastest answer; None when there was none."""


Prober = Callable[[str, IPv6Address, Sequence[IPv6Address]], Awaitable[ProbeResult]]
"""Device, source, targets: `probe`, or what stands in for it."""


async def probe(device: str, source: IPv6Address, targets: Sequence[IPv6Address]) -> ProbeResult:
    """Ping the targets in turn until one answers; return its result, or the last target's.

    Raises OSError when nothing can be sent at all, ValueError when there is no target.
    """
    if not targets:
        raise ValueError("nobody to probe")
    for target in targets:
        result = await _probe_one(device, source, target)
        if result.answered:
            break
    return result


async def _probe_one(device: str, source: IPv6Address, target: IPv6Address) -> ProbeResult:
    loop = asyncio.get_running_loop()
    round_trips = []
    with _echo_socket(device, source) as sock:
        for sequence in range(1, PROBES + 1):
            request = echo_request(sequence)
            started = loop.time()
            try:
                async with asyncio.timeout(PROBE_TIMEOUT):
                    await loop.sock_sendto(sock, request, (str(target), 0))
                    while not _answers(await loop.sock_recv(sock, 2048), request):
                        continue  # another ping's reply: raw sockets get them all
            except TimeoutError:
                continue
            round_trips.append(loop.time() - started)
    return ProbeResult(target, PROBES, len(round_trips), min(round_trips, default=None))


def _answers(reply: bytes, request: bytes) -> bool:
    """Whether a reply echoes the request; checksums, of which the kernel checked the reply's, are left out."""
    return reply[0] == ECHO_REPLY and reply[4:] == request[4:]


def _echo_socket(device: str, source: IPv6Address) -> socket.socket:
    sock = raw_echo_socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        sock.bind((str(source), 0))
    except OSError:
        sock.close()
        raise
    return sock
