"""Many short conversations with one process: what it keeps of each is nothing.

`make churn` has a hundred thousand of each kind.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

CONVERSATIONS: Final = int(os.environ.get("TUNNELMGR_CHURN", "8000"))
KEPT_MAX: Final = 60  # bytes of each: what the allocator leaves unused; a cycle nobody collects is 170 to 490


def kept_of_each(pid: int, converse: Callable[[int], None]) -> float:
    """Return how many bytes a process has grown by for each conversation, once it is warm."""
    for number in range(CONVERSATIONS // 2):
        converse(number)
    before = _resident(pid)
    for number in range(CONVERSATIONS):
        converse(number)
    return (_resident(pid) - before) / CONVERSATIONS


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
