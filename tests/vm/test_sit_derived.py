"""Ours and the kernel's own `sit` in a 6rd domain, either as the border relay, and as sites of 6to4.

one 203.0.113.1 --- backbone --- relay 203.0.113.80, 2001:db8:80::1 --- native 2001:db8:6::1
"""

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from tests.netns.program import Tunnelmgr, bulk, ping
from tests.vm.patience import PATIENCE, up
from tunnelmgr.lab.namespaces import Host, NamespaceInternet

ONE, RELAY = IPv4Address("203.0.113.1"), IPv4Address("203.0.113.80")
ONE6, RELAY6 = IPv6Address("2001:db8:6d01::1"), IPv6Address("2001:db8:6d50::1")
DOMAIN = 'prefix: "2001:db8:6d00::/40", mask_length: 24'
BEYOND = 'prefix: "2001:db8:6d00::/40", customers: 203.0.113.0/24'
PROFILE = "name: home\nmethod: {{type: {}}}\nfirewall: {{inbound: open}}\n"
CUSTOMER = PROFILE.format(f"6rd, {DOMAIN}, border_relay: {RELAY}, keepalive: 5")
BORDER_RELAY = PROFILE.format(f"6rd, role: border-relay, {BEYOND}, local: {RELAY}")


class Provider:
    def __init__(self, internet: NamespaceInternet) -> None:
        self.native = internet.host("native", "2001:db8:6::1")
        self.one = internet.host("one", ONE)
        self.relay = internet.host("relay", RELAY, "2001:db8:80::1")
        internet.route("2001:db8:6d00::/40", self.relay)


def sixrd_by_iproute2(host: Host, local: IPv4Address, address: IPv6Address, *more: str) -> None:
    """Be a customer or a border relay as an administrator makes one."""
    for words in (
        f"tunnel add rd mode sit local {local} ttl 64",
        "tunnel 6rd dev rd 6rd-prefix 2001:db8:6d00::/40 6rd-relay_prefix 203.0.113.0/24",
        "link set dev rd mtu 1280 up",
        f"-6 address add {address}/40 dev rd nodad",
        *more,
    ):
        host.run(["ip", *words.split()])


def test_our_customer_at_the_kernels_border_relay(internet: NamespaceInternet, tmp_path: Path) -> None:
    provider = Provider(internet)
    sixrd_by_iproute2(provider.relay, RELAY, RELAY6)
    provider.relay.run(["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"])
    home = Tunnelmgr(provider.one, tmp_path, CUSTOMER)
    up(home)
    assert home.tunnel()["facts"]["round_trip_s"] is None, "it takes what the customer sends to itself for forged"
    assert ping(provider.one, provider.native.ipv6, 5) == 5
    assert ping(provider.native, ONE6, 5) == 5
    assert bulk(provider.one, provider.native, provider.native.ipv6) > 100_000
    home.run("down", "home", timeout=PATIENCE)
    assert home.traces() == []


@pytest.mark.requirement("S-SR-006")
def test_the_kernels_customer_at_our_border_relay(internet: NamespaceInternet, tmp_path: Path) -> None:
    provider = Provider(internet)
    relay = Tunnelmgr(provider.relay, tmp_path, BORDER_RELAY)
    up(relay)
    sixrd_by_iproute2(provider.one, ONE, ONE6, f"-6 route add ::/0 via ::{RELAY} dev rd")
    assert ping(provider.one, RELAY6, 5) == 5
    assert ping(provider.one, provider.native.ipv6, 5) == 5
    assert ping(provider.native, ONE6, 5) == 5
    assert bulk(provider.one, provider.native, provider.native.ipv6) > 100_000
    relay.run("down", "home", timeout=PATIENCE)
    assert relay.traces() == []


@pytest.mark.requirement("S-SR-002")
def test_a_6to4_site_of_ours_and_one_of_the_kernels(internet: NamespaceInternet, tmp_path: Path) -> None:
    ours = Tunnelmgr(internet.host("one", ONE), tmp_path, PROFILE.format("6to4"))
    theirs = internet.host("two", "203.0.113.2")
    for words in (
        "tunnel add six mode sit remote any local 203.0.113.2 ttl 64",
        "link set dev six up",
        "-6 address add 2002:cb00:7102::1/16 dev six nodad",
    ):
        theirs.run(["ip", *words.split()])
    up(ours)
    assert ping(ours.host, IPv6Address("2002:cb00:7102::1"), 5) == 5
    assert ping(theirs, ours.address(), 5) == 5
    assert bulk(ours.host, theirs, IPv6Address("2002:cb00:7102::1")) > 100_000
    ours.run("down", "home", timeout=PATIENCE)
    assert ours.traces() == []
