"""An event loop whose clock jumps to the next timer whenever nothing else is to be done: hours pass in milliseconds."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
BEGINNING = 1000.0  # seconds; zero would hide who mistakes an instant for none


class _JumpingSelector(selectors.DefaultSelector):
    """Looks at the descriptors, and lets time pass where others wait."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("everybody waits for something that no timer brings")
        self._jump(timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Descriptors are real, time is not."""

    def __init__(self) -> None:
        self._instant = BEGINNING
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        return self._instant

    def _jump(self, seconds: float) -> None:
        self._instant += seconds


def run(story: Coroutine[Any, Any, T]) -> T:
    """Run a story to its end, as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(story)
