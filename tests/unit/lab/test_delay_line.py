"""When frames leave a delay line."""

from ipaddress import IPv6Address

import pytest

from tunnelmgr.lab.namespaces import delay_line
from tunnelmgr.lab.namespaces.delay_line import DelayLine
from tunnelmgr.lab.vocabulary import Link

HERE, THERE = 3, 4
MACS = bytes(12)
GLOBAL, LINK_LOCAL = (IPv6Address(address).packed for address in ("2001:db8::1", "fe80::1"))


def packet(mark: bytes = b"") -> bytes:
    """An IPv4 packet as far as the line looks at it."""
    return MACS + b"\x08\x00" + bytes(20) + mark


def packet6(source: bytes, destination: bytes = GLOBAL) -> bytes:
    return MACS + b"\x86\xdd" + bytes(8) + source + destination


def test_a_frame_leaves_at_the_other_end_after_the_delay() -> None:
    line = DelayLine(Link(delay=0.5))
    line.enter(b"a", THERE, now=10.0)
    assert line.next_at() == 10.5
    assert list(line.leaving(now=10.4)) == []
    assert list(line.leaving(now=10.5)) == [(THERE, b"a")]
    assert line.next_at() is None


def test_frames_keep_their_order_and_their_direction() -> None:
    line = DelayLine(Link(delay=0.5))
    for number, (frame, towards) in enumerate([(b"a", THERE), (b"b", HERE), (b"c", THERE)]):
        line.enter(frame, towards, now=float(number) / 10)
    assert list(line.leaving(now=0.65)) == [(THERE, b"a"), (HERE, b"b")]
    assert list(line.leaving(now=0.75)) == [(THERE, b"c")]


def test_a_full_line_loses_what_comes() -> None:
    line = DelayLine(Link(delay=0.5))
    for _ in range(delay_line.FRAMES_MAX + 5):
        line.enter(b"x", THERE, now=0.0)
    assert len(list(line.leaving(now=1.0))) == delay_line.FRAMES_MAX


def test_late_packets_fall_behind_and_duplicated_ones_come_twice_in_each_direction() -> None:
    line = DelayLine(Link(delay=0.5, late=frozenset({0}), late_by=0.25, duplicated=frozenset({1})))
    a, b, c = map(packet, (b"a", b"b", b"c"))
    for towards in (THERE, HERE):
        for frame in (a, b, c):
            line.enter(frame, towards, now=0.0)
    assert list(line.leaving(now=0.5)) == [(towards, frame) for towards in (THERE, HERE) for frame in (b, b, c)]
    assert line.next_at() == 0.75
    assert list(line.leaving(now=0.75)) == [(THERE, a), (HERE, a)]


@pytest.mark.parametrize("frame", [packet(), packet6(GLOBAL)], ids=["IPv4", "IPv6"])
def test_packets_are_counted(frame: bytes) -> None:
    line = DelayLine(Link(duplicated=frozenset({1})))
    line.enter(frame, THERE, now=0.0)
    line.enter(frame, THERE, now=0.0)
    assert len(list(line.leaving(now=0.0))) == 3


@pytest.mark.parametrize(
    "frame",
    [
        MACS + b"\x08\x06" + bytes(28),
        packet6(LINK_LOCAL),
        packet6(GLOBAL, LINK_LOCAL),
        packet6(GLOBAL, IPv6Address("ff02::1:ff00:1").packed),
        packet6(bytes(16)),
    ],
    ids=["ARP", "from link-local", "to link-local", "to multicast", "from nobody"],
)
def test_what_the_ends_ask_each_other_does_not_count(frame: bytes) -> None:
    line = DelayLine(Link(duplicated=frozenset({0})))
    line.enter(frame, THERE, now=0.0)
    assert list(line.leaving(now=0.0)) == [(THERE, frame)]
