"""The cycle collector makes short pauses, however much a process holds."""

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from weakref import ref

from tests.process.virtual_time import run
from tunnelmgr.daemon.process import MIDDLE, OLD_INTERVAL, YOUNG, keep_pauses_short

HELD = 100_000
"""What a busy relay keeps of its clients, more or less."""


class Knot:
    """A cycle."""

    def __init__(self) -> None:
        self.itself = self


@asynccontextmanager
async def short_pauses() -> AsyncIterator[list[int]]:
    """How many objects each run of the collector passes over, with the pauses kept short."""
    thresholds, lengths = gc.get_threshold(), list[int]()

    def note(phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            lengths.append(sum(len(gc.get_objects(generation=age)) for age in range(info["generation"] + 1)))

    keeping = asyncio.create_task(keep_pauses_short())
    await asyncio.sleep(0)
    gc.callbacks.append(note)
    yield lengths
    gc.callbacks.remove(note)
    keeping.cancel()
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_no_pause_grows_with_what_is_held() -> None:
    async def story() -> None:
        async with short_pauses() as walks:
            held = [[number] for number in range(HELD)]
            assert len(walks) >= HELD // YOUNG - 1
            await asyncio.sleep(3 * OLD_INTERVAL)
            assert max(walks) < len(held) / 5

    run(story())


def test_cycles_are_found_all_the_same() -> None:
    async def story() -> None:
        async with short_pauses():
            knots = [ref(Knot()) for _ in range(3 * YOUNG * MIDDLE)]
            assert sum(knot() is not None for knot in knots) < YOUNG * (MIDDLE + 2)

    run(story())


def test_cycles_that_have_grown_old_are_found_while_they_are_few() -> None:
    async def story() -> None:
        async with short_pauses():
            old = [Knot() for _ in range(2 * YOUNG)]
            knots = [ref(knot) for knot in old]
            gc.collect(1)
            old.clear()
            gc.collect(1)
            assert all(knot() for knot in knots), "they are too old for the walks that are made often"
            await asyncio.sleep(2 * OLD_INTERVAL)
            assert not any(knot() for knot in knots)

    run(story())
