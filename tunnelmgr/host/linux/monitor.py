"""Tells that addresses, routes or links changed, without reading what: whoever asks looks again."""

import asyncio
import socket
from collections.abc import Callable

# linux/rtnetlink.h: RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
_QUIET = 0.2  # seconds; a new address brings a burst of messages, and DHCP clients change several things in a row


async def watch(changed: Callable[[], None], quiet: float = _QUIET) -> None:
    """Call `changed` at most once in `quiet` seconds, after something changed. Runs until cancelled."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.setblocking(False)
        netlink.bind((0, _GROUPS))
        while True:
            await _something(netlink)
            await asyncio.sleep(quiet)
            _drain(netlink)
            changed()


async def _something(netlink: socket.socket) -> None:
    try:
        await asyncio.get_running_loop().sock_recv(netlink, 65536)
    except OSError:
        return  # ENOBUFS: so much changed that messages were lost, which is a change too


def _drain(netlink: socket.socket) -> None:
    while True:
        try:
            netlink.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            continue
