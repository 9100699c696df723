"""A tunnel shared with a LAN: real radvd, hosts that configure themselves, and a far end on the other side.

laptop --- lan0 home 203.0.113.66 --- backbone --- far 192.0.2.80 --- native 2001:db8:6::1
  SLAAC         2001:db8:41::2 ====== protocol 41 ====== 2001:db8:41::1
The IPv6 internet routes 2001:db8:41::/64 and 2001:db8:5::/48 to far, far routes the latter to home.
"""

import json
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from tests.netns.program import Tunnelmgr, ping
from tunnelmgr.lab.namespaces import Host, NamespaceInternet
from tunnelmgr.lab.waiting import wait_for

HOME, FAR = IPv4Address("203.0.113.66"), IPv4Address("192.0.2.80")
FIRST = IPv6Network("2001:db8:5::/64")
PROFILE = f"""\
name: home
method: {{type: 6in4, remote: {FAR}, address: "2001:db8:41::2/64", prefixes: ["2001:db8:5::/48"]}}
lan: {{interfaces: [lan0]}}
"""
FAR_PROFILE = f"""\
name: far
method: {{type: 6in4, remote: {HOME}, address: "2001:db8:41::1/64", routes: ["2001:db8:5::/48"], forward: true}}
firewall: {{inbound: open}}
"""


class World:
    """Both ends, a LAN and somebody far away."""

    def __init__(self, internet: NamespaceInternet, folder: Path, environment: dict[str, str]) -> None:
        self.internet = internet
        self.native = internet.host("native", "2001:db8:6::1")
        self.home = Tunnelmgr(internet.host("home", HOME), folder, PROFILE)
        self.home.environment |= environment
        self.laptop = internet.lan_host("laptop", self.home.host)
        self.far = Tunnelmgr(internet.host("far", FAR, "2001:db8:80::1"), folder, FAR_PROFILE)
        for prefix in ("2001:db8:41::/64", "2001:db8:5::/48"):
            internet.route(prefix, self.far.host)

    def up(self) -> list[str]:
        self.far.up()
        return self.home.up()


@pytest.fixture
def world(internet: NamespaceInternet, tmp_path: Path, radvd_environment: dict[str, str]) -> Iterator[World]:
    made = World(internet, tmp_path, radvd_environment)
    yield made
    made.home.run("down", "home", check=False)
    made.far.run("down", "far", check=False)
    assert made.home.traces() == []


def addresses(host: Host) -> dict[IPv6Address, bool]:
    """The addresses a host gave itself, and whether it may use them for something new."""
    said = json.loads(host.run(["ip", "-6", "-json", "address", "show", "dev", "eth0", "scope", "global"]).stdout)
    return {
        IPv6Address(entry["local"]): not entry.get("deprecated", False)
        for interface in said
        for entry in interface.get("addr_info", ())
        if "local" in entry
    }


def usable(host: Host, prefix: IPv6Network = FIRST) -> IPv6Address | None:
    """The address a host of the LAN has, once it has one and a way out."""
    if not host.run(["ip", "-6", "route", "show", "default"]).stdout:
        return None
    return next((address for address, preferred in addresses(host).items() if address in prefix and preferred), None)


def test_a_host_of_the_lan_configures_itself_and_reaches_the_ipv6_internet(world: World) -> None:
    story = world.up()
    assert "home: LAN lan0: 2001:db8:5::/64 advertised" in story
    address = wait_for("an address", lambda: usable(world.laptop), 30)
    assert ping(world.laptop, world.native.ipv6, 5) == 5
    assert ping(world.native, address, 3) == 3
    assert "mtu 1480" in world.laptop.run(["ip", "-6", "route", "show", "default"]).stdout
    [link] = world.home.status()["lan"]
    assert (link["interface"], link["prefix"], link["advertised"], link["translated"]) == ("lan0", str(FIRST), True, False)
