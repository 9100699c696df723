"""Runs nft: puts our tables there, and tells how they stand."""

import asyncio
import errno
import os
import shutil
from collections.abc import Hashable
from dataclasses import replace

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.host.items.tables import Purpose, Table, TableState, mark_in, state_of_table
from tunnelmgr.host.plan import Step

# What nft says for a failed system call is strerror's text; these are the ones somebody decides by.
_TOLD_APART = (errno.ENOENT, errno.EPERM, errno.EEXIST, errno.EBUSY, errno.EOPNOTSUPP)


SEARCH_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
"""Where system programs are looked for: a login shell of a plain user leaves the last two out."""


def check_nft(path: str = SEARCH_PATH) -> None:
    """Raise TunnelError when nft is not installed in any directory of `path`."""
    if not shutil.which("nft", path=path):
        raise TunnelError(
            "nft is missing: without it nothing can keep strangers out of this host through the tunnel",
            hint="install the package nftables, or write `firewall: {inbound: open}` in the profile",
        )


class Tables:
    """Our nft tables on this machine, and what nft showed of each right after we made it."""

    def __init__(self) -> None:
        self._left: dict[Hashable, tuple[Table, str | None]] = {}

    async def run(self, before: Table | None, after: Table | None) -> None:
        """Carry out one change, all of it or none. Raises OSError with the errno behind what nft says."""
        lines = Step(before, after).lines()
        await _nft("-f", "-", script="".join(f"{line.removeprefix('nft ')}\n" for line in lines))
        if after and after.rules:
            self._left[after.key] = after, await _listing(after.name)
        elif before:
            self._left.pop(before.key, None)

    async def of(self, device: str) -> list[Table]:
        """Return the device's tables that there are, without a mark where somebody changed one."""
        if not shutil.which("nft", path=SEARCH_PATH):
            return []
        # Nearly always there are none or few: one process says which.
        names = {line.removeprefix("table ") for line in (await _nft("list", "tables")).splitlines()}
        looked_for = [table for purpose in Purpose if (table := Table(device, purpose, "")).name in names]
        # Side by side: most of each is starting a process.
        listings = await asyncio.gather(*(_listing(table.name) for table in looked_for))
        return [
            self._found(table, listing) for table, listing in zip(looked_for, listings, strict=True) if listing is not None
        ]

    def _found(self, unmarked: Table, listing: str) -> Table:
        made, left = self._left.get(unmarked.key) or (replace(unmarked, mark=mark_in(listing)), None)
        return made if state_of_table(made, listing, left) is TableState.AS_LEFT else unmarked


async def _listing(table: str) -> str | None:
    """Return what nft says of a table, but counters and handles; None when there is none."""
    try:
        return await _nft("--stateless", "list", "table", *table.split())
    except FileNotFoundError:
        return None


async def _nft(*arguments: str, script: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        "nft",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": SEARCH_PATH, "LC_ALL": "C"},
        start_new_session=True,  # a Ctrl-C meant for us must not stop it
    )
    output, complaint = await process.communicate(script.encode())
    if process.returncode:
        raise failure_of(complaint.decode(errors="replace"))
    return output.decode()


def failure_of(complaint: str) -> OSError:
    """Return the error behind what nft wrote to standard error."""
    for code in _TOLD_APART:
        if os.strerror(code) in complaint:
            return OSError(code, os.strerror(code))
    return OSError(errno.EINVAL, f"nft says: {complaint.strip().splitlines()[0] if complaint.strip() else 'nothing'}")
