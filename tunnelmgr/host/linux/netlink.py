"""Devices, addresses, routes and rules through pyroute2, which is imported when the first change is made.

That takes a fifth of a second, and the first datagram of a tunnel must not wait for it.
"""

import asyncio
import contextlib
import errno
import importlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

from tunnelmgr.host.constants import MAIN_TABLE, ROUTE_PROTOCOL
from tunnelmgr.host.device_name import route_table
from tunnelmgr.host.items import Address, Item, KernelTunnel, LinkUp, Mtu, NeighbourProxy, Route, Rule, Unreachable

_IFF_UP = 1  # linux/if.h
_IFA_F_NODAD = 2  # linux/if_addr.h
_NTF_PROXY = 8  # linux/neighbour.h
_RTN_UNICAST, _RTN_LOCAL, _RTN_UNREACHABLE = 1, 2, 7  # linux/rtnetlink.h
_LOCAL_ROUTE_TIMEOUT = 1.0  # seconds; it takes less than a millisecond on an idle machine
_LOCAL_ROUTE_INTERVAL = 0.001  # seconds
_READING_ATTEMPTS = 5  # before giving up on a machine whose addresses and routes change all the time
_NO_LIMIT = 0xFFFF_FFFF  # FRA_SUPPRESS_PREFIXLEN of a rule without one

_Request = tuple[str, str, dict[str, object]]
"""Thing, command and arguments of one call to pyroute2."""


