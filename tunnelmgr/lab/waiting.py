"""Waiting for a condition instead of guessing how long something takes."""

import time
from collections.abc import Callable
from typing import TypeVar

from tunnelmgr.api.errors import ExitCode, TunnelError

_T = TypeVar("_T")

POLL_INTERVAL = 0.02  # seconds


def wait_for(what: str, condition: Callable[[], _T | None], timeout: float = 15.0) -> _T:
    """Call `condition` until it returns something true, and return that.

    Raises TunnelError naming `what` after `timeout` seconds, which is a limit for a machine under load and not a
    promise of speed.
    """
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TunnelError(f"{what}: not within {timeout} s", exit_code=ExitCode.NO_ANSWER)
        time.sleep(POLL_INTERVAL)
    return found
