"""What goes wrong in the field, with real programs: the tunnel gets over each fault by itself, without long pauses.

Exact times are the simulation's (plugins/teredo/tests/sim/test_teredo_faults.py); limits here are generous. The refresh
interval is 5 s, so that a lost server is noticed within 5 + 3 * 4 s.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from tests.netns.program import Tunnelmgr, ping
from tests.peers.faketime import WallClock
from tests.peers.miredo import MiredoServer
from tests.peers.teredo_internet import TeredoInternet, teredo_internet
from tunnelmgr.lab.vocabulary import Link, Nat, NatKind
from tunnelmgr.lab.waiting import wait_for

pytestmark = pytest.mark.usefixtures("miredo_programs")

PROFILE = "name: home\nmethod: {type: teredo, server: [SERVERS], refresh_interval: 5}\n"
LOSS_TIMEOUT = 3 * 17.0  # seconds
RETURN_TIMEOUT = 3 * 20.0  # seconds; the third pause between attempts is 20 s at most, the 100 s of others would fail here
CHANGE_TIMEOUT = 3 * 5.0  # seconds; a changed network is asked about within two, a changed mapping noticed within five
OVERLAP_TIMEOUT = 1.0  # seconds; T-MA-005 wants both in the same second, and the kernel is told in two steps
DAY = 24 * 3600  # seconds
REORDERING = Link(late=frozenset(number for number in range(10_000) if number % 10 in {0, 3, 6}), late_by=0.25)
MISFORTUNE = """
table ip misfortune {
    chain leaving {
        # Behind the translation. A map, because the bare number comes in the byte order of the machine.
        type filter hook postrouting priority 300
        oifname wan meta l4proto udp numgen random mod 10 vmap {
            0 : drop, 1 : drop, 2 : drop, 3 : jump twice, 4 : jump twice
        }
    }
    chain arriving {
        type filter hook prerouting priority -300
        iifname wan meta l4proto udp numgen random mod 10 vmap { 0 : drop, 1 : drop, 2 : drop }
    }
    chain twice { dup to 198.51.100.1 device wan; }
}
"""


class Home:
    """The tunnel at home, and what can be seen of it."""

    def __init__(self, world: TeredoInternet, folder: Path, *servers: str) -> None:
        self.world = world
        self.program = Tunnelmgr(world.home.inside, folder, PROFILE.replace("SERVERS", ", ".join(servers)))
        self.host = world.home.inside

    def is_up(self) -> bool:
        return bool(self.program.status()["condition"]["state"] == "up")

    def reaches_native(self) -> bool:
        return ping(self.host, self.world.native.ipv6, 1) == 1

    def answers(self) -> list[str]:
        """What ping says of each answer to a hundred requests."""
        words = ["ping", "-6", "-n", "-c", "100", "-i", "0.1", "-W", "1", str(self.world.native.ipv6)]
        return [line for line in self.host.run(words, check=False).stdout.splitlines() if "bytes from" in line]

    def addresses(self) -> list[IPv6Address]:
        """The global addresses on the device, however they came there."""
        said = self.host.run(["ip", "-6", "-o", "address", "show", "dev", "tm-home", "scope", "global"], check=False).stdout
        return [IPv6Address(line.split()[3].partition("/")[0]) for line in said.splitlines()]

    def replaces(self, old: IPv6Address, timeout: float = CHANGE_TIMEOUT) -> None:
        """Wait until packets flow from another address than `old`, and from no second one."""
        wait_for("another address", lambda: any(address != old for address in self.addresses()) or None, timeout)
        wait_for("the end of the old address", lambda: old not in self.addresses() or None, OVERLAP_TIMEOUT)
        wait_for("packets", lambda: self.reaches_native() or None, timeout)
        assert self.addresses() == [self.program.address()]


@pytest.fixture
def build(lab_name: Callable[[], str], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Home]]:
    """Return what builds a home behind a NAT of a kind and brings it up; its parameter is the link to the world."""
    built: list[Home] = []

    with teredo_internet(lab_name(), tmp_path, link=getattr(request, "param", Link())) as world:

        def up(nat: NatKind = NatKind.PORT_RESTRICTED, *servers: str, environment: Mapping[str, str] = {}) -> Home:
            if nat.nat is not None and nat.nat != world.home.nat:
                world.home.change_nat(nat.nat)
            home = Home(world, tmp_path, *(servers or ["teredo.example.net"]))
            home.program.environment |= environment
            built.append(home)
            home.program.up()
            return home

        yield up
        for home in built:
            home.program.run("down", "home")
            assert home.program.traces() == []


@pytest.mark.requirement("T-MA-009", "T-CL-022")
def test_udp_that_is_blocked_and_passes_again(build: Callable[..., Home]) -> None:
    home = build()
    home.world.home.change_nat(Nat(passes_udp=False))
    wait_for("the loss", lambda: not home.is_up() or None, LOSS_TIMEOUT)
    assert home.addresses() == []
    home.world.home.change_nat(Nat())
    wait_for("the return", lambda: home.is_up() or None, RETURN_TIMEOUT)
    assert home.reaches_native()


@pytest.mark.requirement("T-MA-009", "T-CL-022", "T-CL-023")
def test_a_server_that_dies_and_returns(build: Callable[..., Home]) -> None:
    home = build()
    home.world.server.stop()
    wait_for("the loss", lambda: not home.is_up() or None, LOSS_TIMEOUT)
    assert home.addresses() == []
    home.world.server.start()
    wait_for("the return", lambda: home.is_up() or None, RETURN_TIMEOUT)
    assert home.reaches_native()


@pytest.mark.requirement("T-CL-022", "T-CL-029")
def test_a_server_that_dies_is_replaced_by_the_second(build: Callable[..., Home], tmp_path: Path) -> None:
    home = build(NatKind.PORT_RESTRICTED, "192.0.2.65", "192.0.2.1")
    assert home.program.tunnel()["facts"]["server"] == "192.0.2.1", "nobody is at the first address yet"
    old = home.program.address()
    other = home.world.internet.host("server2", "192.0.2.65", "192.0.2.66", "2001:db8:1::65")
    MiredoServer(other, folder=tmp_path).start()
    home.world.server.stop()
    home.replaces(old, LOSS_TIMEOUT)
    assert home.program.tunnel()["facts"]["server"] == "192.0.2.65"


@pytest.mark.requirement("T-CL-020")
def test_a_second_address_that_is_dead_costs_the_name_of_the_nat_and_nothing_else(
    lab_name: Callable[[], str], tmp_path: Path
) -> None:
    with teredo_internet(lab_name(), tmp_path) as world:
        world.server.host.run(["nft", "add table inet dead; add chain inet dead in { type filter hook input priority 0; }"])
        world.server.host.run(["nft", "add rule inet dead in ip daddr 192.0.2.2 drop"])
        home = Home(world, tmp_path, "teredo.example.net")
        home.program.up()
        assert home.program.tunnel()["facts"]["nat"] == "unknown"
        assert home.reaches_native()
        home.program.run("down", "home")
        assert home.program.traces() == []


@pytest.mark.requirement("T-MA-008")
def test_thirty_percent_loss_and_duplicates(build: Callable[..., Home]) -> None:
    home = build()
    assert home.reaches_native(), "first contact has three times as many packets to lose; it is the simulation's, too"
    address = home.program.address()
    home.world.home.router.run(["nft", "-f", "-"], stdin=MISFORTUNE)
    answers = home.answers()
    assert any("DUP!" in line for line in answers)
    assert 20 < sum("DUP!" not in line for line in answers) < 75, "half of them go or come to nothing"
    assert home.addresses() == [address]
    home.world.home.router.run(["nft", "delete", "table", "ip", "misfortune"])
    wait_for("packets", lambda: home.reaches_native() or None, RETURN_TIMEOUT)
    assert ping(home.host, home.world.native.ipv6, 20) == 20


@pytest.mark.requirement("T-MA-008")
@pytest.mark.parametrize("build", [REORDERING], indirect=True, ids=["late"])
def test_thirty_percent_of_reordering(build: Callable[..., Home]) -> None:
    home = build()
    address = home.program.address()
    arrived = [int(line.partition("icmp_seq=")[2].split()[0]) for line in home.answers()]
    assert sorted(arrived) == list(range(1, 101)), "each once"
    overtaken = sum(number < max(arrived[:place]) for place, number in enumerate(arrived) if place)
    assert 20 < overtaken < 70, "half of them are late on the way there or back, or twice"
    assert home.addresses() == [address]


@pytest.mark.requirement("T-MA-001")
def test_a_nat_that_forgets_its_mappings_is_reminded_by_the_refresh(build: Callable[..., Home]) -> None:
    home = build()
    address = home.program.address()
    home.world.home.forget_mappings()
    # Nothing that called before: a relay believes for 30 s that it knows the way (RFC 4380 section 5.4.1).
    wait_for("a call from outside", lambda: ping(home.world.native, address, 1) or None, CHANGE_TIMEOUT)


@pytest.mark.requirement("T-MA-005", "T-MA-006", "T-MA-007", "T-CL-032")
def test_a_nat_that_changes_the_mapping_under_load(build: Callable[..., Home]) -> None:
    home = build(NatKind.SYMMETRIC)
    load = home.host.popen(["sh", "-c", f"while :; do ping -6 -n -c 20 -i 0.01 -W 1 {home.world.native.ipv6}; done"])
    wait_for("packets", lambda: home.reaches_native() or None)
    old = home.program.address()
    home.world.home.forget_mappings()
    home.replaces(old)
    home.host.stop(load)


@pytest.mark.requirement("T-CL-030", "T-MA-006")
def test_another_local_address(build: Callable[..., Home]) -> None:
    home = build()
    old = home.program.address()
    home.host.run(
        ["ip", "-batch", "-"],
        stdin="address flush dev eth0\naddress add 192.168.1.77/24 dev eth0\nroute add default via 192.168.1.1\n",
    )
    home.replaces(old)
    assert home.program.tunnel()["facts"]["local"].startswith("192.168.1.77:")


@pytest.mark.requirement("T-CL-030", "T-MA-005", "T-MA-006")
def test_a_default_route_that_moves_to_another_interface(build: Callable[..., Home]) -> None:
    home = build()
    old = home.program.address()
    other = home.world.internet.site("mobile", NatKind.PORT_RESTRICTED)
    other.router.run(["ip", "link", "add", "to-home", "type", "veth", "peer", "name", "wwan0", "netns", home.host.namespace])
    other.router.run(["ip", "link", "set", "to-home", "master", "lan", "up"])
    # Both networks have the same prefix, as any two homes have; the route names the interface.
    home.host.run(
        ["ip", "-batch", "-"],
        stdin=(
            "link set wwan0 up\naddress add 192.168.1.50/24 dev wwan0 noprefixroute\n"
            "route replace default via 192.168.1.1 dev wwan0 onlink src 192.168.1.50\n"
        ),
    )
    home.replaces(old)
    assert home.program.tunnel()["facts"]["mapped"].startswith(f"{other.address}:")


@pytest.mark.requirement("T-CL-030", "T-MA-011")
def test_a_process_that_did_not_run_for_a_while(build: Callable[..., Home]) -> None:
    """As far as a namespace can be suspended: the process is, for longer than three refreshes."""
    home = build()
    address = home.program.address()
    pid = home.program.status()["pid"]
    os.kill(pid, signal.SIGSTOP)
    time.sleep(16)  # not a wait for something: the silence is what is tested
    os.kill(pid, signal.SIGCONT)
    wait_for("packets", lambda: home.reaches_native() or None, CHANGE_TIMEOUT)
    assert home.addresses() == [address]


@pytest.mark.requirement("T-MA-011")
def test_a_wall_clock_that_jumps_by_a_day_forward_and_back(wall_clock: WallClock, build: Callable[..., Home]) -> None:
    began = time.monotonic()
    home = build(environment=wall_clock.environment)
    address = home.program.address()
    assert wall_clock.is_shown_to(home.program.status()["pid"])
    for offset in (DAY, 0, -DAY):
        wall_clock.jump_to(offset)
        shown = float(home.host.run(["date", "+%s"], environment=wall_clock.environment).stdout)
        assert abs(shown - time.time() - offset) < DAY / 2
        assert ping(home.host, home.world.native.ipv6, 60) == 60, "for longer than a refresh interval"
        status = home.program.status()
        peers = status["running"]["tunnel"]["peers"]
        ages = [status["since"], *(peer[age] for peer in peers for age in ("last_received", "last_sent"))]
        assert len(ages) == 3
        assert all(0 <= age <= time.monotonic() - began for age in ages)
        assert (status["condition"]["state"], status["running"]["tunnel"]["state"]) == ("up", "qualified")
        assert home.addresses() == [address]
    assert status["since"] > 3 * 59 * 0.1, "it was up all the time"
