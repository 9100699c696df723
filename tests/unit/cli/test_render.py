"""Figures in words."""

import pytest

from tunnelmgr.cli import render


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h 0 min"),
        (86399, "23 h 59 min"),
        (93600, "1 d 2 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert render.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "0.977 KiB"), (1 << 20, "1 MiB"), (5 << 40, "5 TiB")]
)
def test_sizes(number: int, text: str) -> None:
    assert render.size(number) == text
