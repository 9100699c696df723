"""From data to words: what several commands print with. Pure."""

import json
from collections.abc import Iterable, Sequence

from tunnelmgr.api.plain import as_plain

SCHEMA_VERSION = 2
"""Raised when a change breaks readers; a new key does not."""

Row = tuple[str, str]


def envelope(schema: str, data: object) -> str:
    """Return one JSON object on one line: `data`, and by which schema to read it."""
    return json.dumps({"schema": f"tunnelmgr.{schema}", "schema_version": SCHEMA_VERSION, "data": as_plain(data)})


def aligned(rows: Iterable[Row]) -> list[str]:
    """Return rows as lines, the texts below each other; a label is not repeated."""
    listed = list(rows)
    width = max((len(label) for label, _ in listed), default=0)
    shown: list[str] = []
    previous = ""
    for label, text in listed:
        shown.append(f"  {'' if label == previous else label:<{width}}  {text}")
        previous = label
    return shown


def columns(rows: Sequence[tuple[str, ...]], indent: str = "") -> list[str]:
    """Return rows as lines whose cells stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [indent + line.rstrip() for line in lines]


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: "12 s", "3 min", "2 h 13 min", "4 d 2 h"."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    if minutes:
        return f"{minutes} min"
    return f"{int(seconds)} s"


def size(number: int) -> str:
    """Return a number of bytes with a binary unit and three digits at most."""
    value, units = float(number), iter(("B", "KiB", "MiB", "GiB"))
    for unit in units:
        if value < 1000:
            return f"{number} B" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} TiB"
