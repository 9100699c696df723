"""What every command prints goes through one gate."""

import re
from pathlib import Path

import click
from hypothesis import given
from hypothesis import strategies as st

from tunnelmgr import cli
from tunnelmgr.cli.terminal import shown

STYLED = re.compile(r"\x1b\[(?:[01]|3[0-7])m|\n")


@given(st.text(st.characters(codec=None)))
def test_nothing_steers_the_terminal_but_colours_and_line_ends(text: str) -> None:
    assert all(part.isprintable() for part in STYLED.split(shown(text)))


def test_our_own_screens_stay_as_they_are() -> None:
    screen = click.style("home", bold=True) + "  up\n  tm-home  2001:db8::2\n"
    assert shown(screen) == screen
    assert shown("a name that \x1b[8mhides") == r"a name that \x1b[8mhides"


def test_no_command_prints_past_the_gate() -> None:
    for file in Path(cli.__file__).parent.rglob("*.py"):
        if file.name != "terminal.py":
            assert not re.search(r"click\.s?echo\(|\bprint\(|\bsecho\b", file.read_text()), file
