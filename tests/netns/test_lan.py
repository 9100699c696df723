"""A tunnel shared with a LAN: real radvd, hosts that configure themselves, and a far end on the other side.

laptop --- lan0 home 203.0.113.66 --- backbone --- far 192.0.2.80 --- native 2001:db8:6::1
  SLAAC         2001:db8:41::2 ====== protocol 41 ====== 2001:db8:41::1
The IPv6 internet routes 2001:db8:41::/64 and 2001:db8:5::/48 to far, far routes the latter to home.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from tests.netns.capture import Capture, capturing
from tests.netns.program import Tunnelmgr, ping
from tests.peers import radvd
from tests.peers.tsp_internet import ACCOUNT, PASSWORD, tsp_internet, write_secret
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.namespaces import Host, NamespaceInternet
from tunnelmgr.lab.namespaces.programs import programs_in
from tunnelmgr.lab.vocabulary import NatKind
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
FAR_END = """\
name: far
method: {type: teredo, role: server, addresses: [192.0.2.17, 192.0.2.18], relay: true, exit: nat66}
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
    route = ["ip", "-6", "route", "show", "default"]
    wait_for("the MTU of the tunnel", lambda: "mtu 1480" in world.laptop.run(route).stdout or None, 30)
    [link] = world.home.running()["lan"]
    assert (link["interface"], link["prefix"], link["advertised"], link["translated"]) == ("lan0", str(FIRST), True, False)


def deaf_to_mtu(host: Host) -> None:
    """Let a host of the LAN take no notice of the advertised MTU, as some devices do."""
    host.run(["sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra_mtu=0"])


def segment_sizes(capture: Capture) -> set[int]:
    """The MSS of every SYN and SYN-ACK in IPv6 among the frames (RFC 9293 section 3.2: option 2)."""
    syns = (frame[54:] for _, frame in capture.frames if frame[12:14] == b"\x86\xdd" and frame[20] == IpProtocol.TCP)
    return {int.from_bytes(tcp[22:24], "big") for tcp in syns if tcp[13] & 2 and tcp[20:22] == b"\x02\x04"}


def serve(host: Host, folder: Path, size: int = 1_000_000) -> None:
    """Serve a page over HTTP on port 8080."""
    folder.mkdir()
    (folder / "page").write_bytes(bytes(size))
    host.popen([sys.executable, "-m", "http.server", "8080", "--bind", "::", "--directory", str(folder)])
    wait_for("http server", lambda: ":8080" in host.run(["ss", "-ltn"]).stdout or None)


def fetch(host: Host, server: IPv6Address, within: float = 20.0) -> int:
    """Fetch the page and return its size; 0 when nobody answers."""
    script = f"import urllib.request as u; print(len(u.urlopen('http://[{server}]:8080/page', timeout={within}).read()))"
    said = host.run([sys.executable, "-c", script], check=False).stdout
    return int(said or 0)


def configured(world: World) -> IPv6Address:
    return wait_for("an address", lambda: usable(world.laptop), 30)


def has_mtu(end: Tunnelmgr, name: str, mtu: int) -> bool | None:
    return end.running(name)["mtu"] == mtu or None


def test_segments_fit_the_tunnel_both_ways_even_where_a_host_is_deaf_to_the_mtu(world: World, tmp_path: Path) -> None:
    world.home.write_profile("home", PROFILE + "firewall: {inbound: open}\n")
    deaf_to_mtu(world.laptop)
    world.up()
    address = configured(world)
    assert "mtu" not in world.laptop.run(["ip", "-6", "route", "show", "default"]).stdout
    serve(world.native, tmp_path / "native")
    serve(world.laptop, tmp_path / "laptop")
    # Each end begins with 1280 and then finds out what the path carries; until then it lets servers know of 1280.
    for end, name in ((world.home, "home"), (world.far, "far")):
        wait_for("the MTU", partial(has_mtu, end, name, 1480), 60)
    with capturing(world.native, "eth0") as far, capturing(world.laptop, "eth0") as near:
        assert fetch(world.laptop, world.native.ipv6) == 1_000_000
        assert fetch(world.native, address) == 1_000_000
    assert min(segment_sizes(far)) == min(segment_sizes(near)) == 1420
    # Each end sees its own, larger, and the other's as the router has left it.
    assert segment_sizes(far) == segment_sizes(near) == {1440, 1420}


@pytest.mark.requirement("S-SE-002")
def test_nobody_outside_begins_a_conversation_with_the_lan(world: World, tmp_path: Path) -> None:
    world.up()
    address = configured(world)
    serve(world.laptop, tmp_path / "laptop")
    assert ping(world.native, address, 2) == 2
    assert fetch(world.native, address, within=3) == 0
    serve(world.native, tmp_path / "native")
    assert fetch(world.laptop, world.native.ipv6) == 1_000_000


