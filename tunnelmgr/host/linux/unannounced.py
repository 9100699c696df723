"""What the kernel tells nobody of when it changes: looked at every few seconds, without reading what it means."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tunnelmgr.host.linux.dumps import dump

INTERVAL: Final = 2.0  # seconds
RESOLV_CONF: Final = Path("/etc/resolv.conf")
_SWITCHES: Final = Path("/proc/sys/net/ipv6/conf")
_GETNEIGH = 30  # linux/rtnetlink.h
_NDMSG = struct.Struct("=BxxxiHBB")  # linux/neighbour.h: family, interface, state, flags, type
_NTF_PROXY = 8


async def watch_unannounced(changed: Callable[[], None]) -> None:
    """Call `changed` when something is not as it was. Runs until cancelled."""
    before = _look()
    while True:
        await asyncio.sleep(INTERVAL)
        if (now := _look()) != before:
            before = now
            changed()


def _look() -> list[object]:
    found: list[object] = []
    for path in sorted(_SWITCHES.glob("*/accept_ra")):  # netconf tells of forwarding and proxy_ndp, not of this one
        with contextlib.suppress(OSError):  # it vanished meanwhile
            found.append((path, path.read_text()))
    with contextlib.suppress(OSError):
        proxies = _NDMSG.pack(socket.AF_INET6, 0, 0, _NTF_PROXY, 0)
        found += [message for _, message in dump(socket.NETLINK_ROUTE, _GETNEIGH, proxies)]
    with contextlib.suppress(OSError):
        stat = os.stat(RESOLV_CONF)
        found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return found
