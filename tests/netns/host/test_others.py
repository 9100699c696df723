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
