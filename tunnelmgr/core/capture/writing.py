"""Writes the format pcapng (draft-ietf-opsawg-pcapng): IP packets of named interfaces, each with a comment."""

import struct
from collections.abc import Sequence
from typing import BinaryIO

from tunnelmgr.core.capture.frame import FRAME_BYTES_MAX, LinkType
from tunnelmgr.core.capture.pcapng import BYTE_ORDER_MAGIC, BlockType, OptionCode

_COMMENT, _PROGRAM = 1, 4  # options
_STATISTICS = 5  # a block
_RECEIVED, _DROPPED = 4, 5  # options of it
_MICROSECONDS = 6  # as powers of ten; a float of seconds since 1970 holds no more


class PcapngWriter:
    """One section. Nothing is kept back: what was written is complete up to there, whatever happens next."""

    def __init__(self, stream: BinaryIO, interfaces: Sequence[str]) -> None:
        self._stream = stream
        self._indices = {name: index for index, name in enumerate(interfaces)}
        program = _option(_PROGRAM, b"tunnelmgr") + _end()
        self._block(BlockType.SECTION_HEADER, struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1) + program)
        for name in interfaces:
            told = _option(OptionCode.NAME, name.encode()) + _option(OptionCode.TIME_RESOLUTION, bytes((_MICROSECONDS,)))
            self._block(BlockType.INTERFACE, struct.pack("<HHI", LinkType.RAW, 0, FRAME_BYTES_MAX) + told + _end())
        stream.flush()

    def packet(self, interface: str, at: float, data: bytes, length: int, comment: str = "") -> None:
        """Write an IP packet seen `at` seconds since 1970, of `length` bytes before it was cut."""
        ticks = round(at * 10**_MICROSECONDS)
        head = struct.pack(
            "<IIIII", self._indices[interface], ticks >> 32, ticks & 0xFFFF_FFFF, len(data), max(length, len(data))
        )
        told = _option(_COMMENT, comment.encode()) + _end() if comment else b""
        self._block(BlockType.ENHANCED_PACKET, head + _padded(data) + told)
        self._stream.flush()

    def end(self, received: int, lost: int) -> None:
        """Write how many packets were seen, and how many were lost, all interfaces together."""
        told = _option(_RECEIVED, struct.pack("<Q", received + lost)) + _option(_DROPPED, struct.pack("<Q", lost)) + _end()
        self._block(_STATISTICS, struct.pack("<III", 0, 0, 0) + told)
        self._stream.flush()

    def _block(self, kind: int, body: bytes) -> None:
        length = struct.pack("<I", 12 + len(body))
        self._stream.write(struct.pack("<I", kind) + length + body + length)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _end() -> bytes:
    return struct.pack("<HH", OptionCode.END, 0)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