class Netlink:
    """One rtnetlink socket, opened when first needed. Failures of the kernel are OSError."""

    def __init__(self) -> None:
        self._socket: Any = None

    async def run(self, before: Item | None, after: Item | None) -> None:
        """Carry out one change. EEXIST when an address, route or rule that comes is there already; ENOENT, ESRCH, ENODEV or
        EADDRNOTAVAIL when what goes is not."""
        if isinstance(before, KernelTunnel) and isinstance(after, KernelTunnel):
            await self._call("link", "set", index=_index(after.device), **_sit(after))
            return
        if before and type(before) in _REMOVED:
            thing, command, arguments = _REMOVED[type(before)](before)
            await self._call(thing, command, **arguments)
        if after:
            thing, command, arguments = _ADDED[type(after)](after)
            await self._call(thing, command, **arguments)
            # The routes of a link-local address are found by interface only, and nobody waits for them.
            if isinstance(after, Address) and not after.interface.is_link_local:
                await self._until_local(after.interface.ip)

    async def actual(self, device: str, others: Collection[Item] = ()) -> list[Item]:
        """Return the device's state, addresses, routes and rules. Without the device: its rules alone.

        Of `others`, return the addresses and unreachable routes that are there, and all rules of their sources.
        """
        for _ in range(_READING_ATTEMPTS - 1):
            with contextlib.suppress(InterruptedError):  # somebody changed something while we read
                return [*await self._read(device, others), *await self._found(others)]
        return [*await self._read(device, others), *await self._found(others)]

    async def _read(self, device: str, others: Collection[Item]) -> list[Item]:
        items: list[Item] = [*await self._rules(device, others)]
        try:
            index = _index(device)
        except OSError:
            return items
        async for link in self._dump("link", index=index):
            items.append(Mtu(device, link.get("mtu")))
            items += _read_kernel_tunnel(device, link)
            items += [LinkUp(device)] if link["flags"] & _IFF_UP else []
        items += [address async for address in self._addresses(device, index)]
        async for route in self._routes(index):
            items.append(Route(device, _prefix(route, "dst"), route.get("priority"), route.get("table")))
        return [*items, *await self._neighbours(device, items)]

    async def close(self) -> None:
        """Close the socket; the next call opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _found(self, items: Collection[Item]) -> list[Item]:
        found: list[Item] = []
        for device in sorted({item.device for item in items if isinstance(item, Address)}):
            try:
                index = _index(device)
            except OSError:
                continue
            found += [item async for item in self._addresses(device, index)]
        if any(isinstance(item, Unreachable) for item in items):
            found += [item async for item in self._unreachables()]
        return [item for item in found if item in items]

    async def _addresses(self, device: str, index: int) -> AsyncIterator[Address]:
        async for address in self._dump("addr", family=socket.AF_INET6, index=index):
            yield Address(device, IPv6Interface((address.get("address"), address["prefixlen"])))

    async def _unreachables(self) -> AsyncIterator[Unreachable]:
        def ours(route: Any) -> bool:
            return bool(route["proto"] == ROUTE_PROTOCOL and route["type"] == _RTN_UNREACHABLE)

        words = {"family": socket.AF_INET6, "proto": ROUTE_PROTOCOL, "type": _RTN_UNREACHABLE}
        async for route in self._dump("route", dump_filter=ours, **words):
            yield Unreachable(_prefix(route, "dst"), route.get("priority"), route.get("table"))

    def _routes(self, index: int) -> AsyncIterator[Any]:
        def ours(route: Any) -> bool:
            return bool(route["proto"] == ROUTE_PROTOCOL and route.get("oif") == index)

        # With a filter of our own pyroute2 leaves the other words to the kernel, which looks through a full table of the
        # internet in no time. Kernels before 4.20 do not look at them, hence the filter.
        return self._dump("route", dump_filter=ours, family=socket.AF_INET6, oif=index, proto=ROUTE_PROTOCOL)

    async def _neighbours(self, device: str, items: Sequence[Item]) -> list[NeighbourProxy]:
        """Return those we answer for whose addresses are routed into the device: other tunnels have theirs."""

        def ours(neighbour: Any) -> bool:
            return bool(neighbour.get("protocol") == ROUTE_PROTOCOL)

        routed = [item.prefix for item in items if isinstance(item, Route) and item.prefix.prefixlen]
        found = []
        async for neighbour in self._dump("neigh", dump_filter=ours, family=socket.AF_INET6, flags=_NTF_PROXY):
            address = IPv6Address(neighbour.get("dst"))
            if any(address in prefix for prefix in routed):
                with contextlib.suppress(OSError):  # the interface vanished, and its neighbours with it
                    found.append(NeighbourProxy(device, socket.if_indextoname(neighbour["ifindex"]), address))
        return found

    async def _rules(self, device: str, others: Collection[Item]) -> list[Rule]:
        """Return the rules that point to the device's table, and those beside them that look into the main table first."""
        known = {item.source for item in others if isinstance(item, Rule)}
        rules = [_read_rule(rule) async for rule in self._dump("rule", family=socket.AF_INET6, FRA_PROTOCOL=ROUTE_PROTOCOL)]
        table = route_table(device)
        sources = {rule.source for rule in rules if rule.table == table} | known
        return [rule for rule in rules if rule.source in sources and rule.table in {table, MAIN_TABLE}]

    async def _until_local(self, address: IPv6Address) -> None:
        """Wait until the kernel takes packets for the address: it says "added" first and makes the local route from a
        work queue (addrconf_dad_work). A packet in between would be lost."""
        deadline = time.monotonic() + _LOCAL_ROUTE_TIMEOUT
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):  # no route at all yet
                routes = await self._call("route", "get", family=socket.AF_INET6, dst=str(address))
                if any(route["type"] == _RTN_LOCAL for route in routes):
                    return
            await asyncio.sleep(_LOCAL_ROUTE_INTERVAL)

    async def _call(self, thing: str, command: str, **arguments: object) -> Any:
        if self._socket is None:
            library = await asyncio.to_thread(importlib.import_module, "pyroute2")
            self._socket = library.AsyncIPRoute(strict_check=True)
        from pyroute2.netlink.exceptions import NetlinkError

        try:
            return await getattr(self._socket, thing)(command, **arguments)
        except NetlinkError as error:
            raise _os_error(error) from error

    async def _dump(self, thing: str, **match: object) -> AsyncIterator[Any]:
        from pyroute2.netlink.exceptions import NetlinkError

        messages = await self._call(thing, "dump", **match)
        try:
            async for message in messages:
                yield message
        except NetlinkError as error:
            raise _os_error(error) from error


