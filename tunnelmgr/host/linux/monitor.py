"""Tells that links, addresses, routes, rules or switches changed, without reading what: whoever asks looks again."""

import asyncio
import socket
from collections.abc import Callable

# A bit for each RTNLGRP_* of linux/rtnetlink.h: LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, _ROUTE, _RULE and _NETCONF.
_GROUPS = sum(1 << (group - 1) for group in (1, 5, 7, 9, 11, 19, 25))
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
