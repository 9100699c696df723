"""The format pcapng, read (draft-ietf-opsawg-pcapng): blocks of which frames and the interfaces they are from matter."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from tunnelmgr.core.capture.frame import FRAME_BYTES_MAX, CaptureSource, Frame

MAGIC = b"\x0a\x0d\x0d\x0a"
"""The type of the first block, the same in both byte orders."""
BYTE_ORDER_MAGIC = 0x1A2B_3C4D

_BLOCK_BYTES_MAX = FRAME_BYTES_MAX + 1_048_576  # a frame and more options than anybody writes
_INTERFACES_MAX = 4096


class BlockType(IntEnum):
    """The blocks that are read; all others are skipped."""

    SECTION_HEADER = 0x0A0D_0D0A
    INTERFACE = 1
    PACKET = 2
    """Obsolete; some routers write it."""
    SIMPLE_PACKET = 3
    ENHANCED_PACKET = 6


class OptionCode(IntEnum):
    """The options of an interface that are read."""

    END = 0
    NAME = 2
    TIME_RESOLUTION = 9
    TIME_OFFSET = 14


@dataclass(slots=True)
class _Interface:
    link_type: int
    name: str = ""
    ticks: float = 1e6
    """In a second."""
    offset: int = 0
    """Seconds to add to every time."""


@dataclass(slots=True)
class _Section:
    order: Literal["<", ">"]
    interfaces: list[_Interface] = field(default_factory=list)


def read_pcapng(source: CaptureSource) -> Iterator[Frame]:
    """Yield the frames behind the type of the first section header. Raises TunnelError for what is damaged."""
    section = _section(source)
    number = 0
    while head := source.take_or_end(4, "a block's type"):
        if head == MAGIC:
            section = _section(source)
            continue
        (kind,) = struct.unpack(f"{section.order}I", head)
        body = _body(source, section.order)
        match kind:
            case BlockType.INTERFACE:
                section.interfaces.append(_interface(source, section, body))
            case BlockType.ENHANCED_PACKET:
                number += 1
                yield _enhanced(source, section, body, number)
            case BlockType.PACKET:
                number += 1
                yield _enhanced(source, section, _modern(body, section.order), number)
            case BlockType.SIMPLE_PACKET:
                number += 1
                yield _simple(source, section, body, number)


def _section(source: CaptureSource) -> _Section:
    head = source.take(8, "a section header")
    orders: dict[int, Literal["<", ">"]] = {
        int.from_bytes(head[4:], "little"): "<",
        int.from_bytes(head[4:], "big"): ">",
    }
    if BYTE_ORDER_MAGIC not in orders:
        source.fail(f"byte order {head[4:].hex()} in a section header")
    order = orders[BYTE_ORDER_MAGIC]
    (length,) = struct.unpack(f"{order}I", head[:4])
    _require_block_length(source, length, 28)
    rest = source.take(length - 12, "a section header")
    (major,) = struct.unpack_from(f"{order}H", rest)
    if major != 1:
        source.fail(f"version {major} of the format, this program reads 1")
    return _Section(order)


def _body(source: CaptureSource, order: Literal["<", ">"]) -> bytes:
    (length,) = struct.unpack(f"{order}I", source.take(4, "a block's length"))
    _require_block_length(source, length, 12)
    data = source.take(length - 8, "a block")
    if struct.unpack(f"{order}I", data[-4:]) != (length,):
        source.fail(f"block of {length} bytes that does not repeat its length at its end")
    return data[:-4]


def _require_block_length(source: CaptureSource, length: int, least: int) -> None:
    if length % 4 or not least <= length <= _BLOCK_BYTES_MAX:
        source.fail(f"block of {length} bytes")


def _interface(source: CaptureSource, section: _Section, body: bytes) -> _Interface:
    if len(body) < 8:
        source.fail(f"interface description of {len(body)} bytes")
    if len(section.interfaces) >= _INTERFACES_MAX:
        source.fail(f"more than {_INTERFACES_MAX} interfaces")
    (link_type,) = struct.unpack_from(f"{section.order}H", body)
    interface = _Interface(link_type)
    for code, value in _options(body[8:], section.order):
        if code == OptionCode.NAME:
            interface.name = value.rstrip(b"\0").decode(errors="replace")
        elif code == OptionCode.TIME_RESOLUTION and len(value) == 1:
            base, exponent = (2.0, value[0] & 0x7F) if value[0] & 0x80 else (10.0, value[0])
            interface.ticks = base**exponent
        elif code == OptionCode.TIME_OFFSET and len(value) == 8:
            (interface.offset,) = struct.unpack(f"{section.order}q", value)
    return interface


def _options(data: bytes, order: Literal["<", ">"]) -> Iterator[tuple[int, bytes]]:
    """Yield options up to the first that is damaged: without them a frame can be read as well."""
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(f"{order}HH", data, at)
        if code == OptionCode.END:
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4


def _enhanced(source: CaptureSource, section: _Section, body: bytes, number: int) -> Frame:
    if len(body) < 20:
        source.fail(f"frame {number}: packet block of {len(body)} bytes")
    index, high, low, captured, length = struct.unpack_from(f"{section.order}IIIII", body)
    interface = _interface_of(source, section, index, number)
    if captured > min(FRAME_BYTES_MAX, len(body) - 20):
        source.fail(f"frame {number} of {captured} bytes in a block of {len(body)}")
    at = (high << 32 | low) / interface.ticks + interface.offset
    return Frame(number, at, interface.link_type, body[20 : 20 + captured], length, interface.name)


def _modern(body: bytes, order: Literal["<", ">"]) -> bytes:
    """Return a packet block as the enhanced one that took its place: it has no count of drops beside the interface."""
    (interface,) = struct.unpack_from(f"{order}H", body.ljust(2, b"\0"))
    return struct.pack(f"{order}I", interface) + body[4:]


def _simple(source: CaptureSource, section: _Section, body: bytes, number: int) -> Frame:
    if len(body) < 4:
        source.fail(f"frame {number}: simple packet block of {len(body)} bytes")
    interface = _interface_of(source, section, 0, number)
    (length,) = struct.unpack_from(f"{section.order}I", body)
    # Cut to the snapshot length, which nothing here repeats; at most the padding is taken for data.
    return Frame(number, None, interface.link_type, body[4 : 4 + length], length, interface.name)


def _interface_of(source: CaptureSource, section: _Section, index: int, number: int) -> _Interface:
    if index >= len(section.interfaces):
        source.fail(f"frame {number} of interface {index}, which is not described")
    return section.interfaces[index]
