"""`network: {dns: true}`: the broker's resolvers are handed to the real resolvconf and openresolv, and taken back."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.netns.conftest import peers_needed
from tests.netns.program import Tunnelmgr
from tests.peers.resolvconf import HostWithResolvconf
from tests.peers.tsp_internet import ANONYMOUS, BROKER, TspInternet, tsp_internet
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr.lab.waiting import wait_for

RESOLVER = "2001:db8:6::53"
ASKS = f"{ANONYMOUS}network: {{dns: true}}\n"


@pytest.fixture
def far_end(lab_name: Callable[[], str], tmp_path: Path) -> Iterator[TspInternet]:
    with tsp_internet(lab_name(), tmp_path, f"{BROKER}  dns: [{RESOLVER}]\n") as internet:
        yield internet


@pytest.fixture(params=["resolvconf", "openresolv"])
def home(request: pytest.FixtureRequest, far_end: TspInternet, tmp_path: Path) -> Iterator[Tunnelmgr]:
    inside = far_end.internet.site("home", NatKind.PORT_RESTRICTED).inside
    with peers_needed():
        host = HostWithResolvconf(inside, request.param, tmp_path)
    tunnelmgr = Tunnelmgr(host, tmp_path, ASKS)
    yield tunnelmgr
    tunnelmgr.run("down", "home", check=False)
    assert tunnelmgr.traces() == []


def records(tunnelmgr: Tunnelmgr) -> str:
    """What the helper says it was told."""
    return tunnelmgr.host.run(["resolvconf", "-l"], check=False).stdout


def resolv_conf(tunnelmgr: Tunnelmgr) -> list[str]:
    """The resolvers that programs on the host read, as the tunnel's own process sees the file."""
    pid = str(tunnelmgr.status()["pid"])
    text = tunnelmgr.host.run(["nsenter", "-t", pid, "-m", "cat", "/etc/resolv.conf"]).stdout
    return [line.split()[1] for line in text.splitlines() if line.startswith("nameserver")]


def test_names_are_asked_of_the_broker_s_resolver_while_the_tunnel_is_up(home: Tunnelmgr) -> None:
    home.up()
    assert resolv_conf(home)[0] == RESOLVER
    assert home.running()["resolvers"] == [RESOLVER]
    assert RESOLVER in records(home)
    home.run("down", "home")
    assert RESOLVER not in records(home)


def test_what_a_killed_process_said_is_taken_back_by_the_next_start_and_by_cleanup(home: Tunnelmgr) -> None:
    for last in ("up", "cleanup"):
        home.up()
        home.host.run(["kill", f"-{signal.SIGKILL.value}", str(home.status()["pid"])])
        assert RESOLVER in records(home)
        if last == "up":
            home.write_profile("home", ANONYMOUS)
        home.run(last, *([home.profile] if last == "up" else []))
        assert RESOLVER not in records(home)
        home.run("down", "home", check=False)
        home.write_profile("home", ASKS)


def test_nobody_to_mind_resolvers_is_a_warning(far_end: TspInternet, tmp_path: Path) -> None:
    client = Tunnelmgr(far_end.internet.host("bare", "203.0.113.65"), tmp_path, ASKS)
    story = client.up()
    assert any(f"resolvers of the far end ({RESOLVER}) are not used" in line for line in story)
    assert "/etc/resolv.conf" in client.run("status", "home").stdout
    client.run("down", "home")
    assert client.traces() == []


def test_a_resolv_conf_that_somebody_rewrites_names_it_again(home: Tunnelmgr) -> None:
    home.up()
    pid = str(home.status()["pid"])
    home.host.run(["nsenter", "-t", pid, "-m", "sh", "-c", "echo nameserver 192.0.2.99 > /etc/resolv.conf"])
    wait_for("the resolver", lambda: RESOLVER in resolv_conf(home) or None, 15)
    assert f"the resolvers {RESOLVER} in resolvconf" in home.running()["taken_away"]
    home.run("down", "home")
