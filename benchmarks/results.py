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
    """Return the samples as a table; the last column divides the first contestant's median by the second's."""
    first, second = next(iter(samples.values()))
    rows = [f"| measure | {first} | {second} | {first} / {second} |", "|---|---|---|---|"]
    for measure, figures in samples.items():
        ratio = statistics.median(figures[first]) / statistics.median(figures[second])
        rows.append(f"| {measure} | {_figure(figures[first])} | {_figure(figures[second])} | {ratio:.2f} |")
    return "\n".join(rows)


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
