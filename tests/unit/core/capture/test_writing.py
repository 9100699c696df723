"""What is written is read again."""

import io

from tunnelmgr.core.capture.frame import Frame, LinkType
from tunnelmgr.core.capture.reading import read_capture
from tunnelmgr.core.capture.writing import PcapngWriter

AT = 1_149_595_200.123456


def test_what_is_written_is_read_again() -> None:
    stream = io.BytesIO()
    writer = PcapngWriter(stream, ["outer", "inner"])
    writer.packet("inner", AT, b"\x60packet", 1280, "what it is for")
    writer.packet("outer", AT + 1, b"\x45pack", 5)
    writer.end(2, 7)
    stream.seek(0)
    first, second = read_capture(stream, "x")
    assert first._replace(at=None) == Frame(1, None, LinkType.RAW, b"\x60packet", 1280, "inner")
    assert second._replace(at=None) == Frame(2, None, LinkType.RAW, b"\x45pack", 5, "outer")
    assert abs((first.at or 0) - AT) < 1e-6


def test_what_was_written_is_whole_at_any_time() -> None:
    stream = io.BytesIO()
    writer = PcapngWriter(stream, ["outer"])
    assert list(read_capture(io.BytesIO(stream.getvalue()), "x")) == []
    writer.packet("outer", AT, b"\x45pack", 5, "comment")
    assert len(list(read_capture(io.BytesIO(stream.getvalue()), "x"))) == 1
