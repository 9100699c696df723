"""Markdown as tests read it: what a document says in code, and its tables."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("plugins/*/*.md"),
        *ROOT.glob("examples/**/*.md"),
        *ROOT.glob("benchmarks/*.md"),
    ]
)

_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_BLOCK = re.compile(r"^```\w*\n((?:.*\n)*?)```$|((?:^(?: {4}.*)?\n)+)", re.MULTILINE)


class Table(NamedTuple):
    """A table: the words of its head, and its rows."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def name_of(document: Path) -> str:
    """Return a path as the repository writes it."""
    return str(document.relative_to(ROOT))


def spans(text: str) -> list[str]:
    """Return what stands between backquotes, a line's end being a space."""
    return [" ".join(span.split()) for span in _SPAN.findall(_without_blocks(text))]


def blocks(text: str) -> list[str]:
    """Return the blocks of code, indented or fenced, without their indentation."""
    read = _BLOCK.findall(f"{text}\n")
    found = [fenced or re.sub(r"^ {4}", "", indented, flags=re.MULTILINE) for fenced, indented in read]
    return [block.strip("\n") for block in found if block.strip()]


def code(text: str) -> list[str]:
    """Return the spans, and the lines of the blocks."""
    return [*spans(text), *(line for block in blocks(text) for line in block.splitlines())]


def tables(text: str) -> Iterator[Table]:
    """Yield the tables. Bars within backquotes divide nothing."""
    for lines in re.findall(r"(?:^\|.*\n)+", f"{text}\n", re.MULTILINE):
        head, _, *rows = [_cells(line) for line in lines.splitlines()]
        yield Table(head, rows)


def without_section(text: str, title: str) -> str:
    """Return the text without the section of this title, numbered or not, and what stands below it."""
    return re.sub(rf"^(#+) (?:\d+\. )?{re.escape(title)}\n.*?(?=^#{{1,2}} |\Z)", "", text, flags=re.MULTILINE | re.DOTALL)


def _without_blocks(text: str) -> str:
    return _BLOCK.sub("\n", f"{text}\n")


def _cells(line: str) -> tuple[str, ...]:
    kept = _SPAN.sub(lambda span: span[0].replace("|", "\0"), line.replace("\\|", "\0"))
    return tuple(cell.strip().replace("\0", "|") for cell in kept.strip().strip("|").split("|"))
