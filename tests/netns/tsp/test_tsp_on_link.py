"""A TSP broker on a server that has one /64 and nothing routed to it: `prefix: on-link`.

The router of its link (the backbone) has the /64 on-link, and asks for the neighbour it has a packet for.
"""

import signal
from ipaddress import IPv6Address, IPv6Network

import pytest

from tests.netns.program import Tunnelmgr, ping
from tests.peers.tsp_internet import (
    ACCOUNT,
    ANONYMOUS,
    BROKER,
    PASSWORD,
    TspInternet,
    assert_carries,
    write_secret,
)
from tunnelmgr.lab.namespaces import Host
from tunnelmgr.lab.waiting import wait_for

ON_LINK = BROKER.replace("prefix: 2001:db8:100::/40", "prefix: on-link")
OPEN = f"{ANONYMOUS}firewall: {{inbound: open}}\n"
LINK = IPv6Network("2001:db8:7::/64")


@pytest.fixture
def broker_profile() -> str:
    return ON_LINK


@pytest.fixture
def profile() -> str:
    return OPEN


def answered_for(host: Host) -> list[str]:
    return [line.split()[0] for line in host.run(["ip", "-6", "neighbour", "show", "proxy"]).stdout.splitlines()]


def wait_until_answered_for(host: Host, *addresses: IPv6Address) -> None:
    wait_for("neighbours", lambda: answered_for(host) == [str(address) for address in addresses] or None)


def test_a_client_has_an_address_of_the_broker_s_own_link(far_end: TspInternet, home: Tunnelmgr, iperf3: str) -> None:
    home.up()
    assert home.address() in LINK
    wait_until_answered_for(far_end.broker.host, home.address())
    assert_carries(far_end, home)
    assert ping(far_end.native, home.address(), 5) == 5
    # The router itself is a native host on that link.
    assert ping(far_end.internet.backbone, home.address(), 5) == 5


def test_a_client_that_went_is_answered_for_no_more(far_end: TspInternet, home: Tunnelmgr) -> None:
    home.write_profile("home", ACCOUNT.replace("prefix_length: 56", "delete_on_stop: true"))
    write_secret(home, "password", PASSWORD)
    home.up()
    wait_until_answered_for(far_end.broker.host, home.address())
    home.run("down", "home")
    wait_until_answered_for(far_end.broker.host)


def test_a_killed_broker_s_neighbours_are_taken_back_by_cleanup(far_end: TspInternet, home: Tunnelmgr) -> None:
    home.up()
    broker = far_end.broker
    wait_until_answered_for(broker.host, home.address())
    broker.host.run(["kill", f"-{signal.SIGKILL.value}", str(broker.status("broker")["pid"])])
    said = broker.run("cleanup", "--dry-run").stdout
    assert f"ip -6 neighbour delete proxy {home.address()} dev eth0" in said
    broker.run("cleanup")
    assert answered_for(broker.host) == []
    assert broker.host.run(["sysctl", "-n", "net.ipv6.conf.eth0.proxy_ndp"]).stdout == "0\n"
    broker.up()
