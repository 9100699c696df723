"""What others do to a host under a running tunnel: it is put back, said, and nothing gets in meanwhile."""

import json
import sys
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from tests.netns.host.test_inbound import PORT, connects, listen
from tests.netns.program import Tunnelmgr, ping
from tests.peers.teredo_internet import TeredoInternet
from tunnelmgr.lab.namespaces import Host
from tunnelmgr.lab.waiting import wait_for

SOON = 15.0  # seconds; three times what docs/others.md says
KNOCK = f"""
import socket, sys, time
end, opened = time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < end:
    try:
        socket.create_connection((sys.argv[1], {PORT}), timeout=0.1).close()
        opened += 1
    except OSError:
        time.sleep(0.01)
print(opened)
"""


@pytest.fixture
def home(far_end: TeredoInternet, tmp_path: Path) -> Iterator[Tunnelmgr]:
    tunnelmgr = Tunnelmgr(far_end.home.inside, tmp_path)
    tunnelmgr.up()
    yield tunnelmgr
    tunnelmgr.run("down", "home")
    assert tunnelmgr.traces() == []


def do(home: Tunnelmgr, command: str) -> str:
    """Run the words of an administrator."""
    return home.host.run(["sh", "-c", command]).stdout


def symptom(home: Tunnelmgr, code: str) -> str:
    """Text and hint of a symptom; empty without it."""
    [profile] = json.loads(home.run("status", "home", "--json", check=False).stdout)["data"]["profiles"]
    return "".join(f"{one['text']}; {one['hint']}" for one in profile["symptoms"] if one["code"] == code)


def knock(client: Host, server: IPv6Address, seconds: float) -> int:
    """Try again and again to connect, and return how often that succeeded."""
    words = [sys.executable, "-c", KNOCK, str(server), str(seconds)]
    return int(client.run(words, timeout=seconds + 20).stdout)


def test_no_port_opens_when_somebody_flushes_the_ruleset(far_end: TeredoInternet, home: Tunnelmgr) -> None:
    listen(home.host)
    address = home.address()
    assert not connects(far_end.native, address, within=2)
    home.host.popen(["sh", "-c", "for i in 1 2 3; do sleep 1; nft flush ruleset; done"])
    assert knock(far_end.native, address, 5) == 0
    assert "tunnelmgr_home" in do(home, "nft list tables")
    said = symptom(home, "TM-H015")
    assert "nft table ip6 tunnelmgr_home" in said
    assert "3 times" in said
    assert "the kernel names nft, process" in said
    assert wait_for("packets", lambda: ping(far_end.native, address, 1) or None, 10)


def last_handle(home: Tunnelmgr) -> str:
    return do(home, "nft -a list chain ip6 tunnelmgr_home input").split("# handle ")[-1].split()[0]


def owned(home: Tunnelmgr) -> dict[str, str]:
    """All of ours on this host that iproute2, nft and /proc show."""
    shown = {
        "tables": "nft --stateless list ruleset",
        "rules": "ip -6 rule | sed '/^0:/d; /^32766:/d'",
        "routes": "ip -6 route show table all proto 116",
        "addresses": "ip -6 -o address show dev tm-home",
        "link": "ip -o link show dev tm-home | sed 's/^[0-9]*//'",
        # There are none while the MTU is too small for IPv6.
        "switches": "grep . /proc/sys/net/ipv6/conf/tm-home/{accept_ra,disable_ipv6,autoconf} || true",
    }
    return {name: home.host.run(["bash", "-c", command]).stdout for name, command in shown.items()}


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ("nft flush ruleset", "nft table ip6 tunnelmgr_home"),
        ("nft delete table ip6 tunnelmgr_home", "nft table ip6 tunnelmgr_home"),
        ("nft delete rule ip6 tunnelmgr_home input handle {handle}", "nft table ip6 tunnelmgr_home"),
        ("nft flush chain ip6 tunnelmgr_home input", "nft table ip6 tunnelmgr_home"),
        ("ip -6 rule del priority 7201", "ip -6 rule from {address}/128 lookup"),
        ("ip -6 rule flush; ip -6 rule add priority 32766 lookup main", "ip -6 rule from {address}/128 lookup main"),
        ("ip -6 route flush table {table}", "ip -6 route default dev tm-home"),
        ("ip -6 route del default", "ip -6 route default dev tm-home"),
        ("ip -6 address flush dev tm-home", "ip -6 address {address}/"),
        ("ip link set tm-home down", "ip link dev tm-home up"),
        ("ip link set tm-home mtu 1400", "ip link dev tm-home mtu 1280"),
        ("ip link set tm-home mtu 1000", "ip link dev tm-home mtu 1280"),
        ("sysctl -qw net.ipv6.conf.tm-home.disable_ipv6=1", "sysctl net/ipv6/conf/tm-home/disable_ipv6=0"),
        ("sysctl -qw net.ipv6.conf.tm-home.accept_ra=2", "sysctl net/ipv6/conf/tm-home/accept_ra=0"),
    ],
)
def test_what_others_take_away_is_back_within_seconds(
    far_end: TeredoInternet, home: Tunnelmgr, done: str, said: str
) -> None:
    before, address = owned(home), home.address()
    table = next(word for word in before["rules"].split() if word.isdigit() and len(word) > 5)
    words = {"handle": last_handle(home), "address": str(address), "table": table}
    do(home, done.format_map(words))
    wait_for("everything back", lambda: (owned(home) == before and symptom(home, "TM-H015")) or None, SOON)
    assert said.format_map(words) in symptom(home, "TM-H015")
    wait_for("packets", lambda: ping(far_end.native, address, 1) or None, SOON)
    assert home.status()["condition"]["state"] == "up"
