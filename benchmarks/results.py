"""Writes what was measured into RESULTS.md: one section per benchmark, replaced by each run of it."""

import datetime
import os
import platform
import re
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
TITLE = "# Results\n\nMedian of the repeats, with the smallest and the largest. Only figures of one run can be compared.\n"

Samples = Mapping[str, Mapping[str, Sequence[float]]]
"""Measure, with its unit -> contestant -> one figure per repeat."""


def table(samples: Samples) -> str:
    """Return the samples as a table; the last columns divide the first contestant's median by that of each other."""
    first, *others = next(iter(samples.values()))
    rows = [_row("measure", first, *others, *(f"{first} / {other}" for other in others))]
    rows.append("|---" * (2 + 2 * len(others)) + "|")
    for measure, figures in samples.items():
        medians = {contestant: statistics.median(found) for contestant, found in figures.items()}
        ratios = [f"{medians[first] / medians[other]:.2f}" for other in others]
        rows.append(_row(measure, *(_figure(figures[contestant]) for contestant in (first, *others)), *ratios))
    return "\n".join(rows)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def record(name: str, about: str, samples: Samples) -> None:
    """Print the table and put it into RESULTS.md with date, kernel and command."""
    print(table(samples))
    now = datetime.datetime.now(datetime.UTC)
    command = f"python -m benchmarks.{name} {' '.join(sys.argv[1:])}".strip()
    section = (
        f"## {name}\n\n{about}\n\n`{command}`, {now:%Y-%m-%d %H:%M} UTC, Linux {platform.release()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}\n\n{table(samples)}\n"
    )
    document = RESULTS.read_text() if RESULTS.exists() else TITLE
    others = re.sub(rf"\n## {name}\n.*?(?=\n## |\Z)", "", document, flags=re.DOTALL)
    RESULTS.write_text(f"{others.rstrip()}\n\n{section}")


def _figure(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.4g} ({min(values):.4g} to {max(values):.4g})"
