"""A provider's 6rd domain, and two sites of 6to4: `tunnelmgr up` on all of them.

one 203.0.113.1, two 203.0.113.2 --- backbone --- relay 192.0.2.80, 2001:db8:80::1 --- native 2001:db8:6::1
The IPv6 internet routes the domain 2001:db8:6d00::/40 to the relay. 32 bits of IPv4 address would not fit, so all share /24.
"""

import json
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from pathlib import Path

import pytest

from tests.netns.capture import capturing
from tests.netns.conftest import peers_needed, require_program
from tests.netns.program import Tunnelmgr, bulk, ping
from tests.peers import dnsmasq
from tests.peers.dnsmasq import Dnsmasq
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.namespaces import Host, NamespaceInternet
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr.lab.waiting import wait_for

ONE, TWO, RELAY = IPv4Address("203.0.113.1"), IPv4Address("203.0.113.2"), IPv4Address("203.0.113.80")
DOMAIN = 'prefix: "2001:db8:6d00::/40", mask_length: 24'
BEYOND = 'prefix: "2001:db8:6d00::/40", customers: 203.0.113.0/24'
LAN = "lan: {interfaces: [lan0]}\n"
CUSTOMER = f"""\
name: home
method: {{type: 6rd, {DOMAIN}, border_relay: {RELAY}, keepalive: 5}}
firewall: {{inbound: open}}
"""
BORDER_RELAY = f"""\
name: home
method: {{type: 6rd, role: border-relay, {BEYOND}, local: {RELAY}, anycast: true}}
firewall: {{inbound: open}}
"""


class Provider:
    """Two customers, their provider's border relay, and somebody beyond it."""

    def __init__(self, internet: NamespaceInternet, folder: Path) -> None:
        self.native = internet.host("native", "2001:db8:6::1")
        self.one, self.two = (
            Tunnelmgr(internet.host(name, address), folder, CUSTOMER) for name, address in (("one", ONE), ("two", TWO))
        )
        self.relay = Tunnelmgr(internet.host("relay", RELAY, "192.0.2.80", "2001:db8:80::1"), folder, BORDER_RELAY)
        internet.route("2001:db8:6d00::/40", self.relay.host)

    def up(self) -> None:
        for end in (self.relay, self.one, self.two):
            end.up()


@pytest.fixture
def provider(internet: NamespaceInternet, tmp_path: Path) -> Iterator[Provider]:
    made = Provider(internet, tmp_path)
    yield made
    for end in (made.one, made.two, made.relay):
        end.run("down", "home", check=False)
        assert end.traces() == []


def test_customers_reach_each_other_directly_and_the_internet_by_the_relay(provider: Provider) -> None:
    require_program("iperf3")
    provider.up()
    one, two, native = provider.one.host, provider.two.host, provider.native
    one6, two6 = provider.one.address(), provider.two.address()
    assert (str(one6), str(two6)) == ("2001:db8:6d01::1", "2001:db8:6d02::1")
    with capturing(provider.relay.host, "eth0") as capture:
        assert ping(one, two6, 5) == 5
        assert ping(two, one6, 5) == 5
    assert not [packet for packet in capture.ipv4(IpProtocol.IPV6) if len(packet.payload) == 104], "not by the relay"
    with capturing(provider.relay.host, "eth0") as capture:
        assert ping(one, native.ipv6, 5) == 5
        assert ping(native, two6, 5) == 5
    sent = [packet for packet in capture.ipv4(IpProtocol.IPV6) if packet.source == RELAY]
    assert len(sent) >= 10
    assert all(packet.dont_fragment for packet in sent), "its address may be an anycast one"
    assert bulk(one, native, native.ipv6) > 1_000_000
    assert bulk(one, native, native.ipv6, "-R") > 1_000_000
    assert provider.one.running()["default_route"]


@pytest.mark.requirement("S-SR-010")
def test_a_relay_that_is_gone_is_noticed_and_found_again(provider: Provider) -> None:
    provider.up()
    provider.relay.run("down", "home")
    wait_for("silence", lambda: provider.one.status()["condition"]["state"] == "impaired" or None, 60)
    status = provider.one.status()
    assert not status["running"]["default_route"]
    assert "203.0.113.80 sends nothing back any more" in status["condition"]["reason"]
    assert ping(provider.one.host, provider.two.address(), 3) == 3
    provider.relay.up()
    wait_for("the relay", lambda: provider.one.status()["condition"]["state"] == "up" or None, 60)
    assert ping(provider.one.host, provider.native.ipv6, 3) == 3


@pytest.mark.requirement("S-SR-009")
def test_the_lan_may_use_its_prefix_no_longer_than_the_lease_of_the_address(
    provider: Provider, internet: NamespaceInternet, radvd_environment: dict[str, str]
) -> None:
    home = provider.one
    home.environment |= radvd_environment
    laptop = internet.lan_host("laptop", home.host)
    home.write_profile("home", CUSTOMER + LAN)
    lease(home.host, 600)
    provider.up()
    assert 0 < wait_for("an address", lambda: lifetime(laptop), 30) <= 600
    assert ping(laptop, provider.native.ipv6, 3) == 3
    lease(home.host, 1200)
    wait_for("the renewal", lambda: lifetime(laptop) > 600 or None, 30)
    assert lifetime(laptop) <= 1200


