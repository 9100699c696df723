"""Capture files: every format and link layer that is read, and what is said of damaged ones."""

import contextlib
import io
import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnelmgr.api.errors import TunnelError, WireError
from tunnelmgr.core.capture.frame import FRAME_BYTES_MAX, Frame, LinkType, ip_packet
from tunnelmgr.core.capture.reading import read_capture

IPV4, IPV6 = b"\x45packet", b"\x60packet"
MICROSECONDS, NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D


def pcap(frames: Iterable[bytes], order: str = "<", magic: int = MICROSECONDS, link_type: int = LinkType.RAW) -> bytes:
    head = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)
    return head + b"".join(struct.pack(f"{order}IIII", 5, 250, len(data), len(data) + 1) + data for data in frames)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    padded = body + bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", 12 + len(padded))
    return struct.pack(f"{order}I", kind) + length + padded + length


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(options: bytes = b"", link_type: int = LinkType.RAW, order: str = "<") -> bytes:
    return block(1, struct.pack(f"{order}HHI", link_type, 0, 0) + options, order)


def enhanced(data: bytes, ticks: int = 0, index: int = 0, order: str = "<") -> bytes:
    return block(6, struct.pack(f"{order}IIIII", index, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data)) + data, order)


def frames_of(data: bytes) -> list[Frame]:
    return list(read_capture(io.BytesIO(data), "x.pcap"))


def failure_of(data: bytes) -> tuple[int, str]:
    """Return how many frames came before the failure, and its text."""
    before: list[Frame] = []
    with pytest.raises(TunnelError) as failure:
        before.extend(read_capture(io.BytesIO(data), "x.pcap"))
    return len(before), failure.value.message


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "at"), [(MICROSECONDS, 5.00025), (NANOSECONDS, 5.00000025)])
def test_classic_captures_are_read_in_both_byte_orders_and_units(order: str, magic: int, at: float) -> None:
    first, second = frames_of(pcap([IPV4, IPV6], order, magic))
    assert first._replace(at=None) == Frame(1, None, LinkType.RAW, IPV4, len(IPV4) + 1)
    assert first.at == pytest.approx(at, abs=1e-12)
    assert second.number == 2


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_is_read_in_both_byte_orders(order: str) -> None:
    name = option(2, b"outer", order)
    data = section(order) + interface(name, order=order) + enhanced(IPV4, 1_500_000, order=order)
    assert frames_of(data) == [Frame(1, 1.5, LinkType.RAW, IPV4, len(IPV4), "outer")]


def test_frames_of_pcapng_belong_to_interfaces() -> None:
    inner = interface(option(2, b"inner"), LinkType.ETHERNET)
    frames = frames_of(section() + interface() + inner + enhanced(IPV4, index=1) + enhanced(IPV4, index=0))
    assert [(frame.interface, frame.link_type) for frame in frames] == [("inner", LinkType.ETHERNET), ("", LinkType.RAW)]


@pytest.mark.parametrize(
    ("options", "at"),
    [(option(9, b"\x09"), 2e-9), (option(9, b"\x81"), 1.0), (option(14, struct.pack("<q", 10)), 10.000002)],
    ids=["nanoseconds", "halves of seconds", "offset"],
)
def test_pcapng_says_what_its_times_mean(options: bytes, at: float) -> None:
    (frame,) = frames_of(section() + interface(options) + enhanced(IPV4, 2))
    assert frame.at == pytest.approx(at)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_obsolete_packet_block_is_read_too(order: str) -> None:
    body = struct.pack(f"{order}HHIIII", 0, 5, 0, 7_000_000, len(IPV4), 99) + IPV4 + bytes(-len(IPV4) % 4)
    data = section(order) + interface(order=order) + block(2, body, order)
    [frame] = frames_of(data)
    assert (frame.data, frame.at, frame.length) == (IPV4, 7.0, 99)


