"""What changes under a TSP tunnel (the broker restarts, the NAT forgets, the address is another one): it comes back."""

import signal
from pathlib import Path

import pytest

from tests.netns.program import Tunnelmgr, ping
from tests.peers.tsp_internet import ACCOUNT, PASSWORD, TspInternet, assert_carries, write_secret
from tunnelmgr.lab.namespaces import Site
from tunnelmgr.lab.waiting import wait_for

WATCHED = f"{ACCOUNT}  keepalive: 10\n"
BACK = 90.0  # seconds; three keepalives at 10 s and the first try after them take half of it


@pytest.fixture
def profile() -> str:
    return WATCHED


def endpoint(far_end: TspInternet) -> str:
    """Where the broker sends a user's packets."""
    [peer] = far_end.broker.tunnel("broker")["peers"]
    return str(peer["endpoint"])


def wait_until_it_carries(far_end: TspInternet, client: Tunnelmgr) -> None:
    wait_for("packets again", lambda: ping(client.host, far_end.native.ipv6, 1) or None, timeout=BACK)


@pytest.mark.parametrize("ending", ["down", "kill"])
def test_a_broker_comes_back_with_the_same_leases_and_its_client_by_itself(
    far_end: TspInternet, home: Tunnelmgr, ending: str, iperf3: str
) -> None:
    home.up()
    address, prefix = home.address(), home.tunnel()["facts"]["prefix"]
    if ending == "down":
        far_end.broker.run("down", "broker")
    else:
        far_end.broker.host.run(["kill", f"-{signal.SIGKILL.value}", str(far_end.broker.status("broker")["pid"])])
    far_end.broker.up()
    assert ping(home.host, far_end.native.ipv6, 1) == 0
    wait_until_it_carries(far_end, home)
    assert (home.address(), home.tunnel()["facts"]["prefix"]) == (address, prefix)
    assert_carries(far_end, home)


@pytest.mark.requirement("TSP-20")
def test_behind_a_nat_that_changed_a_tunnel_moves_by_a_new_session_only(
    far_end: TspInternet, site: Site, home: Tunnelmgr, iperf3: str
) -> None:
    home.up()
    address, before = home.address(), endpoint(far_end)
    site.move(site.address + 100)
    assert ping(home.host, far_end.native.ipv6, 3) == 0
    assert endpoint(far_end) == before, "packets came from elsewhere, and that is not enough"
    wait_until_it_carries(far_end, home)
    assert endpoint(far_end).startswith(f"{site.address}:")
    assert far_end.broker.tunnel("broker")["counters"]["tunnels-set-up"] == 2
    assert home.address() == address
    assert_carries(far_end, home)


def test_with_another_address_of_its_own_a_client_is_back_at_once(far_end: TspInternet, tmp_path: Path, iperf3: str) -> None:
    client = Tunnelmgr(far_end.internet.host("open", "203.0.113.65"), tmp_path, ACCOUNT)
    write_secret(client, "password", f"{PASSWORD}\n")
    client.up()
    address = client.address()
    far_end.internet.backbone.run(["ip", "route", "add", "203.0.113.66/32", "dev", "open"])
    client.host.run(["ip", "address", "add", "203.0.113.66/32", "dev", "eth0"])
    client.host.run(["ip", "address", "delete", "203.0.113.65/32", "dev", "eth0"])
    client.host.run(["ip", "route", "replace", "default", "via", "192.0.2.254", "dev", "eth0", "onlink"])
    wait_until_it_carries(far_end, client)
    assert (client.address(), endpoint(far_end)) == (address, "203.0.113.66:0")
    assert_carries(far_end, client)
    client.run("down", "home")
    assert client.traces() == []
