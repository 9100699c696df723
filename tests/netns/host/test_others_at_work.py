"""What else happens to a host under a running tunnel: the device, the uplink, the clock, the disk and the process itself."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.host.test_others import SOON, do, symptom
from tests.netns.program import HOME, Tunnelmgr, ping
from tests.peers.teredo_internet import TeredoInternet
from tunnelmgr.lab.waiting import wait_for


@pytest.fixture
def home(far_end: TeredoInternet, tmp_path: Path) -> Iterator[Tunnelmgr]:
    tunnelmgr = Tunnelmgr(far_end.home.inside, tmp_path)
    tunnelmgr.up()
    yield tunnelmgr
    tunnelmgr.run("down", "home")
    assert tunnelmgr.traces() == []


def carries(far_end: TeredoInternet, home: Tunnelmgr, within: float = SOON) -> None:
    """Wait until packets go both ways through a tunnel that is up."""

    def answered() -> bool:
        return home.status()["condition"]["state"] == "up" and bool(ping(far_end.native, home.address(), 1))

    wait_for("packets", lambda: answered() or None, within)


def uplink(home: Tunnelmgr) -> str:
    """The interface of the IPv4 default route."""
    return do(home, "ip -4 route show default").split(" dev ")[1].split()[0]


def test_a_renamed_uplink_changes_nothing(far_end: TeredoInternet, home: Tunnelmgr) -> None:
    name = uplink(home)
    do(home, f"ip link property add dev {name} altname kept; ip link set {name} name renamed0 || true")
    if "renamed0" not in do(home, "ip -o link"):  # kernels before 6.2 want it down for that
        route = do(home, "ip -4 route show default").strip()
        do(home, f"ip link set {name} down; ip link set {name} name renamed0; ip link set renamed0 up")
        do(home, f"ip route add {route.replace(name, 'renamed0')}")
    assert uplink(home) == "renamed0"
    carries(far_end, home, 60)


def test_an_address_that_changes_makes_another_tunnel_address(far_end: TeredoInternet, home: Tunnelmgr) -> None:
    name = uplink(home)
    route = do(home, "ip -4 route show default").strip()
    do(home, f"ip -4 address flush dev {name}; ip address add 192.168.1.77/24 dev {name}; ip route add {route}")
    carries(far_end, home, 60)


def test_an_uplink_that_is_replaced_carries_on(far_end: TeredoInternet, home: Tunnelmgr) -> None:
    name, router = uplink(home), far_end.home.router
    route = do(home, "ip -4 route show default").strip()
    do(home, f"ip link set {name} down")
    home.host.run(["ip", "link", "add", "spare0", "type", "veth", "peer", "name", "spare", "netns", router.namespace])
    router.run(["ip", "link", "set", "spare", "master", "lan", "up"])
    do(home, "ip link set spare0 up; ip address add 192.168.1.78/24 dev spare0")
    do(home, f"ip route add {route.replace(name, 'spare0')}")
    carries(far_end, home, 60)


def test_a_firewall_that_starts_and_stops_leaves_ours_alone(far_end: TeredoInternet, home: Tunnelmgr) -> None:
    ours = do(home, "nft --stateless list table ip6 tunnelmgr_home")
    chain = "{ type filter hook forward priority 0; policy drop; }"
    do(home, f"nft add table inet theirs; nft 'add chain inet theirs forward {chain}'")
    carries(far_end, home)
    do(home, "nft delete table inet theirs")
    carries(far_end, home)
    assert do(home, "nft --stateless list table ip6 tunnelmgr_home") == ours
    assert symptom(home, "TM-H015") == "", "what is not ours is not our affair"


def test_a_stopped_process_goes_on_where_it_was(far_end: TeredoInternet, home: Tunnelmgr) -> None:
    pid = home.status()["pid"]
    os.kill(pid, signal.SIGSTOP)
    do(home, "ip -6 route del default; nft flush ruleset; sleep 3")
    os.kill(pid, signal.SIGCONT)
    wait_for("the table", lambda: "tunnelmgr_home" in do(home, "nft list tables") or None, SOON)
    carries(far_end, home, 60)
    assert "nft table ip6 tunnelmgr_home" in symptom(home, "TM-H015")


def test_a_full_disk_keeps_nothing_from_being_put_back(far_end: TeredoInternet, tmp_path: Path) -> None:
    home = Tunnelmgr(far_end.home.inside, tmp_path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", home.runtime_dir], check=True)
    try:
        home.up()
        (home.runtime_dir / "filler").write_bytes(bytes(4096 * free_pages(home.runtime_dir)))
        do(home, "ip -6 route del default; nft flush ruleset")
        wait_for("the table", lambda: "tunnelmgr_home" in do(home, "nft list tables") or None, SOON)
        carries(far_end, home)
        home.run("down", "home")
        assert home.traces() == []
    finally:
        subprocess.run(["umount", "-l", home.runtime_dir], check=True)


def free_pages(folder: Path) -> int:
    return os.statvfs(folder).f_bavail


def test_of_two_tunnels_one_has_the_default_route_and_the_other_says_which(far_end: TeredoInternet, home: Tunnelmgr) -> None:
    work = home.write_profile("work", HOME.replace("name: home", "name: work"))
    said = home.run("up", work).stderr
    assert "no default route (tm-home has it)" in said
    assert (home.running("work")["default_route"], home.running("work")["way_out"]) == (False, "tm-home")
    assert home.running()["default_route"] is True
    assert "not through this tunnel but through tm-home" in home.run("status", "work").stdout
    home.run("down", "work")
    carries(far_end, home)