@pytest.mark.requirement("S-SR-008")
def test_what_is_not_used_of_the_prefix_leads_nowhere(world: World) -> None:
    world.home.write_profile("home", PROFILE + "firewall: {inbound: open}\n")
    world.up()
    words = ["ping", "-6", "-n", "-c", "2", "-i", "0.2", "-W", "3", "2001:db8:5:77::1"]
    with capturing(world.far.host, "tm-far") as capture:
        said = world.native.run(words, check=False).stdout
    assert "Destination unreachable: No route" in said
    requests = [packet for _, packet in capture.frames if packet[6] == IpProtocol.ICMPV6 and packet[40] == 128]
    assert len([packet for packet in requests if packet[24:40] == IPv6Address("2001:db8:5:77::1").packed]) == 2


def test_the_lan_falls_back_when_the_far_end_is_silent_and_returns_with_it(world: World) -> None:
    world.home.write_profile("home", PROFILE.replace("prefixes:", "keepalive: 5, prefixes:"))
    world.up()
    address = configured(world)
    world.far.run("down", "far")
    wait_for("the withdrawal", lambda: not usable(world.laptop) or None, 60)
    assert addresses(world.laptop) == {address: False}, "it is deprecated, so that what runs may end"
    assert not world.laptop.run(["ip", "-6", "route", "show", "default"]).stdout
    world.laptop.run(["ip", "-6", "route", "add", f"{world.native.ipv6}/128", "via", str(FIRST[1]), "dev", "eth0"])
    said = world.laptop.run(["ping", "-6", "-n", "-c", "1", str(world.native.ipv6)], check=False).stdout
    assert f"From {FIRST[1]} icmp_seq=1 Destination unreachable: No route" in said, "who asks all the same hears so at once"
    [link] = world.home.running()["lan"]
    assert (link["advertised"], link["trouble"]) == (False, "")
    world.far.up()
    assert wait_for("the return", lambda: usable(world.laptop), 60) == address
    wait_for("packets", lambda: ping(world.laptop, world.native.ipv6, 1) or None, 30)


DOCKER = "table ip6 filter { chain FORWARD { type filter hook forward priority filter; policy drop; }; }"
DROPS = "another firewall drops what the LAN sends by lan0: chain FORWARD of table ip6 filter"


def test_a_lan_whose_packets_another_firewall_drops_hears_of_no_ipv6_while_it_does(world: World) -> None:
    world.up()
    address = configured(world)
    world.home.host.run(["nft", "-f", "-"], stdin=DOCKER)
    wait_for("the withdrawal", lambda: addresses(world.laptop).get(address) is False or None, 20)
    [link] = world.home.running()["lan"]
    assert link["trouble"] == DROPS
    assert 'nft insert rule ip6 filter FORWARD iifname "lan0" oifname "tm-home" accept' in link["hint"]
    assert ping(world.home.host, world.native.ipv6, 2) == 2, "this host's own packets pass"
    world.home.run("down", "home")
    assert f"home: LAN lan0: {DROPS}" in "\n".join(world.home.up())
    world.home.host.run(["nft", "delete", "table", "ip6", "filter"])
    assert wait_for("the return", lambda: usable(world.laptop), 30) == address


def lan_traces(host: Host) -> tuple[str, ...]:
    """What a tunnel could leave on a LAN's router beside its own marks."""
    switches = ["net.ipv6.conf.all.forwarding", "net.ipv6.conf.lan0.mtu", "net.ipv6.conf.lan0.accept_ra"]
    radvds = [str(program.words) for program in programs_in(host.namespace) if "radvd" in program.words[0]]
    addresses = host.run(["ip", "-6", "-o", "address", "show", "dev", "lan0", "scope", "global"]).stdout
    return (host.run(["sysctl", "-n", *switches]).stdout, addresses, *radvds)


@pytest.mark.parametrize("what", ["cleanup", "the next start"])
def test_a_killed_process_leaves_nothing_that_does_not_go(world: World, what: str) -> None:
    before = lan_traces(world.home.host)
    world.up()
    configured(world)
    assert lan_traces(world.home.host) != before
    world.home.host.run(["kill", "-9", str(world.home.status()["pid"])])
    wait_for("the last word of radvd", lambda: not usable(world.laptop) or None, 20)
    if what == "cleanup":
        world.home.run("cleanup")
    else:
        world.home.up()
        configured(world)
        world.home.run("down", "home")
    assert lan_traces(world.home.host) == before
    assert world.home.traces() == []
    assert [path.name for path in world.home.runtime_dir.glob("*radvd*")] == []


