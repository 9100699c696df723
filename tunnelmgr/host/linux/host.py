"""This Linux machine as a `Host`."""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from ipaddress import IPv6Network
from typing import Any, Final

from tunnelmgr.host.device_name import nft_table
from tunnelmgr.host.interface import Look
from tunnelmgr.host.items import Advertisement, Item, LinkUp, Purpose, Resolvers, Sysctl, Table
from tunnelmgr.host.linux.barrier import switch_off
from tunnelmgr.host.linux.facts import way_out
from tunnelmgr.host.linux.holdings import holder_of
from tunnelmgr.host.linux.monitor import watch
from tunnelmgr.host.linux.netlink import Netlink
from tunnelmgr.host.linux.nft import Tables, without_nft
from tunnelmgr.host.linux.other_firewalls import OtherFirewalls
from tunnelmgr.host.linux.radvd import Radvd
from tunnelmgr.host.linux.resolver_helper import ResolverRecords
from tunnelmgr.host.linux.ruleset import counters, watch_ruleset
from tunnelmgr.host.linux.surroundings import surroundings
from tunnelmgr.host.linux.suspects import suspects
from tunnelmgr.host.linux.sysctl import read_sysctl, set_sysctl, sysctls_of
from tunnelmgr.host.linux.tun import LinuxTun, open_tun
from tunnelmgr.host.linux.unannounced import watch_unannounced
from tunnelmgr.host.passage import Cut, Passage
from tunnelmgr.host.plan import Step
from tunnelmgr.host.surroundings import Surroundings

LOOK_AFTER: Final = 1.0  # seconds after a change of other firewalls' rules: many changes come together


class LinuxHost:
    """The machine this process runs on, in the network namespace it is in."""

    def __init__(self) -> None:
        self._netlink = Netlink()
        self._radvd = Radvd()
        self._tables = Tables()
        self._resolvers = ResolverRecords()
        self._others = OtherFirewalls()
        self._looking: asyncio.TimerHandle | None = None
        """While it will soon be looked what another firewall has changed."""
        self._author = ""
        """The program that changed one of our tables last."""
        self._by_kind: Mapping[type[Item], Callable[[Any, Any], Awaitable[None]]] = {
            Table: self._tables.run,
            Sysctl: set_sysctl,
            Advertisement: self._radvd.run,
            Resolvers: self._resolvers.run,
        }
        """Who carries out changes of what; all else is netlink's."""

    def surroundings(self) -> Surroundings:
        return surroundings()

    def open_tun(self, device: str) -> LinuxTun:
        return open_tun(device)

    def holder_of(self, claimed: Iterable[IPv6Network]) -> tuple[IPv6Network, str] | None:
        return holder_of(claimed)

    def look(self, device: str) -> Look:
        return Look(way_out(), device not in self._open_to_strangers(), not self._radvd.has_died)

    def barred(self, device: str) -> Mapping[str, int]:
        try:
            counted = counters(nft_table(device, Purpose.PATHS))
        except OSError:  # who asks how things stand shall hear all the rest
            return {}
        return {name: packets for name, packets in counted.items() if packets}

    async def actual(self, device: str, others: Collection[Item] = ()) -> frozenset[Item]:
        tables = await self._tables.of(device)
        switches = [
            *sysctls_of(device),
            *filter(None, (read_sysctl(item.path) for item in others if isinstance(item, Sysctl))),
        ]
        advertised = [self._radvd.running] if self._radvd.running else []
        resolvers = [item for item in others if isinstance(item, Resolvers) and self._resolvers.are_there(item)]
        return frozenset([*tables, *switches, *advertised, *resolvers, *await self._netlink.actual(device, others)])

    async def run(self, step: Step) -> None:
        carry_out = self._by_kind.get(type(step.item), self._netlink.run)
        if isinstance(step.after, LinkUp) and self._open_to_strangers():
            raise OSError(errno.EBUSY, "somebody took the firewall away at this moment")
        await carry_out(step.before, step.after)

    async def watch(self, changed: Callable[[], None]) -> None:
        self._radvd.changed = changed
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch(changed))
            tasks.create_task(watch_unannounced(changed))
            if not without_nft():
                tasks.create_task(watch_ruleset(partial(self._ruleset_changed, changed)))

    async def cuts(self, passages: tuple[Passage, ...]) -> tuple[Cut, ...]:
        return await self._others.cuts(passages)

    def suspects(self, lost: Collection[Item]) -> tuple[str, ...]:
        return suspects(lost, self._author)

    def _ruleset_changed(self, changed: Callable[[], None], author: str) -> None:
        """Shut what strangers could come in by, before anything else happens; then have it looked at."""
        if self._tables.disturbed():
            self._author = author
            for device in self._open_to_strangers():
                switch_off(device)
            changed()
        elif self._looking is None:  # another firewall's rules, which some programs change all the time
            self._looking = asyncio.get_running_loop().call_later(LOOK_AFTER, self._look_at_others, changed)

    def _look_at_others(self, changed: Callable[[], None]) -> None:
        self._looking = None
        if self._others.are_new():
            changed()

    def _open_to_strangers(self) -> set[str]:
        return {table.device for table in self._tables.disturbed() if table.purpose.keeps_out}

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        await self._netlink.close()
