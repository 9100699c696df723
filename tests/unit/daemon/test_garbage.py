"""The cycle collector walks the young alone."""

import gc
from collections.abc import Iterator

import pytest

from tunnelmgr.daemon.garbage import MIDDLE, NEVER, YOUNG, keep_pauses_short


@pytest.fixture
def collector() -> Iterator[None]:
    """The collector as it was, afterwards."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("collector")
def test_what_was_there_is_never_walked_again_and_young_cycles_are_found() -> None:
    keep_pauses_short()
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold() == (YOUNG, MIDDLE, NEVER)
    walked = gc.get_stats()

    class Knot:
        def __init__(self) -> None:
            self.itself = self

    for _ in range(3 * YOUNG * MIDDLE):
        Knot()
    young, middle, full = (
        after["collections"] - before["collections"] for before, after in zip(walked, gc.get_stats(), strict=True)
    )
    assert young > 0
    assert middle > 0
    assert full == 0
    assert sum(isinstance(one, Knot) for one in gc.get_objects()) <= 2 * YOUNG * MIDDLE
