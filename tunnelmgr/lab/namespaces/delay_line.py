"""A cable with a length: carries Ethernet frames between two TAP devices and keeps each for a while, some for longer.

The kernel's own way to delay packets and to change their order, netem, is missing from many kernels. A TAP device hands out
whole frames with their checksums, none longer than the MTU, so what travels here is what a real cable would see.

Run as a program, it returns when both ends are plugged in, and goes on by itself until it is killed or a device vanishes:

    python -m tunnelmgr.lab.namespaces.delay_line tml-lab-server eth0 tml-lab-net server '{"delay": 0.02, "late": [1, 4]}'
"""

import fcntl
import heapq
import json
import os
import select
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv6Address
from itertools import count

from tunnelmgr.api.plain import from_plain
from tunnelmgr.lab.namespaces.entering import entered
from tunnelmgr.lab.vocabulary import Link

FRAMES_MAX = 10_000  # on their way; what comes when the cable is full is lost, as in a router's queue
BATCH = 64  # frames taken from one end before the other gets its turn
_FRAME_MAX = 65_550  # bytes: an IP packet and an Ethernet header
_ETHERNET = 14  # bytes of header, the last two of which tell what is inside
_IPV4 = b"\x08\x00"
_IPV6 = b"\x86\xdd"
_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000


class DelayLine:
    """Frames between two ends, each on its way for as long as the link says; what leaves at once leaves in order."""

    def __init__(self, link: Link) -> None:
        """`link` names the packets that are late or duplicated as in the simulated internet; nothing is lost here."""
        self._link = link
        self._entered: Counter[int] = Counter()
        """Packets so far, by the end they leave at."""
        self._order = count()
        self._frames: list[tuple[float, int, int, bytes]] = []
        """A heap of when each leaves, its place among those that leave then, at which end, and the frame."""

    def enter(self, frame: bytes, towards: int, now: float) -> None:
        """Take a frame that leaves at the end `towards` later; a full line loses it."""
        for delay in self._delays(frame, towards):
            if len(self._frames) < FRAMES_MAX:
                heapq.heappush(self._frames, (now + delay, next(self._order), towards, frame))

    def leaving(self, now: float) -> Iterator[tuple[int, bytes]]:
        """Drain the frames whose time has come, each with the end it leaves at."""
        while self._frames and self._frames[0][0] <= now:
            _, _, towards, frame = heapq.heappop(self._frames)
            yield towards, frame

    def next_at(self) -> float | None:
        """Return when the next frame leaves; None while the line is empty."""
        return self._frames[0][0] if self._frames else None

    def _delays(self, frame: bytes, towards: int) -> tuple[float, ...]:
        if not _is_routed(frame):
            return (self._link.delay,)
        number = self._entered[towards]
        self._entered[towards] += 1
        return self._link.delays(number)


def _is_routed(frame: bytes) -> bool:
    """Whether a frame holds a packet that somebody sent, and not what the ends of the cable ask each other."""
    kind, packet = frame[_ETHERNET - 2 : _ETHERNET], frame[_ETHERNET:]
    if kind == _IPV6:
        ends = IPv6Address(packet[8:24]), IPv6Address(packet[24:40])
        return not any(end.is_link_local or end.is_multicast or end.is_unspecified for end in ends)
    return kind == _IPV4


def carry(line: DelayLine, one: int, other: int) -> None:
    """Carry frames between two open TAP devices until one vanishes, which raises OSError."""
    across = {one: other, other: one}
    while True:
        next_at = line.next_at()
        timeout = None if next_at is None else max(0.0, next_at - time.monotonic())
        for end in select.select([one, other], [], [], timeout)[0]:
            _take(line, end, across[end])
        for end, frame in line.leaving(time.monotonic()):
            _put(end, frame)


def _take(line: DelayLine, end: int, towards: int) -> None:
    for _ in range(BATCH):
        try:
            line.enter(os.read(end, _FRAME_MAX), towards, time.monotonic())
        except BlockingIOError:
            return


def _put(end: int, frame: bytes) -> None:
    try:
        os.write(end, frame)
    except OSError:
        return  # the device is down, or has no room: lost, as on a cable


def open_tap(namespace: str, device: str) -> int:
    """Open a TAP device that exists in a namespace; return the descriptor. Raises OSError."""
    with entered(namespace):
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        # struct ifreq: 16 bytes of name, a 24-byte union of which the flags are the first two.
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TAP | _IFF_NO_PI))
        return descriptor


def main(arguments: list[str]) -> None:
    """Plug both ends in, and go on in a process of its own."""
    one, one_device, other, other_device, link = arguments
    line = DelayLine(from_plain(Link, json.loads(link)))
    ends = open_tap(one, one_device), open_tap(other, other_device)
    if os.fork():
        return
    os.setsid()
    # Whoever started this reads its output to the end, which would never come.
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    carry(line, *ends)


if __name__ == "__main__":
    main(sys.argv[1:])
