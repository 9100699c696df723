"""Runs nft: firewall tables in, and how they stand out."""

import asyncio
import errno
import os
import shutil
from collections.abc import Sequence

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.host.device_name import nft_table, sharing_table, translation_table
from tunnelmgr.host.firewall import FIREWALL_FAMILY, clamped_size, firewall_mark, translated_prefixes
from tunnelmgr.host.items import Firewall, Sharing, Translation

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


async def tables_of(device: str) -> list[Firewall | Translation]:
    """Return the device's tables as far as there are any."""
    if not shutil.which("nft", path=SEARCH_PATH):
        return []
    # Side by side: most of each is starting a process.
    filtering, translating = await asyncio.gather(_listing(nft_table(device)), _listing(translation_table(device)))
    found: list[Firewall | Translation] = []
    if filtering is not None:
        found.append(Firewall(device, _hooks_in(device, filtering)))
    if translating is not None:
        found.append(Translation(device, translated_prefixes(translating)))
    return found


async def sharing_of(device: str) -> Sharing | None:
    """Return the table of the device's LAN; None when there is none."""
    if not shutil.which("nft", path=SEARCH_PATH):
        return None
    listing = await _listing(sharing_table(device))
    return None if listing is None else Sharing(device, clamped_size(listing), translated_prefixes(listing))


def _hooks_in(device: str, listing: str) -> tuple[str, ...]:
    """Return where the listed firewall filters; nothing when it is not as this version makes it."""
    for hooks in _HOOKS:
        if listing.count(firewall_mark(device, hooks)) == len(hooks):
            return hooks
    return ()


async def _listing(table: str) -> str | None:
    try:
        return await _nft("list", "table", FIREWALL_FAMILY, table)
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
