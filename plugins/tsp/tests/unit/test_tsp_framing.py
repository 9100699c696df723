"""Headers, frames, status lines, streams: the bytes of docs/protocols/tsp.md sections 3, 4 and 14."""

import pytest

from tunnelmgr.api.errors import WireError
from tunnelmgr_tsp.constants import QUOTE_MAX, STATUS_LINE_MAX
from tunnelmgr_tsp.wire.datagrams import ControlMessage, Kind
from tunnelmgr_tsp.wire.framing import Reply, Status, StreamReader, framed, quoted, unframed

VERSION = bytes.fromhex("f00000f00000011c56455253494f4e3d322e302e300d0a")


@pytest.mark.requirement("TSP-04")
def test_the_examples_of_the_specification_and_what_is_none_of_them() -> None:
    assert ControlMessage.parse(VERSION) == ControlMessage(240, 0x11C, b"VERSION=2.0.0\r\n")
    assert ControlMessage(240, 0x11C, b"VERSION=2.0.0\r\n").serialize() == VERSION
    assert Kind.of(VERSION) is Kind.CONTROL
    assert Kind.of(bytes.fromhex("600000f0")) is Kind.IPV6, "an old broker would look at the last byte"
    assert Kind.of(b"\x45") is Kind.of(b"") is Kind.OTHER
    for data in (VERSION[:7], b"\x60" + bytes(50)):
        with pytest.raises(WireError):
            ControlMessage.parse(data)


@pytest.mark.requirement("TSP-05")
@pytest.mark.parametrize(
    "message", [b"310 Server Error\r\n", b"Content-length: 18\r\n310 Server Error\r\n", b"310 Server Error"]
)
def test_a_status_is_read_framed_or_not(message: bytes) -> None:
    assert Reply.parse(message) == Reply(Status(310, "Server Error"))


@pytest.mark.parametrize(
    "header", [b"Content-length: 5\r\n", b"CONTENT-LENGTH:5\n", b"content-length : 5 \r\n", b"\0Content-length: 5\n"]
)
def test_the_length_line_is_read_in_any_spelling(header: bytes) -> None:
    assert unframed(header + b"12345") == b"12345"


@pytest.mark.requirement("TSP-06")
@pytest.mark.parametrize("length", [b"0", b"-1", b"16385", b"2147483648", b"18446744073709551616", b"x", b"", b"9"])
def test_a_length_out_of_bounds_or_untrue_is_refused(length: bytes) -> None:
    with pytest.raises(WireError):
        unframed(b"Content-length: " + length + b"\r\n12345")


@pytest.mark.requirement("TSP-06")
def test_a_status_line_has_a_bound() -> None:
    Reply.parse(b"200 ".ljust(STATUS_LINE_MAX, b"x"))
    with pytest.raises(WireError):
        Reply.parse(b"200 ".ljust(STATUS_LINE_MAX + 1, b"x"))


def test_the_length_counts_everything_behind_its_line() -> None:
    assert framed(b'<tunnel action="accept"></tunnel>\r\n').startswith(b"Content-length: 35\r\n")
    reply = Reply(Status(200, "Success"), b"<tunnel></tunnel>")
    assert Reply.parse(reply.serialize()) == reply
    assert reply.serialize() == b"Content-length: 32\r\n200 Success\r\n<tunnel></tunnel>\r\n"


def test_a_stream_cut_at_every_byte_gives_the_same_messages() -> None:
    referral = b"1200 Redirection\r\n<tunnel>\r\n</tunnel>"
    sent = [b"VERSION=2.0.0\r\n", b"AUTHENTICATE PLAIN\r\n", b"Content-length: 5\r\n12345", referral, b"200 OK\n"]
    stream = sent[0] + sent[1] + b"\0" + sent[2] + sent[3] + b"\r\n" + sent[4]
    reader = StreamReader()
    messages = [message for number in range(len(stream)) for message in reader.feed(stream[number : number + 1])]
    assert messages == sent
    assert StreamReader().feed(stream) == sent


def test_a_broker_s_words_are_shown_short_and_printable() -> None:
    assert quoted(b"evil\x1b[31m\r\n") == "'evil?[31m??'"
    assert quoted("x" * 1000) == repr("x" * QUOTE_MAX)
