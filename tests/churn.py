"""Many conversations with one process, hundreds at a time: what it keeps of each is nothing.

`make churn` has a hundred thousand of each kind.
"""

import os
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tunnelmgr.daemon.client import ControlClient

CONVERSATIONS: Final = int(os.environ.get("TUNNELMGR_CHURN", "8000"))
HELD: Final = 400  # at once: each lives long enough to be old for the cycle collector, which finds what dies young
KEPT_MAX: Final = 60  # bytes of each: what the allocator leaves unused; a cycle is 250 to 1400
PACE: Final = 100  # conversations; then the process is given the time to catch up


def kept_of_each(control: ControlClient, begin: Callable[[int], socket.socket]) -> float:
    """Return how many bytes a process has grown by for each conversation, once it is warm."""
    pid, held = control.status().pid, deque[socket.socket]()

    def converse(count: int) -> None:
        for number in range(count):
            held.append(begin(number))
            if len(held) > HELD:
                held.popleft().close()
            if number % PACE == 0:
                control.status()

    try:
        converse(CONVERSATIONS // 2)
        before = _resident(pid)
        converse(CONVERSATIONS)
        return (_resident(pid) - before) / CONVERSATIONS
    finally:
        for connection in held:
            connection.close()


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
