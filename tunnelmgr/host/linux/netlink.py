"""Devices, addresses, routes and rules through pyroute2, which is imported when the first change is made.

That takes a fifth of a second, and the first datagram of a tunnel must not wait for it.
"""

import errno
import os
import socket
from collections.abc import AsyncIterator
from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from typing import Any

from tunnelmgr.host.constants import MAIN_TABLE, ROUTE_PROTOCOL
from tunnelmgr.host.device_name import route_table
from tunnelmgr.host.items import Address, Item, LinkUp, Mtu, Route, Rule

_IFF_UP = 1  # linux/if.h
_IFA_F_NODAD = 2  # linux/if_addr.h
_RTN_UNICAST = 1  # linux/rtnetlink.h
_NO_LIMIT = 0xFFFF_FFFF  # FRA_SUPPRESS_PREFIXLEN of a rule without one

LinkItem = Mtu | LinkUp | Address | Route | Rule


class Netlink:
    """One rtnetlink socket, opened when first needed. Failures of the kernel are OSError."""

    def __init__(self) -> None:
        self._socket: Any = None

    async def add(self, item: LinkItem) -> None:
        """Add a thing, or set it. EEXIST when an address, route or rule is there already."""
        match item:
            case Mtu(device, mtu):
                await self._call("link", "set", index=_index(device), mtu=mtu)
            case LinkUp(device):
                await self._call("link", "set", index=_index(device), state="up")
            case Address():
                await self._call("addr", "add", **_address(item), flags=_IFA_F_NODAD)
            case Route():
                await self._call("route", "append", **_route(item))
            case Rule():
                await self._call("rule", "add", **_rule(item))

    async def remove(self, item: LinkItem) -> None:
        """Remove a thing. ENOENT, ESRCH, ENODEV or EADDRNOTAVAIL when it is not there."""
        match item:
            case Mtu():
                pass  # a device always has one
            case LinkUp(device):
                await self._call("link", "set", index=_index(device), state="down")
            case Address():
                await self._call("addr", "delete", **_address(item))
            case Route():
                await self._call("route", "delete", **_route(item))
            case Rule():
                await self._call("rule", "delete", **_rule(item))

    async def actual(self, device: str) -> list[Item]:
        """Return the device's state, addresses, routes and rules. Without the device: its rules alone."""
        items: list[Item] = [*await self._rules(device)]
        try:
            index = _index(device)
        except OSError:
            return items
        async for link in self._dump("link", index=index):
            items.append(Mtu(device, link.get("mtu")))
            items += [LinkUp(device)] if link["flags"] & _IFF_UP else []
        async for address in self._dump("addr", family=socket.AF_INET6, index=index):
            interface = IPv6Interface((address.get("address"), address["prefixlen"]))
            if not interface.is_link_local:
                items.append(Address(device, interface))
        async for route in self._dump("route", family=socket.AF_INET6, oif=index, proto=ROUTE_PROTOCOL):
            items.append(Route(device, _prefix(route, "dst"), route.get("priority"), route.get("table")))
        return items

    async def close(self) -> None:
        """Close the socket; the next call opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _rules(self, device: str) -> list[Rule]:
        """Return the rules that point to the device's table, and those beside them that look into the main table first."""
        rules = [_read_rule(rule) async for rule in self._dump("rule", family=socket.AF_INET6, FRA_PROTOCOL=ROUTE_PROTOCOL)]
        table = route_table(device)
        sources = {rule.source for rule in rules if rule.table == table}
        return [rule for rule in rules if rule.source in sources and rule.table in {table, MAIN_TABLE}]

    async def _call(self, thing: str, command: str, **arguments: object) -> Any:
        from pyroute2 import AsyncIPRoute
        from pyroute2.netlink.exceptions import NetlinkError

        if self._socket is None:
            self._socket = AsyncIPRoute()
        try:
            return await getattr(self._socket, thing)(command, **arguments)
        except NetlinkError as error:
            raise OSError(error.code, os.strerror(error.code)) from error

    async def _dump(self, thing: str, **match: object) -> AsyncIterator[Any]:
        async for message in await self._call(thing, "dump", **match):
            yield message


def _index(device: str) -> int:
    try:
        return socket.if_nametoindex(device)
    except OSError as error:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from error


def _address(item: Address) -> dict[str, object]:
    return {
        "index": _index(item.device),
        "family": socket.AF_INET6,
        "address": str(item.interface.ip),
        "prefixlen": item.interface.network.prefixlen,
    }


def _route(item: Route) -> dict[str, object]:
    return {
        "family": socket.AF_INET6,
        "dst": str(item.prefix),
        "oif": _index(item.device),
        "priority": item.metric,
        "table": item.table,
        "proto": ROUTE_PROTOCOL,
        "type": _RTN_UNICAST,
    }


def _rule(item: Rule) -> dict[str, object]:
    arguments: dict[str, object] = {
        "family": socket.AF_INET6,
        "src": str(item.source.network_address),
        "src_len": item.source.prefixlen,
        "table": item.table,
        "priority": item.priority,
        "protocol": ROUTE_PROTOCOL,
    }
    if item.suppress_prefixlength is not None:
        arguments["FRA_SUPPRESS_PREFIXLEN"] = item.suppress_prefixlength
    return arguments


def _read_rule(rule: Any) -> Rule:
    suppress = rule.get("suppress_prefixlen")
    limit = None if suppress in {None, _NO_LIMIT} else suppress
    return Rule(_prefix(rule, "src"), rule.get("table"), rule.get("priority") or 0, limit)


def _prefix(message: Any, side: str) -> IPv6Network:
    return IPv6Network((message.get(side) or str(IPv6Address(0)), message[f"{side}_len"]))
