"""The classic capture format: a file header, then frames (draft-ietf-opsawg-pcap)."""

import struct
from collections.abc import Iterator
from typing import Literal

from tunnelmgr.core.capture.frame import FRAME_BYTES_MAX, Frame
from tunnelmgr.core.capture.source import CaptureSource

MAGICS: dict[bytes, tuple[Literal["<", ">"], float]] = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e-6),
    b"\xa1\xb2\xc3\xd4": (">", 1e-6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e-9),
    b"\xa1\xb2\x3c\x4d": (">", 1e-9),
}
"""The first four bytes -> the byte order, and the unit of the fractions of seconds."""

_LINK_TYPE = 0x0FFF_FFFF  # the upper bits tell of frame check sequences


def read_pcap(source: CaptureSource, magic: bytes) -> Iterator[Frame]:
    """Yield the frames behind the magic number. Raises TunnelError where the file is not what it should be."""
    order, unit = MAGICS[magic]
    major, minor, _, _, _, link_type = struct.unpack(f"{order}HHiIII", source.take(20, "the file header"))
    if major != 2:
        source.fail(f"version {major}.{minor}, this program reads 2.4")
    number = 0
    while header := source.take_or_end(16, "a frame's header"):
        seconds, fraction, captured, length = struct.unpack(f"{order}IIII", header)
        number += 1
        if captured > FRAME_BYTES_MAX:
            source.fail(f"frame {number} of {captured} bytes, {FRAME_BYTES_MAX} at most")
        data = source.take(captured, f"frame {number}")
        yield Frame(number, seconds + fraction * unit, link_type & _LINK_TYPE, data, length)
