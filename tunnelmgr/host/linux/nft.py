"""Runs nft: firewall tables in, and how they stand out."""

import asyncio
import errno
import os
import re
import shutil
from collections.abc import Mapping, Sequence

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.host.device_name import guard_table, nft_table, sharing_table, translation_table
from tunnelmgr.host.firewall import FIREWALL_FAMILY, clamped_size, firewall_mark, translated_prefixes
from tunnelmgr.host.guards import MARK, Guard
from tunnelmgr.host.items import Firewall, Guarding, Sharing, Translation

# What nft says for a failed system call is strerror's text; these are the ones somebody decides by.
_TOLD_APART = (errno.ENOENT, errno.EPERM, errno.EEXIST, errno.EBUSY, errno.EOPNOTSUPP)
_HOOKS = (("input", "forward"), ("input",))


SEARCH_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
"""Where system programs are looked for: a login shell of a plain user leaves the last two out."""


def check_nft(path: str = SEARCH_PATH) -> None:
    """Raise TunnelError when nft is not installed in any directory of `path`."""
    if not shutil.which("nft", path=path):
        raise TunnelError(
            "nft is missing: without it nothing can keep strangers out of this host through the tunnel",
            hint="install the package nftables, or write `firewall: {inbound: open}` in the profile",
        )


async def run_nft(lines: Sequence[str]) -> None:
    """Carry out nft commands, all or none. Raises OSError with the errno behind what nft says."""
    await _nft("-f", "-", script="\n".join(lines) + "\n")


async def tables_of(device: str) -> list[Firewall | Translation | Guarding]:
    """Return the device's tables as far as there are any."""
    if not shutil.which("nft", path=SEARCH_PATH):
        return []
    guards = [(guard, guard.family, guard_table(device, guard.value)) for guard in Guard]
    names = [(FIREWALL_FAMILY, nft_table(device)), (FIREWALL_FAMILY, translation_table(device))]
    # Side by side: most of each is starting a process.
    listings = await _listings([*names, *((family, name) for _, family, name in guards)])
    filtering, translating = (listings.get(name) for name in names)
    found: list[Firewall | Translation | Guarding] = []
    if filtering is not None:
        found.append(Firewall(device, _hooks_in(device, filtering)))
    if translating is not None:
        found.append(Translation(device, translated_prefixes(translating)))
    for guard, family, name in guards:
        if (listing := listings.get((family, name))) is not None:
            found.append(Guarding(device, guard, _mark_in(listing)))
    return found


async def sharing_of(device: str) -> Sharing | None:
    """Return the table of the device's LAN; None when there is none."""
    if not shutil.which("nft", path=SEARCH_PATH):
        return None
    listing = await _listing(FIREWALL_FAMILY, sharing_table(device))
    return None if listing is None else Sharing(device, clamped_size(listing), translated_prefixes(listing))


def _hooks_in(device: str, listing: str) -> tuple[str, ...]:
    """Return where the listed firewall filters; nothing when it is not as this version makes it."""
    for hooks in _HOOKS:
        if listing.count(firewall_mark(device, hooks)) == len(hooks):
            return hooks
    return ()


def _mark_in(listing: str) -> str:
    """Return the mark that all rules of a table bear; nothing when they differ."""
    marks = set(re.findall(rf'comment "({MARK}[0-9a-f]+)"', listing))
    return marks.pop() if len(marks) == 1 else ""


async def _listings(tables: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """Return the content of those tables that exist, by family and name."""
    # Nearly always there are none or few: one process says which.
    names = {tuple(line.split()[1:3]) for line in (await _nft("list", "tables")).splitlines()}
    existing = [table for table in tables if table in names]
    listed = await asyncio.gather(*(_listing(*table) for table in existing))
    return {table: listing for table, listing in zip(existing, listed, strict=True) if listing is not None}


async def _listing(family: str, table: str) -> str | None:
    try:
        return await _nft("list", "table", family, table)
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
