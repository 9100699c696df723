"""Runs nft: puts our tables there, and tells how they stand."""

import errno
import os
import shutil
from collections.abc import Hashable
from dataclasses import replace
from typing import NamedTuple

from tunnelmgr.host.items.tables import Purpose, Table, mark_in
from tunnelmgr.host.linux.ruleset import Sight, generation, sight_of
from tunnelmgr.host.linux.running import SEARCH_PATH, run_program
from tunnelmgr.host.plan import Step
from tunnelmgr.host.surroundings import NO_PROGRAM

# What nft says for a failed system call is strerror's text; these are the ones somebody decides by.
_NO_SUCH_SUBSYSTEM = {errno.EINVAL, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP}
_TOLD_APART = (errno.ENOENT, errno.EPERM, errno.EEXIST, errno.EBUSY, errno.EOPNOTSUPP)


def without_nft() -> str:
    """Return why nftables cannot be used here, in a few words; nothing where it can."""
    if shutil.which("nft", path=SEARCH_PATH) is None:
        return NO_PROGRAM
    try:
        generation()
    except OSError as error:
        return "this kernel has no nftables" if error.errno in _NO_SUCH_SUBSYSTEM else ""
    return ""


class _Left(NamedTuple):
    """A table as it was right after we made it."""

    table: Table
    sight: Sight


class Tables:
    """Our nft tables on this machine, and how we left each."""

    def __init__(self) -> None:
        self._left: dict[Hashable, _Left] = {}
        self._changing: set[Hashable] = set()
        """Those that we ourselves are about to change."""

    async def run(self, before: Table | None, after: Table | None) -> None:
        """Carry out one change, all of it or none. Raises OSError with the errno behind what nft says."""
        step = Step(before, after)
        self._changing.add(step.item.key)
        try:
            await _nft("-f", "-", script="".join(f"{line.removeprefix('nft ')}\n" for line in step.lines()))
            self._left.pop(step.item.key, None)
            if after and after.rules:
                self._left[after.key] = await _left_as(after)
        finally:
            self._changing.discard(step.item.key)

    def disturbed(self) -> list[Table]:
        """Return the tables that somebody else has changed or taken away since we left them: quick."""
        return [
            left.table
            for key, left in self._left.items()
            if key not in self._changing and sight_of(left.table.name) != left.sight
        ]

    async def of(self, device: str) -> list[Table]:
        """Return the device's tables that there are, without a mark where somebody changed one."""
        if without_nft():
            return []
        return [found for purpose in Purpose if (found := await self._found(Table(device, purpose, "")))]

    async def _found(self, unmarked: Table) -> Table | None:
        sight, left = sight_of(unmarked.name), self._left.get(unmarked.key)
        if sight is None:
            return None
        if left:
            return left.table if left.sight == sight else unmarked
        # Another process made it: the marks tell what is missing, and not what was added.
        return replace(unmarked, mark=mark_in(await _listing(unmarked.name)))


async def _left_as(made: Table) -> _Left:
    """Look at a table that was just made. Raises OSError where somebody was quicker, and what is there is not ours."""
    sight = sight_of(made.name)
    if sight is None or mark_in(await _listing(made.name)) != made.mark:
        raise OSError(errno.EBUSY, "somebody else changed it at the same moment")
    return _Left(made, sight)


async def _listing(table: str) -> str:
    """Return what nft says of a table, but counters and handles; nothing when there is none."""
    try:
        return await _nft("--stateless", "list", "table", *table.split())
    except FileNotFoundError:
        return ""


async def _nft(*arguments: str, script: str = "") -> str:
    ran = await run_program(("nft", *arguments), script)
    if ran.status:
        raise failure_of(ran.complaint)
    return ran.output


def failure_of(complaint: str) -> OSError:
    """Return the error behind what nft wrote to standard error."""
    for code in _TOLD_APART:
        if os.strerror(code) in complaint:
            return OSError(code, os.strerror(code))
    return OSError(errno.EINVAL, f"nft says: {complaint.strip().splitlines()[0] if complaint.strip() else 'nothing'}")
