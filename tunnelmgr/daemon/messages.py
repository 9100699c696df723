"""The lines on a control socket: JSON objects, one a line.

A client sends one request. `status` and `command` are answered by one line, `stop` by one when everything has been taken
back, `follow` by lines until the process ends. A line holds one object under the name of its kind:

    {"request": {"word": "follow"}}
    {"progress": {"code": "starting", "text": "starting, teredo, server 192.0.2.1"}}
    {"change": {"condition": {"state": "up", "code": null, "reason": "", "hint": ""}, "exit_code": 75}}
    {"ended": {"exit_code": 0, "reason": "", "hint": ""}}
    {"answer": {"data": {...}}}
    {"refusal": {"exit_code": 77, "reason": "...", "hint": "..."}}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.plain import as_named, from_plain
from tunnelmgr.api.status import Fact
from tunnelmgr.core.condition import Condition, Progress
from tunnelmgr.core.running.snapshot import Snapshot


class Word(Enum):
    """What may be asked."""

    STATUS = "status"
    """Answered with a snapshot. Anybody may ask."""
    FOLLOW = "follow"
    """The story so far, the present state, and all that follows. Anybody may ask."""
    COMMAND = "command"
    """One of the transport's own commands; root and the owner only."""
    STOP = "stop"
    """End in good order; root and the owner only."""

    @property
    def changes(self) -> bool:
        """True if strangers are refused."""
        return self in {Word.COMMAND, Word.STOP}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks."""

    word: Word
    name: str = ""
    """Of a COMMAND."""
    arguments: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """The profile stands like this from here on."""

    condition: Condition
    exit_code: ExitCode = ExitCode.NO_ANSWER
    """What `up` ends with when its patience ends in this state."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The last line of a story: everything has been taken back and the process ends."""

    exit_code: ExitCode
    reason: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The request was carried out."""

    data: Mapping[str, object]

    def snapshot(self) -> Snapshot:
        """Return what a process answers to `status`. Raises TunnelError when its version tells too little."""
        try:
            return from_plain(Snapshot, self.data)
        except ValueError as error:
            raise TunnelError(
                f"the running process tells its state in a way this version does not understand: {error}",
                hint="`down` and `up` it again with the installed version",
            ) from error


@dataclass(frozen=True, slots=True)
class Refusal:
    """The request was not carried out; the client raises this as a TunnelError."""

    exit_code: ExitCode
    reason: str
    hint: str = ""

    @classmethod
    def of(cls, error: TunnelError) -> "Refusal":
        """Return what to answer when carrying out a request raised this."""
        return cls(error.exit_code, error.message, error.hint)

    def as_error(self) -> TunnelError:
        """Return what the client raises."""
        return TunnelError(self.reason, hint=self.hint, exit_code=self.exit_code)


Chapter = Progress | Change | Ended
"""One line of a followed story."""
Message = Request | Chapter | Answer | Refusal


def serialize(message: Message) -> bytes:
    """Return the line, with its end."""
    return json.dumps(as_named(message), separators=(",", ":")).encode() + b"\n"


def parse(line: bytes) -> Message:
    """Return what a line says. Raises TunnelError for anything else: the other side is of another version, or not ours."""
    try:
        message: Message = from_plain(Message, json.loads(line))
    except (ValueError, RecursionError) as error:
        raise TunnelError(
            f"not understood on a control socket: {line[:80]!r}",
            hint="`down` and `up` the profile again with the installed version",
        ) from error
    return message
