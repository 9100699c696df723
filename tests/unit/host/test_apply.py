"""Making it so, going back when it fails, taking everything back."""

import asyncio
import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.host.apply import Configurator, explain
from tunnelmgr.host.constants import FORWARDING
from tunnelmgr.host.desired import Desired, Destination, Forwarding, Inbound
from tunnelmgr.host.fake import FakeHost
from tunnelmgr.host.firewall import inbound_rules
from tunnelmgr.host.items import Address, Item, Purpose, Resolvers, Rule, Sysctl, Table
from tunnelmgr.host.journal import Journal
from tunnelmgr.host.plan import Step, taken_back
from tunnelmgr.host.resolvers import ResolverHelper
from tunnelmgr.host.surroundings import NO_PROGRAM

HERE = "boot-1/1"
ADDRESS = IPv6Interface("2001:db8::2/64")
FIREWALL = Table.of("tm-home", Purpose.INBOUND, inbound_rules("tm-home", ("input", "forward")))
HOME = Desired(
    "tm-home",
    addresses=(ADDRESS,),
    destinations=(Destination(IPv6Network("::/0"), 1029),),
    sources=(IPv6Network(ADDRESS.ip),),
)
MOVED = replace(HOME, addresses=(IPv6Interface("2001:db8:1::2/64"),), sources=(IPv6Network("2001:db8:1::2"),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home.journal"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal.take(path, HERE)
    yield journal
    journal.close()


def test_applying_twice_does_nothing_the_second_time(journal: Journal) -> None:
    host = FakeHost()
    host.open_tun("tm-home")
    home = Configurator(host, journal)
    assert asyncio.run(home.apply(HOME))
    assert asyncio.run(home.apply(HOME)) == []


def test_what_somebody_took_away_is_put_back(journal: Journal) -> None:
    host = FakeHost()
    host.open_tun("tm-home")
    home = Configurator(host, journal)
    asyncio.run(home.apply(HOME))
    asyncio.run(host.run(Step(FIREWALL, None)))
    assert asyncio.run(home.apply(HOME)) == [Step(None, FIREWALL)]


def test_clearing_leaves_the_machine_as_it_was(journal: Journal) -> None:
    host = FakeHost(items=[Sysctl("net/ipv6/conf/eth0/accept_ra", "1")])
    before = dict(host.items)
    tun = host.open_tun("tm-home")
    home = Configurator(host, journal)
    asyncio.run(home.apply(replace(HOME, forwarding=Forwarding.ANSWERS)))
    assert host.items[Sysctl("net/ipv6/conf/eth0/accept_ra", "").key] == Sysctl("net/ipv6/conf/eth0/accept_ra", "2")
    asyncio.run(home.apply(MOVED))
    asyncio.run(home.clear())
    tun.close()
    assert host.items == before
    assert journal.net() == []
    assert asyncio.run(home.clear()) == []


def test_another_tunnels_rules_are_left_alone(journal: Journal, tmp_path: Path) -> None:
    host = FakeHost()
    for device in ("tm-home", "tm-work"):
        host.open_tun(device)
    work = Journal.take(tmp_path / "work.journal", HERE)
    asyncio.run(Configurator(host, work).apply(replace(MOVED, device="tm-work")))
    before = dict(host.items)
    home = Configurator(host, journal)
    asyncio.run(home.apply(HOME))
    asyncio.run(home.clear())
    assert [item for item in host.items.values() if isinstance(item, Rule)] == [
        item for item in before.values() if isinstance(item, Rule)
    ]
    work.close()


def forwards(host: FakeHost) -> bool:
    return Sysctl(FORWARDING, "1") in host.items.values()


def test_the_last_one_switches_forwarding_off(journal: Journal, tmp_path: Path) -> None:
    host = FakeHost()
    for device in ("tm-home", "tm-work"):
        host.open_tun(device)
    work_journal = Journal.take(tmp_path / "work.journal", HERE)
    home, work = Configurator(host, journal), Configurator(host, work_journal)
    asyncio.run(home.apply(replace(HOME, forwarding=Forwarding.OPEN)))
    asyncio.run(work.apply(replace(MOVED, device="tm-work", forwarding=Forwarding.OPEN)))
    asyncio.run(home.clear())
    assert forwards(host)
    asyncio.run(work.clear())
    assert not forwards(host)
    work_journal.close()


def test_forwarding_is_not_left_to_the_dead(journal: Journal, tmp_path: Path) -> None:
    host = FakeHost()
    for device in ("tm-home", "tm-work"):
        host.open_tun(device)
    dead = Journal.take(tmp_path / "work.journal", HERE)
    asyncio.run(Configurator(host, dead).apply(replace(MOVED, device="tm-work")))
    dead.close()
    home = Configurator(host, journal)
    asyncio.run(home.apply(replace(HOME, forwarding=Forwarding.OPEN)))
    asyncio.run(home.clear())
    assert not forwards(host)


@pytest.mark.parametrize("number", range(9))
def test_a_failure_at_any_step_takes_back_all_of_them(journal: Journal, number: int) -> None:
    host = FakeHost()
    before = dict(host.items)
    tun = host.open_tun("tm-home")
    line = [
        "nft add rule",
        "ip link set dev tm-home mtu",
        "ip link set dev tm-home up",
        "ip -6 address add",
        "ip -6 route append default dev tm-home proto 116 metric 1024",
        "ip -6 rule add from 2001:db8::2/128 lookup main",
        "ip -6 rule add from 2001:db8::2/128 lookup 1953330794",
        "ip -6 route append default dev tm-home proto 116 metric 1029",
        "sysctl -w net/ipv6/conf/all/forwarding=1",
    ][number]
    host.failures[line] = errno.ENOMEM
    with pytest.raises(TunnelError, match=r"Cannot allocate memory; the kernel's log") as failure:
        asyncio.run(Configurator(host, journal).apply(replace(HOME, forwarding=Forwarding.OPEN)))
    assert line in failure.value.message
    tun.close()
    assert host.items == before
    assert taken_back(journal.net()) == []


def test_a_failed_change_goes_back_to_what_was_before_it(journal: Journal) -> None:
    host = FakeHost()
    host.open_tun("tm-home")
    home = Configurator(host, journal)
    asyncio.run(home.apply(HOME))
    before = dict(host.items)
    host.failures["ip -6 rule delete"] = errno.ENOMEM
    with pytest.raises(TunnelError):
        asyncio.run(home.apply(MOVED))
    del host.failures["ip -6 rule delete"]
    # The rules of the new address are what could not be removed; taking everything back removes them too.
    assert before.items() <= host.items.items()
    asyncio.run(home.clear())
    assert not any(isinstance(item, Rule | Table) for item in host.items.values())


def test_without_privilege_the_exit_code_says_so(journal: Journal) -> None:
    host = FakeHost()
    host.open_tun("tm-home")
    host.failures["ip link"] = errno.EPERM
    with pytest.raises(
        TunnelError, match=r"ip link set dev tm-home mtu 1280: Operation not permitted; run as root"
    ) as failure:
        asyncio.run(Configurator(host, journal).apply(HOME))
    assert failure.value.exit_code is ExitCode.NO_PERMISSION


@pytest.mark.parametrize(
    ("why", "hint"),
    [(NO_PROGRAM, "install the package nftables"), ("this kernel has no nftables", "start a kernel that has it")],
)
def test_nft_is_needed_unless_the_tunnel_is_open(journal: Journal, why: str, hint: str) -> None:
    host = FakeHost()
    host.open_tun("tm-home")
    host.without_nft = why
    with pytest.raises(TunnelError, match=why) as failure:
        asyncio.run(Configurator(host, journal).apply(HOME))
    assert failure.value.hint == f"{hint}, or write `firewall: {{inbound: open}}` in the profile"
    assert host.history == []
    opened = replace(HOME, inbound=Inbound.OPEN)
    with pytest.raises(TunnelError, match=why):
        asyncio.run(Configurator(host, journal).apply(replace(opened, translate=(IPv6Network("2001::/32"),))))
    assert asyncio.run(Configurator(host, journal).apply(opened))


def test_a_read_only_proc_sys_is_no_hindrance(journal: Journal) -> None:
    host = FakeHost()
    host.open_tun("tm-home")
    host.failures["sysctl"] = errno.EROFS
    home = Configurator(host, journal)
    asyncio.run(home.apply(HOME))
    assert "ip -6 address add 2001:db8::2/64 dev tm-home nodad" in host.history
    assert not any(isinstance(step.after, Sysctl) for step in journal.net())


def test_a_read_only_proc_sys_hinders_a_relay(journal: Journal) -> None:
    host = FakeHost()
    host.open_tun("tm-home")
    host.failures["sysctl"] = errno.EROFS
    with pytest.raises(TunnelError, match="all/forwarding=1: Read-only file system; set it outside this container"):
        asyncio.run(Configurator(host, journal).apply(replace(HOME, forwarding=Forwarding.OPEN)))


def test_what_cannot_be_taken_back_stays_in_the_journal(journal: Journal) -> None:
    host = FakeHost()
    host.open_tun("tm-home")
    home = Configurator(host, journal)
    asyncio.run(home.apply(HOME))
    host.failures["nft delete"] = errno.EPERM
    with pytest.raises(TunnelError, match="nft delete table ip6 tunnelmgr_home: Operation not permitted"):
        asyncio.run(home.clear())
    assert [step.after for step in journal.net() if isinstance(step.after, Table | Rule)] == [FIREWALL]
    host.failures.clear()
    asyncio.run(home.clear())
    assert journal.net() == []


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours runs after it."""


class DyingHost(FakeHost):
    """Kills its process at one step, before or after the change is made."""

    def __init__(self, step: int, *, change_made: bool) -> None:
        super().__init__()
        self.steps_left = step
        self.change_made = change_made

    async def run(self, step: Step) -> None:
        self.steps_left -= 1
        if self.steps_left == 0 and not self.change_made:
            raise Killed
        await super().run(step)
        if self.steps_left == 0:
            raise Killed


async def life_of(home: Configurator) -> None:
    await home.apply(replace(HOME, forwarding=Forwarding.OPEN))
    await home.apply(MOVED)
    await home.clear()


@pytest.mark.parametrize("change_made", [False, True])
@pytest.mark.parametrize("step", range(1, 25))
def test_whoever_comes_after_a_kill_at_any_step_takes_everything_back(path: Path, step: int, change_made: bool) -> None:
    host = DyingHost(step, change_made=change_made)
    before = dict(host.items)
    tun = host.open_tun("tm-home")
    journal = Journal.take(path, HERE)
    home = Configurator(host, journal)
    with pytest.raises(Killed):
        asyncio.run(life_of(home))
    tun.close()
    journal.close()

    heir = Journal.take(path, HERE)
    asyncio.run(Configurator(host, heir).clear())
    heir.close()
    assert host.items == before
    assert not path.exists()


RESOLVED = replace(HOME, resolvers=(IPv6Address("2001:db8::53"),))


def resolvers(host: FakeHost) -> list[str]:
    return [str(server) for item in host.items.values() if isinstance(item, Resolvers) for server in item.servers]


@pytest.fixture
def minded() -> FakeHost:
    """A host with resolvconf, and the device."""
    host = FakeHost()
    host.helper = ResolverHelper.RESOLVCONF
    host.open_tun("tm-home")
    return host


def test_resolvers_come_and_go_with_the_wish(journal: Journal, minded: FakeHost) -> None:
    home = Configurator(minded, journal)
    asyncio.run(home.apply(RESOLVED))
    assert resolvers(minded) == ["2001:db8::53"]
    assert asyncio.run(home.apply(RESOLVED)) == []
    asyncio.run(home.apply(replace(RESOLVED, resolvers=(IPv6Address("2001:db8::54"),))))
    assert resolvers(minded) == ["2001:db8::54"]
    asyncio.run(home.apply(HOME))
    assert resolvers(minded) == []


def test_resolvers_of_a_killed_process_are_taken_back(path: Path, minded: FakeHost) -> None:
    dead = Journal.take(path, HERE)
    asyncio.run(Configurator(minded, dead).apply(RESOLVED))
    dead.close()
    heir = Journal.take(path, HERE)
    asyncio.run(Configurator(minded, heir).clear())
    heir.close()
    assert resolvers(minded) == []


def test_without_anybody_to_mind_resolvers_the_tunnel_stands_and_the_command_is_said(journal: Journal) -> None:
    host = FakeHost()
    host.open_tun("tm-home")
    home = Configurator(host, journal)
    asyncio.run(home.apply(RESOLVED))
    (short,) = home.shortfalls
    assert "2001:db8::53" in short.reason
    assert r"printf 'nameserver 2001:db8::53\n' >> /etc/resolv.conf" in short.hint
    asyncio.run(home.apply(HOME))
    assert home.shortfalls == ()


@pytest.mark.parametrize("beginning", ["printf", "resolvconf -d"])
def test_a_helper_that_fails_is_a_shortfall_and_not_the_end(journal: Journal, minded: FakeHost, beginning: str) -> None:
    minded.failures[beginning] = errno.EIO
    home = Configurator(minded, journal)
    asyncio.run(home.apply(RESOLVED))
    assert bool(home.shortfalls) is (beginning == "printf")
    asyncio.run(home.apply(HOME))
    assert FIREWALL in minded.items.values()
    minded.failures.clear()
    asyncio.run(home.clear())
    assert resolvers(minded) == []


@pytest.mark.parametrize("room", range(9))
def test_without_room_in_the_journal_nothing_is_changed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    host = FakeHost()
    host.open_tun("tm-home")
    home = Configurator(host, journal)
    before = {key: item for key, item in host.items.items() if not isinstance(item, Sysctl)}
    written = 0

    def full(fd: int, data: bytes) -> int:
        nonlocal written
        written += 1
        if written > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data)

    real = os.write
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(TunnelError, match=r"cannot keep the journal in .*: No space left on device; make room there"):
        asyncio.run(home.apply(HOME))
    after = {key: item for key, item in host.items.items() if not isinstance(item, Sysctl)}
    assert after == before
    asyncio.run(home.clear())
    assert journal.net() == []


LAN_ADDRESS = Address("br-lan", IPv6Interface("fd00::1/64"))


@pytest.mark.parametrize(
    ("item", "code", "hint"),
    [
        (Table("tm-home", Purpose.INBOUND, "", ("chain input { }",)), errno.EOPNOTSUPP, "lacks a part of nftables"),
        (Table("tm-home", Purpose.INBOUND, "", ("chain input { }",)), errno.EPERM, "CAP_NET_ADMIN"),
        (LAN_ADDRESS, errno.EACCES, "IPv6 is switched off on br-lan: sysctl net/ipv6/conf/br-lan/disable_ipv6=0"),
        (LAN_ADDRESS, errno.EOPNOTSUPP, "this kernel runs without IPv6"),
    ],
)
def test_what_the_kernel_refuses_is_explained_by_what_it_was(item: Item, code: int, hint: str) -> None:
    assert hint in explain(Step(None, item), OSError(code, os.strerror(code))).hint
