"""Reads a capture of the formats known: pcapng, and here the classic one (draft-ietf-opsawg-pcap)."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, Literal

from tunnelmgr.core.capture import pcapng
from tunnelmgr.core.capture.frame import FRAME_BYTES_MAX, CaptureSource, Frame

_PCAP_MAGICS: dict[bytes, tuple[Literal["<", ">"], float]] = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e-6),
    b"\xa1\xb2\xc3\xd4": (">", 1e-6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e-9),
    b"\xa1\xb2\x3c\x4d": (">", 1e-9),
}
"""The first four bytes -> the byte order, and the unit of the fractions of seconds."""
_LINK_TYPE = 0x0FFF_FFFF  # the upper bits tell of frame check sequences
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5": "zstd",
    b"\xfd\x37": "xz",
    b"BZ": "bzip2",
    b"\x04\x22": "lz4",
    b"LZ": "lzip",
    b"PK": "zip",
    b"\x1f\x9d": "compress",
}
_OTHER_FORMATS = {
    b"snoo": "snoop",
    b"GMBU": "Microsoft Network Monitor",
    b"\x34\xcd\xb2\xa1": "pcap as Kuznetsov changed it",
    b"\xa1\xb2\xcd\x34": "pcap as Kuznetsov changed it",
}


def read_capture(stream: BinaryIO, name: str) -> Iterator[Frame]:
    """Yield the frames of a capture, each as soon as it has been read; `name` is what failures call it.

    Raises TunnelError naming file and offset where the file is damaged: what came before has been yielded.
    """
    source = CaptureSource(stream, name)
    magic = source.take(4, "the first number")
    if magic in _PCAP_MAGICS:
        yield from _read_pcap(source, magic)
    elif magic == pcapng.MAGIC:
        yield from pcapng.read_pcapng(source)
    elif magic[:2] in _COMPRESSED:
        source.fail(f"it is compressed with {_COMPRESSED[magic[:2]]}", "unpack it first")
    elif magic in _OTHER_FORMATS:
        source.fail(f"its format is {_OTHER_FORMATS[magic]}", "make a pcapng of it: editcap FILE NEW")
    else:
        source.fail(f"it begins with {magic.hex()}", "pcap and pcapng are read; is it a capture at all?")


def _read_pcap(source: CaptureSource, magic: bytes) -> Iterator[Frame]:
    """Yield the frames behind the magic number."""
    order, unit = _PCAP_MAGICS[magic]
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
