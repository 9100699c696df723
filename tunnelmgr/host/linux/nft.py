"""Runs nft: puts our tables there, and tells how they stand."""

import asyncio
import errno
import os
import shutil
import socket
import struct
from collections.abc import Hashable
from dataclasses import replace

from tunnelmgr.host.items.tables import Purpose, Table, TableState, mark_in, state_of_table
from tunnelmgr.host.linux.dumps import attributes, dump
from tunnelmgr.host.plan import Step

# linux/netfilter/nfnetlink.h and nf_tables.h; numbers travel in network byte order.
_NETLINK_NETFILTER = 12
_NEWOBJ, _GETOBJ = 10 << 8 | 18, 10 << 8 | 19  # NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWOBJ and NFT_MSG_GETOBJ
_HEADER = struct.Struct("=BBH")  # struct nfgenmsg: family, version, resource id
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4  # NFTA_OBJ_*
_COUNTER = 1  # NFT_OBJECT_COUNTER
_PACKETS = 2  # NFTA_COUNTER_PACKETS

# What nft says for a failed system call is strerror's text; these are the ones somebody decides by.
_TOLD_APART = (errno.ENOENT, errno.EPERM, errno.EEXIST, errno.EBUSY, errno.EOPNOTSUPP)


SEARCH_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
"""Where system programs are looked for: a login shell of a plain user leaves the last two out."""


def has_nft() -> bool:
    """Whether nft is installed."""
    return shutil.which("nft", path=SEARCH_PATH) is not None


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
        if not has_nft():
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


def counters(table: str) -> dict[str, int]:
    """Return the packets that the named counters of an `ip6` table have seen; nothing when it is not there.

    Without starting nft: `status` asks whenever somebody looks.

    Raises OSError: EPERM without CAP_NET_ADMIN, and what a kernel without nftables says.
    """
    found = {}
    for kind, message in dump(_NETLINK_NETFILTER, _GETOBJ, _HEADER.pack(socket.AF_INET6, 0, 0)):
        said = attributes(message[_HEADER.size :])
        if kind == _NEWOBJ and _text(said[_TABLE]) == table and int.from_bytes(said[_TYPE], "big") == _COUNTER:
            found[_text(said[_NAME])] = int.from_bytes(attributes(said[_DATA])[_PACKETS], "big")
    return found


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode()
