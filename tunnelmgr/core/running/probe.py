"""Proves that packets flow: ICMPv6 echo requests (RFC 4443) that leave by the tunnel device and must come back by it."""

import asyncio
import contextlib
import hmac
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

from tunnelmgr.core.driving.ping import ECHO_REPLY, echo_request, raw_echo_socket


@dataclass(frozen=True, slots=True)
class Pace:
    """How a round of probes to one target is sent."""

    probes: int
    """At most."""
    interval: float
    """Seconds to wait for an answer before the next probe leaves, and after the last. A late answer still counts."""
    enough: int
    """Answers that end the round."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What became of the probes to one target."""

    target: IPv6Address
    sent: int
    answered: int
    round_trip: float | None
    """Seconds, of the fastest answer; None when there was none."""


Prober = Callable[[str, IPv6Address, Sequence[IPv6Address], Pace], Coroutine[Any, Any, ProbeResult]]
"""Device, source, targets, pace: `probe`, or what stands in for it."""


async def probe(device: str, source: IPv6Address, targets: Sequence[IPv6Address], pace: Pace) -> ProbeResult:
    """Ping the targets side by side until one has answered; return its result, or the first target's.

    Raises OSError when nothing can be sent at all, ValueError when there is no target.
    """
    if not targets:
        raise ValueError("no target to probe")
    rounds = [asyncio.create_task(_round(device, source, target, pace)) for target in targets]
    try:
        for finished in asyncio.as_completed(rounds):
            if (result := await finished).answered:
                return result
        return rounds[0].result()
    finally:
        for one in rounds:
            one.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)


async def _round(device: str, source: IPv6Address, target: IPv6Address, pace: Pace) -> ProbeResult:
    loop = asyncio.get_running_loop()
    waiting: dict[bytes, float] = {}
    round_trips: list[float] = []
    sent = 0
    with _echo_socket(device, source) as sock:
        while sent < pace.probes and len(round_trips) < pace.enough:
            sent += 1
            request = echo_request(sent)
            waiting[request] = loop.time()
            await loop.sock_sendto(sock, request, (str(target), 0))
            before = len(round_trips)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pace.interval):
                    while len(round_trips) == before:
                        _note(await loop.sock_recv(sock, 2048), waiting, round_trips, loop.time())
    return ProbeResult(target, sent, len(round_trips), min(round_trips, default=None))


def _note(reply: bytes, waiting: dict[bytes, float], round_trips: list[float], now: float) -> None:
    """Find what a reply answers. Another ping's answers nothing: raw sockets get them all."""
    answered = [request for request in waiting if _answers(reply, request)]
    round_trips.extend(now - waiting.pop(request) for request in answered)


def _answers(reply: bytes, request: bytes) -> bool:
    """True if a reply echoes the request. Checksums differ by the type, and the kernel has checked the reply's."""
    return reply[0] == ECHO_REPLY and hmac.compare_digest(reply[4:], request[4:])


def _echo_socket(device: str, source: IPv6Address) -> socket.socket:
    sock = raw_echo_socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        sock.bind((str(source), 0))
    except OSError:
        sock.close()
        raise
    return sock
