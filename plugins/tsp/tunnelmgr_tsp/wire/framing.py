"""Where a TSP message begins and ends, and the status line (docs/protocols/tsp.md section 4)."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Self

from tunnelmgr.api.errors import WireError
from tunnelmgr_tsp.constants import CONTENT_MAX, QUOTE_MAX, REFERRALS_FROM, STATUS_LINE_MAX

CRLF = b"\r\n"
BLANK = bytes(range(33))
"""What is trimmed around a line: deployed software sends NUL, backspace and bare LF where CR LF is due (section 15)."""

_LENGTH_LINE = re.compile(rb"content-length[ \t]*:[ \t]*(\d{1,5})[ \t]*\r?\n", re.IGNORECASE)
_LENGTH_WORD = b"content-length"
_STATUS = re.compile(rb"(\d{1,5})(?:[ \t]+([^\r\n]*))?\r?(?:\n|$)")
_DOCUMENT_END = b"</tunnel>"


class Medium(Enum):
    """What carries the signalling."""

    UDP = "UDP"
    TCP = "TCP"


@dataclass(frozen=True, slots=True)
class Status:
    """A status line: only the number means something."""

    code: int
    text: str = ""

    def serialize(self) -> bytes:
        return f"{self.code} {self.text}".encode() + CRLF

    @property
    def is_success(self) -> bool:
        return self.code == SUCCESS.code

    @property
    def refers(self) -> bool:
        """True if a list of other brokers belongs to it."""
        return self.code >= REFERRALS_FROM


SUCCESS = Status(200, "Success")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a broker answers: a status, and for some a document (not yet parsed)."""

    status: Status
    document: bytes = b""

    @classmethod
    def parse(cls, message: bytes) -> Self:
        """Read a reply, framed or not (TSP-05)."""
        body = unframed(message) if is_framed(message) else message.lstrip(BLANK)
        match = _STATUS.match(body)
        if match is None or match.end() > STATUS_LINE_MAX:
            raise WireError(f"no status line: {quoted(body[:40])}")
        text = (match[2] or b"").decode("latin-1").strip()
        return cls(Status(int(match[1]), text), body[match.end() :].strip(BLANK))

    def serialize(self) -> bytes:
        """Return the reply as answers to XML requests are sent: framed."""
        return framed(self.status.serialize() + (self.document + CRLF if self.document else b""))


def is_status(message: bytes) -> bool:
    """True if a message is a bare status line, with or without a document after it."""
    return message.lstrip(BLANK)[:1].isdigit()


def is_framed(message: bytes) -> bool:
    """True if a message says its length."""
    return message.lstrip(BLANK)[: len(_LENGTH_WORD)].lower() == _LENGTH_WORD


def framed(body: bytes) -> bytes:
    """Put the length before a body, spelled as deployed software wants it."""
    return b"Content-length: %d\r\n" % len(body) + body


def unframed(message: bytes) -> bytes:
    """Return the body of a framed message that is all there. Raises WireError."""
    stripped = message.lstrip(BLANK)
    start, end = _bounds(stripped)
    if end > len(stripped):
        raise WireError(f"Content-length {end - start}, but {len(stripped) - start} bytes follow")
    return stripped[start:end]


def _bounds(message: bytes) -> tuple[int, int]:
    """Return where the body of a framed message begins and ends."""
    match = _LENGTH_LINE.match(message)
    if match is None:
        raise WireError(f"bad Content-length: {quoted(message[:40])}")
    length = int(match[1])
    if not 1 <= length <= CONTENT_MAX:
        raise WireError(f"Content-length {length}, expected 1 to {CONTENT_MAX}")
    return match.end(), match.end() + length


class StreamReader:
    """Cuts a TCP stream into messages. Holds one message of the largest size at most."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next piece; return the messages it completes. Raises WireError when it can be no TSP."""
        self._buffer += data
        messages = []
        while (end := self._end()) is not None:
            messages.append(self._buffer[:end])
            self._buffer = self._buffer[end:]
        if len(self._buffer) > CONTENT_MAX + STATUS_LINE_MAX:
            raise WireError(f"a message of more than {CONTENT_MAX} bytes")
        return messages

    def _end(self) -> int | None:
        # gogoc ends AUTHENTICATE with a NUL, which lands before the next message (section 15).
        self._buffer = self._buffer.lstrip(b"\0\r\n")
        buffer = self._buffer
        line = buffer.find(b"\n") + 1
        if not line:
            return None
        if is_framed(buffer):
            end = _bounds(buffer)[1]
            return end if end <= len(buffer) else None
        if (match := _STATUS.match(buffer[:line])) and int(match[1]) >= REFERRALS_FROM:
            end = buffer.find(_DOCUMENT_END)
            return end + len(_DOCUMENT_END) if end >= 0 else None
        return line


def quoted(text: bytes | str) -> str:
    """Return a peer's own words fit to show: printable, short."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return repr("".join(letter if letter.isprintable() else "?" for letter in plain)[:QUOTE_MAX].strip())
