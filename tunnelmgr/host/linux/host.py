"""This Linux machine as a `Host`."""

import asyncio
import importlib
from collections.abc import Callable

from tunnelmgr.api.network import Network
from tunnelmgr.host.items import Firewall, Item, Sysctl, Translation
from tunnelmgr.host.linux import facts
from tunnelmgr.host.linux.monitor import watch
from tunnelmgr.host.linux.netlink import Netlink
from tunnelmgr.host.linux.nft import check_nft, run_nft, tables_of
from tunnelmgr.host.linux.sysctl import set_sysctl, sysctls_of
from tunnelmgr.host.linux.tun import LinuxTun, open_tun
from tunnelmgr.host.plan import Step


class LinuxHost:
    """The machine this process runs on, in the network namespace it is in."""

    def __init__(self) -> None:
        self._netlink = Netlink()

    def network(self) -> Network:
        return facts.network()

    def open_tun(self, device: str) -> LinuxTun:
        return open_tun(device)

    async def prepare(self) -> None:
        await asyncio.to_thread(importlib.import_module, "pyroute2")

    async def check_firewall(self) -> None:
        check_nft()

    async def actual(self, device: str) -> frozenset[Item]:
        return frozenset([*await tables_of(device), *sysctls_of(device), *await self._netlink.actual(device)])

    async def run(self, step: Step) -> None:
        match step.before, step.after:
            case _, Sysctl() as switch:
                set_sysctl(switch)
            case Sysctl(), None:
                pass  # what it was is not known
            case (_, Firewall() | Translation()) | (Firewall() | Translation(), None):
                await run_nft([line.removeprefix("nft ") for line in step.lines()])
            case before, after:
                if before and not isinstance(before, Firewall | Translation | Sysctl):
                    await self._netlink.remove(before)
                if after and not isinstance(after, Firewall | Translation | Sysctl):
                    await self._netlink.add(after)

    async def watch(self, changed: Callable[[], None]) -> None:
        await watch(changed)

    async def close(self) -> None:
        await self._netlink.close()
