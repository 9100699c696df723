"""One profile with all three methods, carried from network to network while it runs: what it does, and what it says.

laptop --- eth0   203.0.113.66 on the backbone          public: 6in4, also where UDP is blocked
       |-- wlan0  home, NAT port-restricted             Teredo
       `-- wlan1  hotel, NAT symmetric                  TSP, by `when:`
backbone --- 192.0.2.80     far      the other end of 6in4, forwards
         |-- 192.0.2.33     broker   2001:db8:100::/40
         |-- 192.0.2.5, .6  stun     Debian's coturn
         |-- 192.0.2.1, .2  server, 198.51.100.1 relay   Debian's Miredo
         `-- 2001:db8:6::1  native   no IPv4 at all
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.conftest import peers_needed
from tests.netns.program import Tunnelmgr, ping
from tests.peers import coturn
from tests.peers.coturn import Coturn
from tests.peers.teredo_internet import TeredoInternet
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.namespaces import Host, Site
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr.lab.waiting import wait_for

INTERFACES = ("eth0", "wlan0", "wlan1")
PUBLIC = "203.0.113.66"
PROFILE = """\
name: home
methods:
  - {type: 6in4, remote: 192.0.2.80, address: "2001:db8:41::2/64"}
  - {type: tsp, broker: broker.example.net, when: {nat: symmetric}}
  - {type: teredo, server: teredo.example.net}
network: {probe: ["2001:db8:6::1"]}
detect: {stun: [192.0.2.5]}
"""
FAR = f"""\
name: home
method: {{type: 6in4, remote: {PUBLIC}, address: "2001:db8:41::1/64", routes: ["2001:db8:5::/48"], forward: true}}
firewall: {{inbound: open}}
"""
BROKER = """\
name: home
method: {type: tsp, role: broker, address: 192.0.2.33, prefix: "2001:db8:100::/40", leases: "sqlite:///%s/leases.db"}
"""
BLOCK_UDP = f"""\
add table inet block
add chain inet block forward {{ type filter hook forward priority 0; }}
add rule inet block forward ip saddr {PUBLIC} meta l4proto udp drop
add rule inet block forward ip daddr {PUBLIC} meta l4proto udp drop
"""


class Laptop:
    """A host that is carried about, with a profile that runs all the while."""

    def __init__(self, internet: TeredoInternet, folder: Path) -> None:
        self.internet = internet
        self.host: Host = internet.internet.host("laptop", PUBLIC)
        self.tunnelmgr = Tunnelmgr(self.host, folder, PROFILE)
        self._plug("wlan0", internet.home)
        self._plug("wlan1", internet.internet.site("hotel", NatKind.SYMMETRIC))

    def _plug(self, interface: str, site: Site) -> None:
        port = f"to-{self.host.name}"
        self.host.run(["ip", "link", "add", interface, "type", "veth", "peer", "name", port, "netns", site.router.namespace])
        site.router.run(["ip", "link", "set", port, "master", "lan", "up"])

    def leave(self) -> None:
        """Be on no network."""
        self._change()

    def join(self, interface: str, address: str = "192.168.1.50/24", gateway: str = "192.168.1.1") -> None:
        """Leave the network and join this one."""
        self._change(
            f"link set {interface} up",
            f"address add {address} dev {interface}",
            f"route add default via {gateway} dev {interface} onlink",
        )

    def join_public(self) -> None:
        self.join("eth0", f"{PUBLIC}/32", "192.0.2.254")

    def _change(self, *lines: str) -> None:
        """In one go, as network managers do it."""
        leaving = [f"{words} {name}" for name in INTERFACES for words in ("address flush dev", "link set down dev")]
        self.host.run(["ip", "-batch", "-"], stdin="\n".join([*leaving, *lines, ""]))

    @property
    def story(self) -> list[str]:
        return (self.tunnelmgr.folder / "output").read_text().splitlines()

    @property
    def decisions(self) -> list[str]:
        """The lines in which the manager, and no method, speaks."""
        words = ("starting,", "looking at", "does not suit", "gives way")
        return [line for line in self.story if any(word in line for word in words)]

    def carries_by(self, method: str) -> None:
        """Wait until it is up by this method, and see that packets pass."""

        def is_so() -> bool | None:
            status = self.tunnelmgr.status()
            is_up = (status["condition"]["state"], status["method"]) == ("up", method)
            return (is_up and status["running"]["default_route"]) or None

        try:
            wait_for(f"up by {method}", is_so, 60)
        except TunnelError as error:
            raise AssertionError("\n".join([str(error), *self.story])) from error
        assert ping(self.host, self.internet.native.ipv6, 3) == 3


@pytest.fixture
def far_ends(far_end: TeredoInternet, tmp_path: Path) -> Iterator[TeredoInternet]:
    """Everybody whom the profile names."""
    with peers_needed():
        coturn.root()
    internet = far_end.internet
    Coturn(internet.host("stun", "192.0.2.5", "192.0.2.6"), folder=tmp_path).start()
    far = Tunnelmgr(internet.host("far", "192.0.2.80", "2001:db8:80::1"), tmp_path, FAR)
    internet.route("2001:db8:41::/64", far.host)
    host = internet.host("broker", "192.0.2.33", "2001:db8:7::1", names=["broker.example.net"])
    internet.route("2001:db8:100::/40", host)
    broker = Tunnelmgr(host, tmp_path, BROKER % tmp_path)
    far.start("up", "-f", far.profile)
    broker.up()
    wait_for("the far end", lambda: "2001:db8:41::1" in far.host.run(["ip", "-6", "address"]).stdout or None)
    yield far_end
    for one in (far, broker):
        one.run("down", "home", check=False)


@pytest.fixture
def laptop(far_ends: TeredoInternet, tmp_path: Path) -> Iterator[Laptop]:
    laptop = Laptop(far_ends, tmp_path)
    yield laptop
    laptop.tunnelmgr.run("down", "home", check=False)
    assert laptop.tunnelmgr.traces() == []


DECISIONS = """\
home: tsp does not suit: `when: {nat: symmetric}` does not hold: there is no NAT
home: starting, 6in4, remote 192.0.2.80
home: looking at the network, since `when:` asks what this host does not know by itself
home: 6in4 does not suit: protocol 41 does not pass this network
home: tsp does not suit: `when: {nat: symmetric}` does not hold: the NAT is port-restricted
home: 6in4 gives way: it does not suit any more
home: starting, teredo, server teredo.example.net
home: looking at the network, since `when:` asks what this host does not know by itself
home: teredo gives way: tsp is to be had, which the profile prefers
home: starting, tsp, broker broker.example.net, anonymous
home: tsp does not suit: `when: {nat: symmetric}` does not hold: there is no NAT
home: tsp gives way: it does not suit any more
home: starting, 6in4, remote 192.0.2.80
home: looking at the network, since `when:` asks what this host does not know by itself
home: 6in4 does not suit: there is no IPv4 default route
home: tsp does not suit: `when: {nat: symmetric}` does not hold: no UDP passes (blocked)
home: teredo does not suit: there is no IPv4 default route
home: looking at the network, since `when:` asks what this host does not know by itself
home: 6in4 does not suit: protocol 41 does not pass this network
home: tsp does not suit: `when: {nat: symmetric}` does not hold: the NAT is port-restricted
home: 6in4 gives way: it does not suit any more
home: starting, teredo, server teredo.example.net
home: tsp does not suit: `when: {nat: symmetric}` does not hold: there is no NAT
home: teredo gives way: 6in4 is to be had, which the profile prefers
home: starting, 6in4, remote 192.0.2.80"""

METHODS_AT_HOME = """\
  methods           6in4, remote 192.0.2.80: does not suit: protocol 41 does not pass this network
                    tsp, broker broker.example.net, anonymous: does not suit: `when: {nat: symmetric}` does not hold: \