def lease(host: Host, seconds: int) -> None:
    """Give the address a life as a DHCP client does."""
    life = ["valid_lft", str(seconds), "preferred_lft", str(seconds)]
    host.run(["ip", "address", "change", f"{ONE}/32", "dev", "eth0", *life])


def lifetime(host: Host) -> int:
    """Seconds for which the address that a host of the LAN gave itself is valid; 0 while it has none."""
    said = json.loads(host.run(["ip", "-6", "-json", "address", "show", "dev", "eth0", "scope", "global"]).stdout)
    found = [entry["valid_life_time"] for interface in said for entry in interface.get("addr_info", ()) if "local" in entry]
    return int(found[0]) if found else 0


@pytest.mark.requirement("S-SR-006", "S-SR-007")
def test_strangers_and_liars_are_dropped_and_counted(provider: Provider) -> None:
    provider.up()
    one, two = provider.one, provider.two
    two.run("down", "home")
    before = one.tunnel()["counters"].get("dropped-embedded", 0)
    raw41(two.host, source="2001:db8:6d07::1", target=one.address(), outer=ONE)
    wait_for("a drop", lambda: one.tunnel()["counters"].get("dropped-embedded", 0) > before or None, 10)
    raw41(two.host, source="2001:db8:6d02::1", target=IPv6Address("2001:db8:6d03::1"), outer=ONE)
    wait_for("another", lambda: one.tunnel()["counters"].get("dropped-destination", 0) or None, 10)
    raw41(two.host, source="2001:db8:6d07::1", target=provider.native.ipv6, outer=RELAY)
    wait_for("at the relay", lambda: provider.relay.tunnel()["counters"].get("dropped-embedded", 0) or None, 10)


def raw41(host: Host, *, source: str, target: IPv6Address, outer: IPv4Address) -> None:
    """Send an IPv6 packet in protocol 41 that no tunnel of this host would send."""
    program = (
        "import socket, sys; from tunnelmgr.api.packets.ipv6 import IPv6Packet; from ipaddress import IPv6Address\n"
        "packet = IPv6Packet(IPv6Address(sys.argv[1]), IPv6Address(sys.argv[2]), 59)\n"
        "socket.socket(socket.AF_INET, socket.SOCK_RAW, 41).sendto(packet.serialize(), (sys.argv[3], 0))\n"
    )
    host.run([sys.executable, "-c", program, source, str(target), str(outer)])


@pytest.fixture
def dnsmasq_program() -> None:
    with peers_needed():
        dnsmasq.root()


LEARNING = "name: home\nmethod: {type: 6rd, learn: dhcp}\n"
ACCESS = IPv4Interface("10.100.100.1/24")
ACCESS_RELAY = """\
name: home
method: {type: 6rd, role: border-relay, prefix: "2001:db8::/32", customers: 10.0.0.0/8, local: 10.100.100.1}
"""
OPTION = bytes.fromhex("0820" + "20010db8" + "00" * 12 + "0a646401")


@pytest.mark.requirement("S-SR-005")
@pytest.mark.usefixtures("dnsmasq_program")
def test_a_customer_learns_the_domain_from_the_providers_dhcp_server(internet: NamespaceInternet, tmp_path: Path) -> None:
    """Provider's router, DHCP server and border relay are one machine, as often in small networks."""
    site = internet.site("home", NatKind.PORT_RESTRICTED, lan=ACCESS)
    relay, home = Tunnelmgr(site.router, tmp_path, ACCESS_RELAY), Tunnelmgr(site.inside, tmp_path, LEARNING)
    server = Dnsmasq(site.router, "lan", ACCESS, folder=tmp_path)
    running = server.start(None)
    relay.up()
    said = home.run("up", home.profile, "--timeout", "5", check=False).stderr
    assert "the DHCP server 10.100.100.1 offers no 6rd (option 212)" in said
    site.router.stop(running)
    server.start(OPTION)
    home.up()
    assert str(home.address()) == "2001:db8:6464:200::1"
    assert home.tunnel()["facts"]["round_trip_s"] is not None, "the relay sends back what the host sends to itself"
    assert ":68 " not in site.inside.run(["ss", "-Huln"]).stdout, "the port is given back"
    home.run("down", "home")
    assert home.traces() == []
    relay.run("down", "home")


SIXTOFOUR = "name: home\nmethod: {type: 6to4}\nfirewall: {inbound: open}\n"


@pytest.mark.requirement("S-SR-001", "S-SR-002")
def test_two_6to4_sites_reach_each_other_and_nobody_else(internet: NamespaceInternet, tmp_path: Path) -> None:
    require_program("iperf3")
    one, two = (
        Tunnelmgr(internet.host(name, address), tmp_path, SIXTOFOUR) for name, address in (("one", ONE), ("two", TWO))
    )
    for end in (one, two):
        end.up()
    assert str(one.address()) == "2002:cb00:7101::1"
    assert ping(one.host, two.address(), 5) == 5
    assert bulk(one.host, two.host, two.address()) > 1_000_000
    assert not one.running()["default_route"]
    before = two.tunnel()["counters"].get("dropped-embedded", 0)
    raw41(one.host, source="2002:cb00:7109::1", target=two.address(), outer=TWO)
    wait_for("a drop", lambda: two.tunnel()["counters"].get("dropped-embedded", 0) > before or None, 10)
    for end in (one, two):
        end.run("down", "home")
        assert end.traces() == []