def test_a_simple_packet_has_no_time() -> None:
    (frame,) = frames_of(section() + interface() + block(3, struct.pack("<I", len(IPV4)) + IPV4))
    assert frame == Frame(1, None, LinkType.RAW, IPV4, len(IPV4))


def test_unknown_blocks_are_skipped_and_sections_may_follow() -> None:
    data = section() + block(77, b"what") + section(">") + interface(order=">") + enhanced(IPV6, order=">")
    assert [frame.data for frame in frames_of(data)] == [IPV6]


@pytest.mark.parametrize(
    ("data", "frames", "message"),
    [
        (b"", 0, "x.pcap, byte 0: it ends within the first number: 0 of 4 bytes are there"),
        (b"# a text", 0, "x.pcap, byte 4: it begins with 23206120"),
        (b"\x1f\x8b\x08\x00", 0, "x.pcap, byte 4: it is compressed with gzip"),
        (b"PK\x03\x04", 0, "x.pcap, byte 4: it is compressed with zip"),
        (b"\x1f\x9d\x90\x00", 0, "x.pcap, byte 4: it is compressed with compress"),
        (b"BZh9", 0, "x.pcap, byte 4: it is compressed with bzip2"),
        (b"snoop\0\0\0", 0, "x.pcap, byte 4: its format is snoop"),
        (b"\xa1\xb2\xcd\x34", 0, "x.pcap, byte 4: its format is pcap as Kuznetsov changed it"),
        (pcap([IPV4])[:20], 0, "x.pcap, byte 4: it ends within the file header: 16 of 20 bytes are there"),
        (pcap([IPV4, IPV6])[:-1], 1, "x.pcap, byte 63: it ends within frame 2: 6 of 7 bytes are there"),
        (pcap([IPV4])[:30], 0, "x.pcap, byte 25: it ends within a frame's header: 5 of 15 bytes are there"),
        (pcap([bytes(FRAME_BYTES_MAX + 1)]), 0, "x.pcap, byte 40: frame 1 of 262145 bytes, 262144 at most"),
        (section()[:8] + b"\0\0\0\0", 0, "x.pcap, byte 12: byte order 00000000 in a section header"),
        (section() + struct.pack("<II", 6, 13), 0, "x.pcap, byte 36: block of 13 bytes"),
        (section() + struct.pack("<II", 6, 1 << 31), 0, "x.pcap, byte 36: block of 2147483648 bytes"),
        (section() + enhanced(IPV4), 0, "x.pcap, byte 68: frame 1 of interface 0, which is not described"),
        (section() + interface() + enhanced(IPV4)[:-1] + b"\x01", 0, "x.pcap, byte 88: block of 40 bytes that does not"),
        (section() + interface() + block(6, bytes(12)), 0, "x.pcap, byte 72: frame 1: packet block of 12 bytes"),
    ],
)
def test_damage_is_named_with_its_place_after_the_frames_before_it(data: bytes, frames: int, message: str) -> None:
    count, text = failure_of(data)
    assert count == frames
    assert text.startswith(message)


def test_a_frame_that_claims_more_than_its_block_holds_is_damage() -> None:
    body = struct.pack("<IIIII", 0, 0, 0, 100, 100) + IPV4
    assert failure_of(section() + interface() + block(6, body))[1].endswith("frame 1 of 100 bytes in a block of 28")