the NAT is port-restricted
                    teredo, server teredo.example.net: in use
"""

NOWHERE = """\
home: looking at the network, since `when:` asks what this host does not know by itself
home: 6in4 does not suit: there is no IPv4 default route
home: tsp does not suit: `when: {nat: symmetric}` does not hold: no UDP passes (blocked)
home: teredo does not suit: there is no IPv4 default route
tunnelmgr: home: no method of <profile> suits this network: 6in4: there is no IPv4 default route; tsp: \
`when: {nat: symmetric}` does not hold: no UDP passes (blocked); teredo: there is no IPv4 default route; \
connect it to a network; log: <log>
"""


def test_one_profile_follows_its_host_from_network_to_network(laptop: Laptop) -> None:
    laptop.join_public()
    laptop.tunnelmgr.start("up", "-f", laptop.tunnelmgr.profile)
    laptop.tunnelmgr.run("wait", "home")
    laptop.carries_by("6in4")
    laptop.join("wlan0")
    laptop.carries_by("teredo")
    assert METHODS_AT_HOME in laptop.tunnelmgr.run("status", "home").stdout
    laptop.join("wlan1")
    laptop.carries_by("tsp")
    backbone = laptop.internet.internet.backbone
    backbone.run(["nft", "-f", "-"], stdin=BLOCK_UDP)
    laptop.join_public()
    laptop.carries_by("6in4")
    laptop.leave()
    wait_for("a look", lambda: any("teredo does not suit" in line for line in laptop.story) or None, 30)
    nowhere = laptop.tunnelmgr.run("status", "home", check=False)
    assert nowhere.returncode == 3
    assert "this host has no IPv4 address to send from; connect it to a network with IPv4" in nowhere.stdout
    laptop.join("wlan0")
    laptop.carries_by("teredo")
    backbone.run(["nft", "delete", "table", "inet", "block"])
    laptop.join_public()
    laptop.carries_by("6in4")
    assert "\n".join(laptop.decisions) == DECISIONS


def test_up_keep_waits_for_a_network(laptop: Laptop) -> None:
    laptop.leave()
    done = laptop.tunnelmgr.run("up", laptop.tunnelmgr.profile, "--keep", "--timeout", "3", check=False)
    assert done.returncode == 75
    assert "it goes on trying" in done.stderr
    assert laptop.tunnelmgr.run("status", "home", check=False).returncode == 3
    laptop.join_public()
    laptop.carries_by("6in4")
    laptop.tunnelmgr.run("down", "home")


def test_where_there_is_no_way_at_all_up_says_why_and_exits_75(laptop: Laptop) -> None:
    laptop.leave()
    done = laptop.tunnelmgr.run("up", laptop.tunnelmgr.profile, check=False)
    assert done.returncode == 75
    said = done.stderr.replace(str(laptop.tunnelmgr.profile), "<profile>")
    assert re.sub(r"log: \S+", "log: <log>", said) == NOWHERE
