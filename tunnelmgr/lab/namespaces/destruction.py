"""Removing a lab by its name alone, whoever made it and however that one ended.

Devices, rules and flows vanish with the namespaces. What has to be done by hand: the programs, which would keep the
namespaces alive unseen, and the name files.
"""

import os
import signal
import time
from pathlib import Path

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.namespaces import naming
from tunnelmgr.lab.namespaces.shell import run_script

KILL_TIMEOUT = 10.0  # seconds for killed programs to be gone; one that waits for a disk may take long


def destroy(lab: str) -> None:
    """Remove all that there is of `lab`, which may be nothing. Raises TunnelError when a program does not die."""
    namespaces = naming.namespaces_of(lab)
    _kill_programs(lab, namespaces)
    run_script("".join(f"ip netns del {name}\n" for name in namespaces if (naming.NAMESPACES / name).exists()))
    for name in namespaces:
        naming.remove_files(name)


def _kill_programs(lab: str, namespaces: list[str]) -> None:
    inodes = {inode for name in namespaces if (inode := _inode(naming.NAMESPACES / name)) is not None}
    deadline = time.monotonic() + KILL_TIMEOUT
    # Again until none is left: one that forks is a step ahead of a list.
    while programs := _programs(inodes):
        if time.monotonic() > deadline:
            raise TunnelError(f"lab {lab}: processes {programs} do not die", hint="look at them with ps")
        for program in programs:
            try:
                os.kill(program, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)


def _programs(inodes: set[int]) -> list[int]:
    """The processes in the namespaces with these inodes; the dead that nobody has waited for are in none."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        inode = _inode(path / "ns/net")
        # Not ourselves, even if this thread has entered a host.
        if inode in inodes and int(path.name) != os.getpid():
            found.append(int(path.name))
    return found


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None  # ended meanwhile
