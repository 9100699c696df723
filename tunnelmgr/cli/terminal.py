"""The one place where words reach the terminal."""

import errno
import io
import os
import re
import sys
from contextlib import suppress
from typing import Any, Final

import click

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.texts import printable

_OURS: Final = re.compile(r"(\x1b\[(?:[01]|3[0-7])m|\n)")
"""What our own screens are made of beside words: colours and line ends."""


class OutputError(TunnelError):
    """Standard output takes no more."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output: {error.strerror}", exit_code=ExitCode.FAILED)
        self.reader_is_gone = error.errno == errno.EPIPE


class _Output(io.FileIO):
    """Standard output. It fails once: what is written afterwards, at the interpreter's end too, goes nowhere."""

    _failed = False

    def write(self, data: Any) -> int:
        if self._failed:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self._failed = True
            raise OutputError(error) from error


class _Told(io.FileIO):
    """Standard error: what cannot be told there is no reason to fail."""

    def write(self, data: Any) -> int:
        with suppress(OSError):
            return super().write(data)
        return len(data)


def prepare() -> None:
    """Make sure that the standard streams are there, and take any text, whatever the caller and the locale are."""
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):  # writing to a closed output shall fail
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # takes this very number, so that no file of ours is mistaken for a stream
    encoding = sys.stdout.encoding if sys.stdout else "utf-8"
    sys.stdout = _stream(_Output(1, "w", closefd=False), encoding)
    sys.stderr = _stream(_Told(2, "w", closefd=False), encoding)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - lives as long as we do


def _stream(raw: io.FileIO, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=True)


def say(text: str, *, err: bool = False) -> None:
    """Print lines. What is not ours and could steer the terminal is escaped: a file or an interface may have any name."""
    click.echo(shown(text), err=err)


def tell(text: str) -> None:
    """Print lines that are not the output of a command: progress, warnings, and what became of it."""
    say(text, err=True)


def shown(text: str) -> str:
    """Return lines as they are printed."""
    return "".join(part if _OURS.fullmatch(part) else printable(part) for part in _OURS.split(text))
