"""This Linux machine as a `Host`."""

from collections.abc import Callable, Collection, Mapping

from tunnelmgr.host.device_name import nft_table
from tunnelmgr.host.items import Advertisement, Item, KernelTunnel, Purpose, Resolvers, Sysctl, Table
from tunnelmgr.host.linux.monitor import watch
from tunnelmgr.host.linux.netlink import LinkItem, Netlink
from tunnelmgr.host.linux.nft import Tables, counters
from tunnelmgr.host.linux.radvd import Radvd
from tunnelmgr.host.linux.resolver_helper import hand_over
from tunnelmgr.host.linux.surroundings import surroundings
from tunnelmgr.host.linux.sysctl import read_sysctl, set_sysctl, sysctls_of
from tunnelmgr.host.linux.tun import LinuxTun, open_tun
from tunnelmgr.host.plan import Step
from tunnelmgr.host.surroundings import Surroundings


class LinuxHost:
    """The machine this process runs on, in the network namespace it is in."""

    def __init__(self) -> None:
        self._netlink = Netlink()
        self._radvd = Radvd()
        self._tables = Tables()

    def surroundings(self) -> Surroundings:
        return surroundings()

    def open_tun(self, device: str) -> LinuxTun:
        return open_tun(device)

    def barred(self, device: str) -> Mapping[str, int]:
        try:
            counted = counters(nft_table(device, Purpose.PATHS))
        except OSError:  # who asks how things stand shall hear all the rest
            return {}
        return {name: packets for name, packets in counted.items() if packets}

    async def actual(self, device: str, others: Collection[Item] = ()) -> frozenset[Item]:
        own = [*await self._tables.of(device), *sysctls_of(device), *await self._netlink.actual(device, others)]
        return frozenset([*own, *await self._found(others)])

    async def _found(self, items: Collection[Item]) -> list[Item]:
        """Return which of these things are there that netlink does not know of."""
        found: list[Item | None] = []
        for item in items:
            match item:
                case Sysctl(path):
                    found.append(read_sysctl(path))
                case Advertisement():
                    found.append(self._radvd.running)
        return [item for item in found if item]

    async def run(self, step: Step) -> None:
        match step.before, step.after:
            case _, Advertisement() as wanted:
                await self._radvd.advertise(wanted)
            case Advertisement() as ended, None:
                await self._radvd.stop(ended)
            case _, Sysctl() as switch:
                set_sysctl(switch)
            case Sysctl(), None:
                pass  # what it was is not known
            case (Table() | None as before, Table() as after) | (Table() as before, None as after):
                await self._tables.run(before, after)
            case (_, Resolvers()) | (Resolvers(), None):
                await hand_over(step.before, step.after)
            case before, after:
                await self._run_by_netlink(before, after)

    async def _run_by_netlink(self, before: Item | None, after: Item | None) -> None:
        if isinstance(before, KernelTunnel) and isinstance(after, KernelTunnel):
            await self._netlink.change(after)
            return
        if isinstance(before, LinkItem):
            await self._netlink.remove(before)
        if isinstance(after, LinkItem):
            await self._netlink.add(after)

    async def watch(self, changed: Callable[[], None]) -> None:
        self._radvd.changed = changed
        await watch(changed)

    async def close(self) -> None:
        await self._netlink.close()
