"""The cycle collector makes short pauses, however much a process holds."""

import gc
from collections.abc import Iterator, Mapping
from weakref import ref

import pytest

from tunnelmgr.daemon.process import MIDDLE, YOUNG, keep_pauses_short

HELD = 100_000
"""What a busy relay keeps of its clients, more or less."""


class Knot:
    """A cycle."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def walks() -> Iterator[list[int]]:
    """How many objects each run of the collector passes over, with the pauses kept short."""
    thresholds, lengths = gc.get_threshold(), list[int]()

    def note(phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            lengths.append(sum(len(gc.get_objects(generation=age)) for age in range(info["generation"] + 1)))

    keep_pauses_short()
    gc.callbacks.append(note)
    yield lengths
    gc.callbacks.remove(note)
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_no_pause_grows_with_what_is_held(walks: list[int]) -> None:
    held = [[number] for number in range(HELD)]
    assert len(walks) >= HELD // YOUNG - 1
    assert max(walks) < len(held) / 5


def test_cycles_are_found_all_the_same(walks: list[int]) -> None:
    knots = [ref(Knot()) for _ in range(3 * YOUNG * MIDDLE)]
    assert sum(knot() is not None for knot in knots) < YOUNG * (MIDDLE + 2)
