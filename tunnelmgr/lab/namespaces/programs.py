"""The programs that run in namespaces, whoever started them."""

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.namespaces import naming

KILL_TIMEOUT = 10.0  # seconds for killed programs to be gone; one that waits for a disk may take long


@dataclass(frozen=True, slots=True)
class Program:
    """A process of a host."""

    pid: int
    words: tuple[str, ...]


def programs_in(namespace: str) -> list[Program]:
    """Return what runs in a namespace, oldest first as a rule: by process id."""
    found = []
    for pid in sorted(_pids([namespace])):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue  # ended meanwhile
        words = line.rstrip(b"\0").decode(errors="replace").split("\0")
        found.append(Program(pid, tuple(words)))
    return found


def kill_programs(namespaces: Iterable[str]) -> None:
    """Kill everything that runs in some namespaces. Raises TunnelError when a program does not die."""
    names = list(namespaces)
    deadline = time.monotonic() + KILL_TIMEOUT
    # Again until none is left: one that forks is a step ahead of a list.
    while pids := _pids(names):
        if time.monotonic() > deadline:
            raise TunnelError(f"{', '.join(names)}: processes {pids} do not die", hint="look at them with ps")
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)


def _pids(namespaces: Iterable[str]) -> list[int]:
    """The processes in these namespaces; the dead that nobody has waited for are in none."""
    inodes = {inode for name in namespaces if (inode := _inode(naming.NAMESPACES / name)) is not None}
    return [
        int(path.name)
        for path in Path("/proc").glob("[0-9]*")
        # Not ourselves, even if this thread has entered a host.
        if _inode(path / "ns/net") in inodes and int(path.name) != os.getpid()
    ]


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None  # ended meanwhile
