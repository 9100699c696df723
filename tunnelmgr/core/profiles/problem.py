"""Mistakes in a profile, as text with a caret and as plain data."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from tunnelmgr.api.errors import ExitCode, TunnelError


class ProblemSeverity(Enum):
    """Whether the profile can be used in spite of the problem."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is, what it is, and the next step. Contains no secrets."""

    file: str
    line: int
    """From 1; 0 when the problem is the file itself."""
    column: int
    """From 1, in characters; 0 when the problem is the file itself."""
    severity: ProblemSeverity
    message: str
    hint: str = ""
    excerpt: str = ""
    """The line of the file, secrets masked; empty when `line` is 0."""
    length: int = 1
    """Characters the caret underlines."""

    def __str__(self) -> str:
        """Return one line, and below it the line of the file with a caret."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: {self.severity.value}: {self.message}" + (f"; {self.hint}" if self.hint else "")
        if not self.excerpt:
            return text
        return f"{text}\n{self.excerpt}\n{' ' * (self.column - 1)}^{'~' * (self.length - 1)}"

    def data(self) -> dict[str, str | int]:
        """Return what `check --json` shows."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "severity": self.severity.value,
            "message": self.message,
            "hint": self.hint,
        }


class ProfileError(TunnelError):
    """A profile that cannot be used: all its mistakes at once. Ends a command with INVALID."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)), exit_code=ExitCode.INVALID)
        self.problems = tuple(problems)