def _os_error(error: Any) -> OSError:
    """Return pyroute2's error as the one of the system call; a dump that was interrupted has the code -1 there."""
    code = error.code if error.code > 0 else errno.EINTR
    return OSError(code, os.strerror(code))


def _index(device: str) -> int:
    try:
        return socket.if_nametoindex(device)
    except OSError as error:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from error


def _sit(tunnel: KernelTunnel) -> dict[str, object]:
    return {
        "kind": "sit",
        "sit_local": str(tunnel.local),
        "sit_remote": str(tunnel.remote),
        "sit_ttl": tunnel.ttl,
        "sit_tos": tunnel.tos,
    }


def _read_kernel_tunnel(device: str, link: Any) -> list[KernelTunnel]:
    if link.get_nested("linkinfo", "kind") != "sit":
        return []
    data = link.get_nested("linkinfo", "data")
    local, remote = IPv4Address(data.get("sit_local")), IPv4Address(data.get("sit_remote"))
    return [KernelTunnel(device, local, remote, data.get("sit_ttl"), data.get("sit_tos"))]


def _address(item: Address) -> dict[str, object]:
    return {
        "index": _index(item.device),
        "family": socket.AF_INET6,
        "address": str(item.interface.ip),
        "prefixlen": item.interface.network.prefixlen,
    }


def _route(item: Route | Unreachable) -> dict[str, object]:
    into = {"oif": _index(item.device)} if isinstance(item, Route) else {}
    return {
        "family": socket.AF_INET6,
        "dst": str(item.prefix),
        "priority": item.metric,
        "table": item.table,
        "proto": ROUTE_PROTOCOL,
        "type": _RTN_UNICAST if isinstance(item, Route) else _RTN_UNREACHABLE,
        **into,
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


def _neighbour(item: NeighbourProxy) -> dict[str, object]:
    return {"family": socket.AF_INET6, "dst": str(item.address), "ifindex": _index(item.interface), "flags": _NTF_PROXY}


def _read_rule(rule: Any) -> Rule:
    suppress = rule.get("suppress_prefixlen")
    limit = None if suppress in {None, _NO_LIMIT} else suppress
    return Rule(_prefix(rule, "src"), rule.get("table"), rule.get("priority") or 0, limit)


def _prefix(message: Any, side: str) -> IPv6Network:
    return IPv6Network((message.get(side) or str(IPv6Address(0)), message[f"{side}_len"]))


_ADDED: Mapping[type[Item], Callable[[Any], _Request]] = {
    KernelTunnel: lambda item: ("link", "add", {"ifname": item.device, **_sit(item)}),
    Mtu: lambda item: ("link", "set", {"index": _index(item.device), "mtu": item.mtu}),
    LinkUp: lambda item: ("link", "set", {"index": _index(item.device), "state": "up"}),
    Address: lambda item: ("addr", "add", {**_address(item), "flags": _IFA_F_NODAD}),
    Route: lambda item: ("route", "append", _route(item)),
    Unreachable: lambda item: ("route", "append", _route(item)),
    Rule: lambda item: ("rule", "add", _rule(item)),
    NeighbourProxy: lambda item: ("neigh", "add", {**_neighbour(item), "NDA_PROTOCOL": ROUTE_PROTOCOL}),
}
_REMOVED: Mapping[type[Item], Callable[[Any], _Request]] = {
    KernelTunnel: lambda item: ("link", "delete", {"index": _index(item.device)}),
    LinkUp: lambda item: ("link", "set", {"index": _index(item.device), "state": "down"}),
    Address: lambda item: ("addr", "delete", _address(item)),
    Route: lambda item: ("route", "delete", _route(item)),
    Unreachable: lambda item: ("route", "delete", _route(item)),
    Rule: lambda item: ("rule", "delete", _rule(item)),
    NeighbourProxy: lambda item: ("neigh", "delete", _neighbour(item)),
}
"""An MTU is not here: a device always has one."""