def test_without_radvd_the_tunnel_is_up_and_the_package_is_named(world: World) -> None:
    del world.home.environment["PATH"]
    with radvd.hidden():
        story = world.up()
    missing = "LAN lan0: the LAN hears nothing of the tunnel: radvd is missing; install the package radvd"
    assert f"home: {missing}" in story
    assert ping(world.home.host, world.native.ipv6, 2) == 2
    assert missing in world.home.run("status", "home").stdout
    [condition] = json.loads(world.home.run("status", "home", "--json").stdout)["data"]["profiles"][0]["symptoms"]
    assert condition["code"] == "TM-H010"


def pid_in(file: Path) -> str:
    """Return what a file of a daemon says, nothing while there is none."""
    with suppress(FileNotFoundError):
        return file.read_text().strip()
    return ""


def test_a_radvd_that_is_killed_is_started_again(world: World) -> None:
    world.up()
    configured(world)
    pid_file = world.home.runtime_dir / "home.radvd.pid"
    killed = pid_in(pid_file)
    world.home.host.run(["kill", "-9", killed])
    ended = "radvd ended, so the LAN hears nothing of the tunnel"
    wait_for("the word", lambda: world.home.running()["lan"][0]["trouble"] == ended or None, 5)
    assert f"{ended}; it is started again; the log has what it said [TM-H010]" in world.home.run("status", "home").stdout
    wait_for("another", lambda: pid_in(pid_file) not in {"", killed} or None, 20)
    wait_for("the word", lambda: world.home.running()["lan"][0]["advertised"] or None, 5)


def test_an_interface_that_goes_and_comes_is_served_again(world: World) -> None:
    world.up()
    configured(world)
    world.home.host.run(["ip", "link", "delete", "lan0"])
    wait_for("trouble", lambda: world.home.running()["lan"][0]["trouble"] == "there is no interface lan0" or None, 20)
    phone = world.internet.lan_host("phone", world.home.host)
    wait_for("an address", lambda: usable(phone), 30)
    assert ping(phone, world.native.ipv6, 3) == 3


def test_two_interfaces_have_a_prefix_each_and_reach_each_other(world: World) -> None:
    phone = world.internet.lan_host("phone", world.home.host, "lan1")
    world.home.write_profile("home", PROFILE.replace("[lan0]", "[lan0, lan1]"))
    world.up()
    laptop_address = configured(world)
    wait_for("an address", lambda: usable(phone, IPv6Network("2001:db8:5:1::/64")), 30)
    assert ping(phone, world.native.ipv6, 2) == 2
    assert ping(phone, laptop_address, 2) == 2


def test_resolvers_reach_the_lan(world: World) -> None:
    world.home.write_profile("home", PROFILE.replace("[lan0]", '[lan0], dns: ["2001:db8:6::1"]'))
    with capturing(world.laptop, "eth0") as capture:
        world.up()
        configured(world)
    told = [frame for _, frame in capture.frames if frame[20] == IpProtocol.ICMPV6 and frame[54] == 134]
    assert any(IPv6Address("2001:db8:6::1").packed in frame for frame in told)


def test_a_tsp_router_asks_for_a_prefix(
    lab_name: Callable[[], str], tmp_path: Path, radvd_environment: dict[str, str]
) -> None:
    with tsp_internet(lab_name(), tmp_path) as far_end:
        site = far_end.internet.site("home", NatKind.PORT_RESTRICTED)
        account = ACCOUNT.replace("  prefix_length: 56\n", "")
        home = Tunnelmgr(site.inside, tmp_path, f"{account}lan: {{interfaces: [lan0]}}\n")
        home.environment |= radvd_environment
        write_secret(home, "password", f"{PASSWORD}\n")
        laptop = far_end.internet.lan_host("laptop", home.host)
        home.up()
        prefix = IPv6Network(home.running()["lan"][0]["prefix"])
        assert prefix.subnet_of(IPv6Network(home.tunnel()["facts"]["prefix"]))
        wait_for("an address", lambda: usable(laptop, prefix), 30)
        assert ping(laptop, far_end.native.ipv6, 5) == 5
        serve(far_end.native, tmp_path / "pages")
        assert fetch(laptop, far_end.native.ipv6) == 1_000_000
        home.run("down", "home")
        assert home.traces() == []


