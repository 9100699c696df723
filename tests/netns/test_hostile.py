"""Peers that say what they should not, against the real processes: this host stays what it was.

home (NAT 203.0.113.1; 2001:db8:77::5/64 of its own) --- backbone --- 192.0.2.33   everybody hostile, python -m tests.hostile
"""

import os
import re
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.hostile import ports, tsp
from tests.netns.program import Tunnelmgr
from tunnelmgr.lab.namespaces import Host, NamespaceInternet
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr.lab.waiting import wait_for

ADDRESS = "192.0.2.33"
ROOT = Path(__file__).resolve().parents[2]
SEED = os.environ.get("HOSTILE_SEED", "1")
PROFILE = """\
name: home
method: {type: tsp, broker: [%s], signalling: udp, tunnel: v6udpv4}
network: {dns: true, default_route: if-no-native}
detect: {stun: ["192.0.2.33"]}
"""
KNOWN_ENDS = {0, 1, 69, 75, 76, 77}
LOOKS = (
    ["nft", "list", "ruleset"],
    ["ip", "-6", "-o", "address"],
    ["ip", "-6", "route", "show", "table", "all"],
    ["ip", "-6", "rule"],
    ["ip", "-6", "neighbour", "show", "proxy"],
    ["sysctl", "-a", "--pattern", "net.ipv6.conf.(all|default|lan0).(forwarding|accept_ra|disable_ipv6)"],
    ["cat", "/etc/resolv.conf", "/etc/hosts"],
)


@pytest.fixture
def home(internet: NamespaceInternet, tmp_path: Path) -> Iterator[Tunnelmgr]:
    hostile = internet.host("hostile", ADDRESS)
    words = [sys.executable, "-m", "tests.hostile", ADDRESS, SEED]
    hostile.popen(words, environment={"PYTHONPATH": str(ROOT)}, output=tmp_path / "hostile.log")
    wait_for("the hostile peers", lambda: f":{ports.STUN}" in hostile.run(["ss", "-lun"]).stdout or None)
    site = internet.site("home", NatKind.PORT_RESTRICTED)
    made = Tunnelmgr(site.inside, tmp_path)
    for words in (["ip", "link", "add", "own", "type", "veth", "peer", "name", "own1"], ["ip", "link", "set", "own", "up"]):
        site.inside.run(words)
    site.inside.run(["ip", "-6", "address", "add", "2001:db8:77::5/64", "dev", "own", "nodad"])
    yield made
    assert made.traces() == []


def state(host: Host) -> list[str]:
    """Return all that no far end may change, and what ours is meant to."""
    return [line for words in LOOKS for line in host.run(words, check=False).stdout.splitlines()]


def meet(home: Tunnelmgr, *broker_ports: int, timeout: int = 3) -> tuple[list[str], str]:
    """Try brokers once; return what the kernel told of addresses, routes and rules meanwhile, and what was said.

    Afterwards all is as it was before.
    """
    text = PROFILE % ", ".join(f'"{ADDRESS}:{port}"' for port in broker_ports)
    profile = home.write_profile("home", text)
    before, told = state(home.host), home.folder / "monitor"
    told.unlink(missing_ok=True)
    watching = home.host.popen(["ip", "-6", "-o", "monitor", "address", "route", "rule"], output=told)
    ended = home.run("up", profile, "--timeout", str(timeout), check=False, timeout=timeout + 30)
    home.run("down", "home", check=False)
    home.host.stop(watching)
    assert ended.returncode in KNOWN_ENDS, ended.stderr
    assert "Traceback" not in ended.stderr
    assert all(line.isprintable() for line in (ended.stderr + ended.stdout).split("\n")), ended.stderr
    assert state(home.host) == before
    return told.read_text().splitlines(), ended.stderr


def foreign(told: list[str]) -> list[str]:
    """Return those lines that name more than the bare device."""
    return [line for line in told if "tm-home" not in line or re.search(r"\b(2[0-9a-f]{3}|f[cd][0-9a-f]{2}):", line)]


def test_no_offer_beyond_what_was_asked_for_touches_the_host(home: Tunnelmgr) -> None:
    refused = [ports.REFUSED + number for number, _ in enumerate(tsp.answers(IPv4Address(ADDRESS)))]
    for start in range(0, len(refused), 16):
        told, said = meet(home, *refused[start : start + 16])
        assert foreign(told) == [], said


@pytest.mark.parametrize("number", range(len(tsp.HELD)))
def test_what_this_host_has_elsewhere_stays_its_own(home: Tunnelmgr, number: int) -> None:
    told, said = meet(home, ports.HELD + number)
    assert foreign(told) == []
    assert "but this host has 2001:db8:77::5/64 of own" in said
    assert f"broker {ADDRESS}:{ports.HELD + number}" in said


def test_of_an_offer_with_oddities_only_the_sane_part_is_taken(home: Tunnelmgr) -> None:
    for number in range(len(tsp.TAKEN_IN_PART)):
        told, said = meet(home, ports.PART + number, timeout=2)
        assert any("2001:db8:1::2" in line for line in told), said
        evil = ("4860", "ff02::1", "169.254", "::53", "127.0.0.1")
        assert [line for line in told if any(word in line for word in evil)] == [], said


def test_damaged_offers_change_nothing_that_is_not_the_tunnels(home: Tunnelmgr) -> None:
    for start in range(0, ports.MUTANTS_NUMBER, 10):
        meet(home, *range(ports.MUTANTS + start, ports.MUTANTS + start + 10))


def test_lies_about_where_we_are_are_not_believed(home: Tunnelmgr) -> None:
    home.write_profile("home", PROFILE % f'"{ADDRESS}"')
    before = state(home.host)
    for _ in range(3):
        ended = home.run("detect", home.profile, "--explain", check=False)
        assert ended.returncode in KNOWN_ENDS, ended.stderr
        assert all(line.isprintable() for line in (ended.stderr + ended.stdout).split("\n"))
        assert "sees us as 127.0.0.1" not in ended.stdout.replace("claims to see", "")
    assert state(home.host) == before
