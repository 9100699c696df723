"""A LAN behind a real radvd, whose tunnel ends in a `sit` device of iproute2's and begins in our plain path or the kernel's.

laptop --- lan0 home 203.0.113.1 ==== protocol 41 ==== far 192.0.2.80 --- native 2001:db8:6::1
phone ---- lan1
The IPv6 internet routes 2001:db8:41::/64 and 2001:db8:77::/48 to far, far routes the latter to home.
"""

from collections.abc import Iterator
from functools import partial
from ipaddress import IPv6Network
from pathlib import Path

import pytest

from tests.netns.capture import capturing
from tests.netns.program import Tunnelmgr, ping
from tests.netns.test_lan import addresses, deaf_to_mtu, fetch, lan_traces, segment_sizes, serve, usable
from tests.peers import radvd
from tests.vm.patience import PATIENCE, up
from tests.vm.test_sit import FAR, FAR6, HOME, HOME6, Carried, sit_end
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.namespaces import NamespaceInternet
from tunnelmgr.lab.waiting import wait_for

SITE, FIRST, TRANSLATED = IPv6Network("2001:db8:77::/48"), IPv6Network("2001:db8:77::/64"), IPv6Network("fd00::/8")
# Enough for one interface: the other is translated. What is left of it leads nowhere.
PROFILE = f"""\
name: home
method:
  type: 6in4
  remote: {FAR}
  address: {HOME6}/64
  prefixes: ["{FIRST}", "2001:db8:77:ff::/80"]
  keepalive: 5
lan: {{interfaces: [lan0, lan1], share: nat66}}
datapath: %s
"""


class World:
    """A home with two LANs behind it, and a far end that an administrator has made."""

    def __init__(self, internet: NamespaceInternet, folder: Path, home: Carried) -> None:
        self.native = internet.host("native", "2001:db8:6::1")
        self.home = Tunnelmgr(internet.host("home", HOME), folder, PROFILE % home.value)
        self.home.environment |= radvd.environment()
        self.laptop = internet.lan_host("laptop", self.home.host)
        self.phone = internet.lan_host("phone", self.home.host, "lan1")
        for host in (self.laptop, self.phone):
            deaf_to_mtu(host)
        self.far = internet.host("far", FAR, "2001:db8:80::1")
        sit_end(self.far, HOME)
        self.far_is_up(True)
        for prefix in ("2001:db8:41::/64", str(SITE)):
            internet.route(prefix, self.far)

    def far_is_up(self, wanted: bool) -> None:
        self.far.run(["ip", "link", "set", "far41", "up" if wanted else "down"])
        if wanted:
            self.far.run(["ip", "address", "replace", f"{FAR6}/64", "dev", "far41", "nodad"])
            self.far.run(["ip", "route", "replace", str(SITE), "dev", "far41"])


@pytest.fixture(params=[Carried.PLAIN, Carried.KERNEL], ids=lambda carried: carried.value)
def world(request: pytest.FixtureRequest, internet: NamespaceInternet, tmp_path: Path) -> Iterator[World]:
    made = World(internet, tmp_path, request.param)
    before = lan_traces(made.home.host)
    up(made.home)
    wait_for("the path", lambda: made.home.running()["datapath"] == request.param.value or None, PATIENCE)
    yield made
    made.home.run("down", "home", timeout=PATIENCE)
    assert made.home.traces() == []
    assert lan_traces(made.home.host) == before


@pytest.mark.requirement("S-SR-008", "S-SE-002")
def test_a_lan_behind_sit_calls_out_is_not_called_and_falls_back_with_the_tunnel(world: World, tmp_path: Path) -> None:
    laptop = wait_for("an address", lambda: usable(world.laptop, FIRST), PATIENCE)
    phone = wait_for("a translated address", lambda: usable(world.phone, TRANSLATED), PATIENCE)
    assert ping(world.laptop, world.native.ipv6, 3) == 3
    assert ping(world.native, laptop, 3) == 3
    assert ping(world.phone, laptop, 3) == 3
    with capturing(world.native, "eth0") as capture:
        assert ping(world.phone, world.native.ipv6, 3) == 3
    requests = [frame for _, frame in capture.frames if frame[20] == IpProtocol.ICMPV6 and frame[54] == 128]
    assert [frame[22:38] for frame in requests] == [HOME6.packed] * 3

    words = ["ping", "-6", "-n", "-c", "1", "-W", "10", "2001:db8:77:ff::1"]
    assert "Destination unreachable: No route" in world.native.run(words, check=False).stdout

    serve(world.native, tmp_path / "native", size=200_000)
    serve(world.laptop, tmp_path / "laptop", size=200_000)
    wait_for("the MTU", lambda: world.home.running()["mtu"] == 1480 or None, PATIENCE)
    with capturing(world.native, "eth0") as far, capturing(world.laptop, "eth0") as near:
        assert fetch(world.laptop, world.native.ipv6, PATIENCE) == 200_000
        assert fetch(world.phone, world.native.ipv6, PATIENCE) == 200_000
    # Each end sees its own, larger, and the other's as the router has left it.
    assert segment_sizes(far) == segment_sizes(near) == {1440, 1420}
    assert fetch(world.native, laptop, within=10) == 0

    world.far_is_up(False)
    wait_for("the withdrawal", lambda: not usable(world.laptop, FIRST) or None, PATIENCE)
    assert addresses(world.laptop) == {laptop: False}
    world.far_is_up(True)
    for host, prefix, address in ((world.laptop, FIRST, laptop), (world.phone, TRANSLATED, phone)):
        assert wait_for("the return", partial(usable, host, prefix), PATIENCE) == address
    wait_for("packets", lambda: ping(world.phone, world.native.ipv6, 1) or None, PATIENCE)
