"""A machine in memory with the manners of the real one: what exists already, what is not there, what fails on demand."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Network
from typing import Any

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.network import Network
from tunnelmgr.host.constants import DEVICE_SYSCTLS, FORWARDING, MAIN_TABLE
from tunnelmgr.host.device_name import route_table
from tunnelmgr.host.interface import Look
from tunnelmgr.host.items import (
    Address,
    Advertisement,
    Item,
    KernelTunnel,
    Mtu,
    Purpose,
    Route,
    Rule,
    Sysctl,
    Table,
    Unreachable,
)
from tunnelmgr.host.passage import Cut, Passage, cuts
from tunnelmgr.host.plan import Step
from tunnelmgr.host.resolvers import ResolverHelper
from tunnelmgr.host.surroundings import Surroundings


class FakeTun:
    """A tunnel device: what is written to `outside` is read from `fd`, and the other way round."""

    def __init__(self, name: str, index: int, closed: Callable[[str], None]) -> None:
        self.name = name
        self.index = index
        self._closed = closed
        self._open = True
        self._ends: tuple[socket.socket, socket.socket] | None = None  # made when first asked for: few tests do

    @property
    def fd(self) -> int:
        return self._pair()[0].fileno()

    @property
    def outside(self) -> socket.socket:
        """The far side of the device, one packet a send or receive."""
        return self._pair()[1]

    def close(self) -> None:
        if self._open:
            self._open = False
            for end in self._ends or ():
                end.close()
            self._closed(self.name)

    def _pair(self) -> tuple[socket.socket, socket.socket]:
        if self._ends is None:
            self._ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            for end in self._ends:
                end.setblocking(False)
        return self._ends


class FakeHost:
    """A machine with loopback and nothing else. Everything a test may want to see or bend is public."""

    def __init__(self, network: Network | None = None, items: Iterable[Item] = ()) -> None:
        self.outer = network or Network()
        self.items: dict[object, Item] = {item.key: item for item in [Sysctl(FORWARDING, "0"), *items]}
        """What is configured, by key."""
        self.tuns: dict[str, FakeTun] = {}
        self.history: list[str] = []
        """The lines of every step that was carried out, in order."""
        self.failures: dict[str, int] = {}
        """Beginning of a line -> errno it fails with."""
        self.without_nft = ""
        self.without_kernel_tunnels = ""
        """Why there are none."""
        self.barred_packets: dict[str, int] = {}
        self.has_radvd = True
        self.helper: ResolverHelper | None = None
        self.lan: dict[str, int] = {}
        """Interfaces beside our tunnels, with their MTU."""
        self.leased: dict[IPv4Address, float] = {}
        """IPv4 addresses that go unless they are renewed, with the seconds left."""
        self.suspected: tuple[str, ...] = ()
        self.ruleset: list[dict[str, Any]] = []
        """Of other firewalls, as `nft --json` lists them."""
        self.watchers: list[Callable[[], None]] = []

    def surroundings(self) -> Surroundings:
        return Surroundings(
            self.links(),
            self.outer,
            self.leased,
            self.without_nft,
            self.helper,
            without_kernel_tunnels=self.without_kernel_tunnels,
        )

    def links(self) -> Mapping[str, int]:
        tunnels = [item.device for item in self.items.values() if isinstance(item, KernelTunnel)]
        return self.lan | dict.fromkeys([*self.tuns, *tunnels], 1500)

    def holder_of(self, claimed: Iterable[IPv6Network]) -> tuple[IPv6Network, str] | None:
        addresses = [item for item in self.items.values() if isinstance(item, Address)]
        found = ((one, item) for one in claimed for item in addresses if item.interface.network.overlaps(one))
        return next(((prefix, f"{item.interface} of {item.device}") for prefix, item in found), None)

    def look(self, device: str) -> Look:
        routes = [item for item in self.items.values() if isinstance(item, Route) and item.table == MAIN_TABLE]
        best = min((one for one in routes if not one.prefix.prefixlen), key=lambda route: route.metric, default=None)
        native = (self.outer.native_interface or "") if self.outer.native_ipv6 else ""
        return Look(best.device if best else native, Table(device, Purpose.INBOUND, "").key in self.items)

    def barred(self, device: str) -> Mapping[str, int]:
        return self.barred_packets

    def open_tun(self, device: str) -> FakeTun:
        if device in self.links():
            raise TunnelError(f"{device}: the name is taken", hint="choose another name")
        tun = FakeTun(device, 10 + len(self.tuns), self._tun_closed)
        self.tuns[device] = tun
        self._device_made(device)
        return tun

    async def actual(self, device: str, others: Collection[Item] = ()) -> frozenset[Item]:
        table = route_table(device)
        rules = [item for item in self.items.values() if isinstance(item, Rule) and item.table == table]
        sources = {item.source for item in [*rules, *others] if isinstance(item, Rule)}
        asked = {item.key for item in others}
        return frozenset(
            item
            for key, item in self.items.items()
            if (_concerns(item, device, sources) if item.is_of_device else key in asked)
        )

    async def run(self, step: Step) -> None:
        await asyncio.sleep(0)
        for line in step.lines():
            for beginning, code in self.failures.items():
                if line.startswith(beginning):
                    raise OSError(code, os.strerror(code))
        if step.before and step.after:
            self._set(step.after)
        elif step.after:
            self._add(step.after)
        elif step.item.remove_lines():
            self._remove(step.item)
        self.history += step.lines()

    async def watch(self, changed: Callable[[], None]) -> None:
        self.watchers.append(changed)
        try:
            await asyncio.Event().wait()
        finally:
            self.watchers.remove(changed)

    async def cuts(self, passages: tuple[Passage, ...]) -> tuple[Cut, ...]:
        return cuts(self.ruleset, passages)

    def suspects(self, lost: Collection[Item]) -> tuple[str, ...]:
        return self.suspected

    def take_away(self, item: Item) -> None:
        """Do what somebody else does, and tell those who watch."""
        del self.items[item.key]
        for changed in self.watchers:
            changed()

    async def close(self) -> None:
        pass

    def change_network(self, network: Network) -> None:
        """Move to another network and tell those who watch."""
        self.outer = network
        for changed in self.watchers:
            changed()

    def _add(self, item: Item) -> None:
        device = item.needed_interface
        if device and device not in self.links():
            _fail(errno.ENODEV)
        if isinstance(item, KernelTunnel):
            if item.device in self.links():
                _fail(errno.EEXIST)
            self._device_made(item.device)
        if isinstance(item, Advertisement) and not self.has_radvd:
            raise OSError(errno.ENOENT, "radvd is missing")
        if item.key in self.items and isinstance(item, Address | Route | Rule | Unreachable):
            _fail(errno.EEXIST)
        self._set(item)

    def _remove(self, item: Item) -> None:
        if self.items.pop(item.key, None) is None:
            _fail(errno.ENOENT)
        if isinstance(item, KernelTunnel):
            self._device_gone(item.device)

    def _device_made(self, device: str) -> None:
        for name in DEVICE_SYSCTLS:
            self._set(Sysctl(f"net/ipv6/conf/{device}/{name}", "1" if name in {"accept_ra", "autoconf"} else "0"))
        self._set(Mtu(device, 1500))

    def _set(self, item: Item) -> None:
        self.items[item.key] = item

    def _tun_closed(self, device: str) -> None:
        del self.tuns[device]
        self._device_gone(device)

    def _device_gone(self, device: str) -> None:
        for key, item in list(self.items.items()):
            if item.needed_interface == device:
                del self.items[key]


def _fail(code: int) -> None:
    raise OSError(code, os.strerror(code))


def _concerns(item: Item, device: str, sources: Iterable[object]) -> bool:
    if isinstance(item, Rule):
        return item.source in sources
    return isinstance(item, Sysctl | Unreachable) or item.device == device