def test_a_lan_behind_a_teredo_client_behind_a_nat_reads_pages(
    internet: NamespaceInternet, tmp_path: Path, radvd_environment: dict[str, str]
) -> None:
    native = internet.host("native", "2001:db8:6::1")
    far_end = Tunnelmgr(
        internet.host("far-end", "192.0.2.17", "192.0.2.18", "2001:db8:3::1"),
        tmp_path,
        FAR_END,
    )
    site = internet.site("home", NatKind.PORT_RESTRICTED)
    text = "name: home\nmethod: {type: teredo, server: 192.0.2.17}\nlan: {interfaces: [lan0], share: nat66}\n"
    home = Tunnelmgr(site.inside, tmp_path, text)
    home.environment |= radvd_environment
    laptop = internet.lan_host("laptop", home.host)
    deaf_to_mtu(laptop)
    serve(native, tmp_path / "pages")
    far_end.up()
    story = home.up()
    [link] = home.running()["lan"]
    assert link["translated"]
    assert f"home: LAN lan0: {link['prefix']} advertised, translated to the tunnel's address: its hosts can call out, " in (
        "\n".join(story)
    )
    prefix = IPv6Network(link["prefix"])
    assert prefix.subnet_of(IPv6Network("fd00::/8"))
    wait_for("an address", lambda: usable(laptop, prefix), 30)
    assert ping(laptop, native.ipv6, 3) == 3
    assert fetch(laptop, native.ipv6) == 1_000_000
    home.run("down", "home")
    home.up()
    assert home.running()["lan"][0]["prefix"] == str(prefix), "it stays the same"
    home.run("down", "home")
    assert home.traces() == []
    far_end.run("down", "far")


def test_a_customer_whose_6rd_domain_has_a_64_for_each_serves_a_lan(world: World) -> None:
    domain = 'type: 6rd, prefix: "2001:db8:6d00::/56"'
    border_relay = "role: border-relay, customers: 203.0.113.0/24, local: 203.0.113.80"
    relay = Tunnelmgr(
        world.internet.host("relay", "203.0.113.80", "192.0.2.81", "2001:db8:81::1"),
        world.home.folder.parent,
        f"name: home\nmethod: {{{domain}, {border_relay}}}\nfirewall: {{inbound: open}}\n",
    )
    world.internet.route("2001:db8:6d00::/56", relay.host)
    relay.up()
    world.home.write_profile(
        "home",
        f"name: home\nmethod: {{{domain}, mask_length: 24, border_relay: 203.0.113.80}}\nlan: {{interfaces: [lan0]}}\n",
    )
    world.home.up()
    prefix = IPv6Network("2001:db8:6d00:42::/64")
    assert world.home.address() == prefix[1]
    wait_for("an address", lambda: usable(world.laptop, prefix), 30)
    assert ping(world.laptop, world.native.ipv6, 3) == 3
    assert ping(world.laptop, prefix[2], 1) == 1, "this host is its router"
    assert ping(world.home.host, world.native.ipv6, 3) == 3
    relay.run("down", "home")


OTHER_RADVD = """\
interface lan0 {
    AdvSendAdvert on;
    MinRtrAdvInterval 3;
    MaxRtrAdvInterval 4;
    prefix 2001:db8:77::/64 { };
};
"""


def test_a_radvd_of_the_user_s_own_is_left_alone(world: World, tmp_path: Path) -> None:
    (tmp_path / "radvd.conf").write_text(OTHER_RADVD)
    words = ["radvd", "-n", "-C", str(tmp_path / "radvd.conf"), "-p", str(tmp_path / "radvd.pid")]
    theirs = world.home.host.popen(words, environment=world.home.environment)
    world.up()
    configured(world)
    wait_for("their prefix", lambda: usable(world.laptop, IPv6Network("2001:db8:77::/64")), 30)
    world.home.run("down", "home")
    assert theirs.poll() is None
    assert (tmp_path / "radvd.conf").read_text() == OTHER_RADVD
    world.home.host.stop(theirs)


def test_the_lan_follows_from_a_method_with_a_prefix_to_one_without(world: World) -> None:
    far_end = Tunnelmgr(
        world.internet.host("far-end", "192.0.2.17", "192.0.2.18", "2001:db8:3::1"),
        world.home.folder.parent,
        FAR_END,
    )
    far_end.up()
    world.home.write_profile(
        "home",
        f"""\
name: home
methods:
  - {{type: 6in4, when: {{public_ipv4: true}}, remote: {FAR}, address: "2001:db8:41::2/64",
     prefixes: ["2001:db8:5::/48"], keepalive: 5}}
  - {{type: teredo, when: {{public_ipv4: true}}, server: 192.0.2.17}}
network: {{probe: ["2001:db8:6::1"]}}
lan: {{interfaces: [lan0], share: nat66}}
""",
    )
    world.up()
    old = configured(world)
    world.far.run("down", "far")
    translated = wait_for("translation", lambda: usable(world.laptop, IPv6Network("fd00::/8")), 120)
    assert addresses(world.laptop) == {old: False, translated: True}
    wait_for("packets", lambda: ping(world.laptop, world.native.ipv6, 1) or None, 30)
    far_end.run("down", "far")