@pytest.mark.parametrize(
    ("link_type", "header"),
    [
        (LinkType.ETHERNET, bytes(12) + b"\x08\x00"),
        (LinkType.ETHERNET, bytes(12) + b"\x81\x00\x00\x07\x08\x00"),
        (LinkType.LINUX_COOKED, bytes(14) + b"\x08\x00"),
        (LinkType.LINUX_COOKED_2, b"\x08\x00" + bytes(18)),
        (LinkType.LINUX_COOKED_2, b"\x81\x00" + bytes(18) + b"\x00\x07\x08\x00"),
        (LinkType.CISCO_HDLC, b"\x0f\x00\x08\x00"),
        (LinkType.NULL, b"\x02\0\0\0"),
        (LinkType.LOOP, b"\0\0\0\x02"),
        (LinkType.ETHERNET, bytes(12) + b"\x88\xa8\x00\x01\x81\x00\x00\x07\x08\x00"),
        (LinkType.ETHERNET, bytes(12) + b"\x88\x64\x11\x00\x00\x01\x00\x22\x00\x21"),
        (LinkType.ETHERNET, bytes(12) + b"\x81\x00\x00\x07\x88\x64\x11\x00\x00\x01\x00\x22\x00\x21"),
        (LinkType.LINUX_COOKED, bytes(14) + b"\x88\x64\x11\x00\x00\x01\x00\x22\x00\x21"),
        (LinkType.PPP, b"\x00\x21"),
        (LinkType.PPP, b"\x21"),
        (LinkType.PPP_HDLC, b"\xff\x03\x00\x21"),
        (LinkType.PPP_PPPD, b"\x01\xff\x03\x00\x21"),
        (LinkType.PPP_WITH_DIRECTION, b"\x00\xff\x03\x00\x21"),
        (LinkType.PPP_ETHER, b"\x11\x00\x00\x01\x00\x22\x00\x21"),
        (LinkType.RAW, b""),
        (LinkType.IPV4, b""),
    ],
)
def test_the_packet_is_found_behind_every_link_layer(link_type: LinkType, header: bytes) -> None:
    assert ip_packet(Frame(1, None, link_type, header + IPV4, 99)) == IPV4


@pytest.mark.parametrize(
    ("link_type", "data", "reason"),
    [
        (LinkType.ETHERNET, bytes(12) + b"\x08\x06" + bytes(28), "ARP, not IP"),
        (LinkType.ETHERNET, bytes(12) + b"\x88\xcc", "Ethernet type 0x88cc, not IP"),
        (LinkType.ETHERNET, bytes(12) + b"\x00\x26\x42\x42\x03" + bytes(35), "IEEE 802.3 with LLC, not IP"),
        (107, IPV4, r"link type 107 \(Frame Relay\), which this program does not read"),
        (LinkType.ETHERNET, bytes(13), "frame of 13 bytes, too short for its header"),
        (LinkType.ETHERNET, bytes(12) + b"\x81\x00\x00\x00" * 9, "more than 4 VLAN tags"),
        (LinkType.LINUX_COOKED_2, bytes(19), "frame of 19 bytes, too short for its header"),
        (LinkType.RAW, b"", "not an IP packet: nothing"),
        (LinkType.ETHERNET, bytes(12) + b"\x88\x63" + bytes(28), "PPPoE discovery, not IP"),
        (LinkType.ETHERNET, bytes(12) + b"\x88\x64" + bytes(6) + b"\xc0\x21", "PPP protocol 0xc021, not IP"),
        (LinkType.PPP, b"\xff\x03", "PPP frame of 0 bytes, too short for its header"),
        (105, IPV4, r"link type 105 \(IEEE 802.11\), which this program does not read"),
        (250, IPV4, "link type 250, which this program does not read"),
    ],
)
def test_a_frame_without_an_ip_packet_says_why(link_type: int, data: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        ip_packet(Frame(1, None, link_type, data, 99))


WHOLE = [pcap([IPV4, IPV6]), section() + interface(option(2, b"outer")) + enhanced(IPV4, 7) + enhanced(IPV6, 8)]


@given(st.sampled_from(WHOLE), st.integers(0, 120), st.integers(0, 255), st.binary(max_size=20))
def test_whatever_the_bytes_nothing_but_a_tunnel_error_comes_of_them(data: bytes, at: int, byte: int, tail: bytes) -> None:
    damaged = data[:at] + bytes((byte,)) + data[at + 1 :] + tail
    with contextlib.suppress(TunnelError):
        assert all(len(frame.data) <= len(damaged) for frame in frames_of(damaged))
