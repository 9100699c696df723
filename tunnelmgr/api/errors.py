"""The kinds of failure, and the exit code each one ends a command with.

Three kinds, three fates: a `WireError` is a peer's fault, counted and dropped; a `TunnelError` is something the user can
act on, shown in one line with a hint; anything else is a bug of ours or of a plugin, shown with its traceback.
"""

import errno
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status tells a script. The numbers above 63 are those of sysexits.h."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_UP = 3
    NO_PROFILE = 66
    REFUSED = 69
    """The far end answered and refused, or its name does not resolve."""
    BUG = 70
    """Our fault, or a plugin crashed."""
    NO_ANSWER = 75
    """Nobody answered: trying later may help."""
    PROTOCOL = 76
    """The peer broke the protocol."""
    NO_PERMISSION = 77
    """No privilege here, or credentials refused there."""
    INVALID = 78
    """The profile is wrong."""

    @property
    def permanent(self) -> bool:
        """Whether trying again without changing anything cannot help: a service manager must not restart on it."""
        return self in {ExitCode.USAGE, ExitCode.NO_PROFILE, ExitCode.NO_PERMISSION, ExitCode.INVALID}


class WireError(ValueError):
    """Bytes from the network that do not say what the protocol allows."""


class TunnelError(Exception):
    """A failure the user can act on.

    The message names the thing and the value seen; `hint` is the next step, worded as an instruction.
    """

    def __init__(self, message: str, *, hint: str = "", exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message

    @classmethod
    def of_host(cls, error: OSError, what: str = "") -> "TunnelError":
        """Return what this host refused, in the user's words; `what` is the thing where the error names no file."""
        thing = what or (str(error.filename) if error.filename else "this host")
        refused = error.errno in {errno.EPERM, errno.EACCES}
        return cls(
            f"{thing}: {error.strerror or error}",
            hint=_HINTS.get(error.errno or 0, ""),
            exit_code=ExitCode.NO_PERMISSION if refused else ExitCode.FAILED,
        )


_HINTS = {
    errno.EMFILE: "let this process open more files: ulimit -n 1024",
    errno.ENFILE: "other programs hold too many files open",
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
}
