"""The inbound firewall stands from the first packet: nobody outside begins a conversation unless the profile says so."""

import sys
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from tests.netns.program import HOME, Tunnelmgr, ping
from tests.peers.teredo_internet import TeredoInternet
from tunnelmgr.lab.namespaces import Host
from tunnelmgr.lab.waiting import wait_for

PORT = 8080
CONNECT = f"import socket, sys; socket.create_connection((sys.argv[1], {PORT}), timeout=float(sys.argv[2])).close()"


def listen(host: Host) -> None:
    """Serve HTTP on every address of a host."""
    host.popen([sys.executable, "-m", "http.server", str(PORT), "--bind", "::"])
    wait_for("http server", lambda: f":{PORT}" in host.run(["ss", "-ltn"]).stdout or None)


def connects(client: Host, server: IPv6Address, *, within: float) -> bool:
    return client.run([sys.executable, "-c", CONNECT, str(server), str(within)], check=False).returncode == 0


@pytest.mark.requirement("T-SE-004")
def test_a_port_is_closed_from_outside_while_answers_and_echo_pass(far_end: TeredoInternet, tmp_path: Path) -> None:
    home = Tunnelmgr(far_end.home.inside, tmp_path)
    listen(home.host)
    home.up()
    address = home.address()
    assert ping(far_end.native, address, 3) == 3, "the path itself works, and echo requests pass"
    assert not connects(far_end.native, address, within=3)
    assert connects(home.host, address, within=5), "the host reaches itself"
    listen(far_end.native)
    assert connects(home.host, far_end.native.ipv6, within=5), "answers come in"
    home.run("down", "home")


def test_the_same_port_is_open_when_the_profile_says_so(far_end: TeredoInternet, tmp_path: Path) -> None:
    home = Tunnelmgr(far_end.home.inside, tmp_path, HOME + "firewall: {inbound: open}\n")
    listen(home.host)
    story = home.up()
    assert any("inbound open" in line for line in story)
    assert connects(far_end.native, home.address(), within=10)
    home.run("down", "home")


@pytest.mark.requirement("T-SE-004")
def test_the_table_stands_before_there_is_an_address(far_end: TeredoInternet, tmp_path: Path) -> None:
    """A server that is silent makes the gap between the two as long as we like."""
    home = Tunnelmgr(far_end.home.inside, tmp_path)
    far_end.server.stop()
    home.start("up", "-f", home.profile)
    wait_for("the table", lambda: "tunnelmgr_home" in home.host.run(["nft", "list", "tables"]).stdout or None)
    assert "global" not in home.host.run(["ip", "-6", "address", "show", "dev", "tm-home"]).stdout
    far_end.server.start()
    wait_for(
        "the address",
        lambda: "global" in home.host.run(["ip", "-6", "address", "show", "dev", "tm-home"]).stdout or None,
        60,
    )
    journal = (home.runtime_dir / "home.journal").read_text()
    steps = [journal.index(f'{{"{item}":') for item in ("table", "linkup", "address")]
    assert steps == sorted(steps)
    home.run("down", "home")
    assert home.traces() == []
