"""The one place where words reach the terminal."""

import re
from typing import Final

import click

from tunnelmgr.api.texts import printable

_OURS: Final = re.compile(r"(\x1b\[[0-9;]*m|\n)")
"""What our own screens are made of beside words: colours and line ends."""


def say(text: str, *, err: bool = False) -> None:
    """Print lines. What is not ours and could steer the terminal is escaped: a file or an interface may have any name."""
    click.echo(shown(text), err=err)


def tell(text: str) -> None:
    """Print lines that are not the output of a command: progress, warnings, and what became of it."""
    say(text, err=True)


def shown(text: str) -> str:
    """Return lines as they are printed."""
    return "".join(part if _OURS.fullmatch(part) else printable(part) for part in _OURS.split(text))
