"""A configured tunnel between two hosts of the lab, `tunnelmgr up` on both.

home 203.0.113.66, 203.0.113.99 --- backbone --- far 192.0.2.80, 2001:db8:80::1 --- native 2001:db8:6::1
  2001:db8:41::2  =============== protocol 41 ===============  2001:db8:41::1, forwards
The IPv6 internet routes 2001:db8:41::/64 to far.
"""

import json
import sys
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest

from tests.netns.capture import capturing
from tests.netns.conftest import require_program
from tests.netns.program import Tunnelmgr, ping
from tests.netns.sixinfour.protocol41_attacks import STRANGER, attacks_on, send
from tests.peers.faketime import WallClock
from tests.peers.https import make_certificates, requests
from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.namespaces import Host, NamespaceInternet
from tunnelmgr.lab.vocabulary import Nat
from tunnelmgr.lab.waiting import wait_for

HOME, HOME_LATER, FAR = IPv4Address("203.0.113.66"), IPv4Address("203.0.113.99"), IPv4Address("192.0.2.80")
HOME6, FAR6 = IPv6Address("2001:db8:41::2"), IPv6Address("2001:db8:41::1")
HOME_PROFILE = f"""\
name: home
method: {{type: 6in4, remote: {FAR}, address: "{HOME6}/64", prefixes: ["2001:db8:5::/48"]}}
firewall: {{inbound: open}}
"""
FAR_PROFILE = """\
name: home
method: {{type: 6in4, remote: {remote}, address: "2001:db8:41::1/64", routes: ["2001:db8:5::/48"], forward: true}}
firewall: {{inbound: open}}
"""


class Ends:
    """Both ends, and who is around."""

    def __init__(self, internet: NamespaceInternet, folder: Path) -> None:
        self.internet = internet
        self.native = internet.host("native", "2001:db8:6::1")
        self.home = Tunnelmgr(internet.host("home", HOME, HOME_LATER), folder, HOME_PROFILE)
        self.far = Tunnelmgr(internet.host("far", FAR, "2001:db8:80::1"), folder, FAR_PROFILE.format(remote=HOME))
        internet.route("2001:db8:41::/64", self.far.host)

    def up(self) -> None:
        for end in (self.far, self.home):
            end.up()

    def counters(self) -> dict[str, int]:
        return dict(self.home.tunnel()["counters"])


@pytest.fixture
def ends(internet: NamespaceInternet, tmp_path: Path) -> Iterator[Ends]:
    made = Ends(internet, tmp_path)
    yield made
    for end in (made.home, made.far):
        end.run("down", "home", check=False)
        assert end.traces() == []


def transfer(server: Host, client: Host, target: IPv6Address, *options: str) -> Callable[[], dict[str, Any]]:
    """Begin a TCP transfer with iperf3; what is returned waits for its end and tells how it went."""
    listening = server.popen(["iperf3", "-s", "-1"])
    wait_for("iperf3", lambda: ":5201" in server.run(["ss", "-ltn"]).stdout or None)
    words = ["iperf3", "-6", "-J", "-c", str(target), *options]

    def finish() -> dict[str, Any]:
        said = json.loads(client.run(words, timeout=60).stdout)
        listening.wait(10)
        assert "error" not in said, said["error"]
        return dict(said["end"])

    return finish


def test_both_ends_ping_and_transfer_both_ways_and_the_far_end_forwards(ends: Ends, iperf3: str) -> None:
    ends.up()
    home, far = ends.home.host, ends.far.host
    assert ping(home, FAR6, 20, interval=0.02) == 20
    assert ping(far, HOME6, 20, interval=0.02) == 20
    assert ping(home, ends.native.ipv6, 20, interval=0.02) == 20
    assert ping(ends.native, HOME6, 5) == 5
    for options in ((), ("-R",)):
        done = transfer(ends.native, home, ends.native.ipv6, "-t", "1", *options)()
        assert done["sum_received"]["bytes"] > 1_000_000
    status = ends.home.status()
    running = status["running"]
    assert status["condition"]["state"] == "up"
    assert running["mtu"] == 1480
    assert running["default_route"]
    early = "dropped-device-write"  # what came between the word and the device
    assert not [name for name in running["tunnel"]["counters"] if name.startswith("dropped-") and name != early]


def test_a_thousand_routes_beside_thirty_thousand_of_others_come_and_go(ends: Ends, tmp_path: Path) -> None:
    routes = [f"2001:db8:{number:x}::/48" for number in range(0x8000, 0x8000 + 1000)]
    lines = [f"route add 2600:{number:x}::/32 dev lo\n" for number in range(30_000)]
    (tmp_path / "others").write_text("".join(lines))
    ends.far.host.run(["ip", "-6", "-batch", str(tmp_path / "others")])
    text = FAR_PROFILE.format(remote=HOME)
    ends.far.write_profile("home", text.replace('["2001:db8:5::/48"]', json.dumps(routes)))
    ends.up()
    shown = ["ip", "-6", "route", "show", "dev", "tm-home", "proto", "116"]
    assert set(routes) <= {line.split()[0] for line in ends.far.host.run(shown).stdout.splitlines()}
    ends.far.host.run(["ip", "-6", "route", "del", routes[500], "dev", "tm-home"])
    wait_for("route", lambda: routes[500] in ends.far.host.run(shown).stdout or None)
    wait_for("packets", lambda: ping(ends.home.host, FAR6, 1) or None)  # the far end may be busy still


@pytest.mark.requirement("S-EN-004", "S-MT-006")
def test_the_tunnel_is_one_hop_and_its_ends_tell_senders_what_routers_tell(ends: Ends) -> None:
    ends.up()
    words = ["ping", "-6", "-n", "-c", "1", "-W", "3"]
    native, home = str(ends.native.ipv6), ends.home.host
    home.run([*words, "-t", "1", str(FAR6)])
    expired = home.run([*words, "-t", "1", native], check=False).stdout
    assert f"From {FAR6} icmp_seq=1 Time exceeded: Hop limit" in expired
    assert "ttl=62" in home.run([*words, "-t", "3", native]).stdout, "the far end took one either way, the backbone another"
    wait_for("the MTU", lambda: ends.far.running()["mtu"] == 1480 or None, 20)
    refused = ends.native.run([*words, "-M", "do", "-s", "1433", str(HOME6)], check=False).stdout
    assert "Packet too big: mtu=1480" in refused
    ends.native.run([*words, "-M", "do", "-s", "1432", str(HOME6)])


@pytest.mark.requirement("S-SE-001")
def test_up_and_down_are_the_one_switch_and_status_shows_how_it_stands(ends: Ends) -> None:
    home = ends.home
    ends.far.up()
    assert home.traces() == []
    assert ping(ends.native, HOME6, 1) == 0
    assert "home" not in home.run("status", check=False).stdout
    home.up()
    assert "6in4" in home.run("status").stdout
    assert ping(ends.native, HOME6, 3) == 3
    home.run("down", "home")
    assert home.traces() == []
    assert ping(ends.native, HOME6, 1) == 0


@pytest.mark.requirement("S-SE-002")
def test_the_firewall_on_the_tunnel_is_on_by_default(ends: Ends) -> None:
    ends.home.write_profile("home", HOME_PROFILE.replace("open", "established"))
    ends.up()
    ends.home.host.popen([sys.executable, "-m", "http.server", "8080", "--bind", "::"])
    wait_for("http server", lambda: ":8080" in ends.home.host.run(["ss", "-ltn"]).stdout or None)
    assert ping(ends.native, HOME6, 2) == 2
    connect = f"import socket; socket.create_connection(('{HOME6}', 8080), timeout=3)"
    assert ends.native.run([sys.executable, "-c", connect], check=False).returncode != 0


@pytest.mark.requirement("S-EN-001", "S-EN-003", "S-EC-001", "S-EC-004", "S-MT-003", "S-MT-004")
@pytest.mark.parametrize(
    ("keys", "tos", "ttl", "dont_fragment"),
    [
        ("", 0x00, 64, True),
        ("mtu: 1400, ttl: 33, dscp: 10, ", 0x28, 33, False),
        ("dscp_model: uniform, ecn: normal, ", 0xB9, 64, True),
    ],
)
def test_the_outer_header_on_the_wire_is_as_the_profile_says(
    ends: Ends, keys: str, tos: int, ttl: int, dont_fragment: bool
) -> None:
    ends.home.write_profile("home", HOME_PROFILE.replace("prefixes:", f"{keys}prefixes:"))
    ends.up()
    words = ["ping", "-6", "-n", "-c", "3", "-i", "0.1", "-Q", "0xb9", "-s", "100", str(ends.native.ipv6)]
    with capturing(ends.home.host, "eth0") as capture:
        ends.home.host.run(words)
    outer = [packet for packet in capture.ipv4(IpProtocol.IPV6) if packet.source == HOME and len(packet.payload) == 148]
    assert len(outer) == 3
    for packet in outer:
        assert (packet.destination, packet.options) == (FAR, b"")
        assert (packet.tos, packet.ttl, packet.dont_fragment) == (tos, ttl, dont_fragment)


@pytest.mark.requirement("S-SE-006", "S-ND-002")
def test_a_nat_that_forwards_protocol_41_carries_the_tunnel(internet: NamespaceInternet, tmp_path: Path) -> None:
    inside, far = behind_nat(internet, tmp_path, Nat())
    far.up()
    inside.up()
    assert ping(inside.host, FAR6, 5) == 5
    assert ping(far.host, HOME6, 5) == 5
    facts = inside.tunnel()["facts"]
    assert facts["behind_nat"] is True
    assert facts["link_local"] != "fe80::c0a8:102"
    for end in (inside, far):
        end.run("down", "home")


@pytest.mark.requirement("S-SE-006")
def test_a_nat_that_drops_protocol_41_is_suspected_and_the_tunnel_is_never_up(
    internet: NamespaceInternet, tmp_path: Path
) -> None:
    inside, far = behind_nat(internet, tmp_path, Nat(passes_protocol41=False))
    far.up()
    said = inside.run("up", inside.profile, "--timeout", "12", check=False)
    assert said.returncode == 75
    assert f"no protocol 41 comes back from {FAR}; 192.168.1.2 is behind a NAT" in said.stderr
    assert "carries packets" not in said.stderr
    assert inside.traces() == []
    far.run("down", "home")


def behind_nat(internet: NamespaceInternet, folder: Path, nat: Nat) -> tuple[Tunnelmgr, Tunnelmgr]:
    """A home behind a NAT, and its far end."""
    site = internet.site("site", nat)
    far = FAR_PROFILE.format(remote=site.address)
    return Tunnelmgr(site.inside, folder, HOME_PROFILE), Tunnelmgr(internet.host("far", FAR), folder, far)


def test_two_6to4_sites_reach_each_other(internet: NamespaceInternet, tmp_path: Path) -> None:
    sites = [
        Tunnelmgr(internet.host(name, address), tmp_path, "name: home\nmethod: {type: 6to4}\n")
        for name, address in (("left", "203.0.113.1"), ("right", "198.51.100.1"))
    ]
    for site in sites:
        site.up()
    left, right = sites
    assert str(left.address()) == "2002:cb00:7101::1"
    assert ping(left.host, right.address(), 5) == 5
    assert ping(right.host, left.address(), 5) == 5
    for site in sites:
        site.run("down", "home")
        assert site.traces() == []


def test_a_far_end_that_is_not_there_is_waited_for_and_found(ends: Ends) -> None:
    ends.home.start("up", "-f", ends.home.profile)
    wait_for("waiting", lambda: state_of(ends.home) == "waiting-for-peer" or None, 30)
    status = ends.home.status()
    assert status["condition"]["reason"].startswith(f"{FAR} speaks no protocol 41 (protocol unreachable")
    assert status["condition"]["hint"] == "start the tunnel at the far end"
    assert not status["running"]["default_route"]
    ends.far.up()
    wait_for("up", lambda: state_of(ends.home) == "up" or None, 30)
    assert ping(ends.home.host, ends.native.ipv6, 3) == 3


def state_of(end: Tunnelmgr) -> str:
    """The state of a profile that may not run yet."""
    said = end.run("status", end.profile, "--json", check=False).stdout
    [profile] = json.loads(said)["data"]["profiles"]
    return str(profile["state"])


@pytest.mark.requirement("S-MT-004")
def test_a_path_mtu_that_shrinks_under_a_transfer_does_not_end_it(ends: Ends, iperf3: str) -> None:
    ends.up()
    for options in ((), ("-R",)):
        ends.internet.backbone.run(_path_mtu(1500))
        finish = transfer(ends.native, ends.home.host, ends.native.ipv6, "-t", "6", *options)
        shrinking = ends.internet.backbone.popen(["sh", "-c", f"sleep 2; {_path_mtu(1400)[-1]}"])
        done = finish()
        shrinking.wait(5)
        assert done["sum_received"]["bytes"] > 1_000_000
        assert all(stream["receiver"]["seconds"] > 5 for stream in done["streams"])
    wait_for("the MTU", lambda: ends.home.running()["mtu"] == 1380 or None, 20)
    assert ping(ends.home.host, ends.native.ipv6, 3) == 3


def _path_mtu(mtu: int) -> list[str]:
    """Shell words that make the backbone refuse larger packets, both ways, with ICMP."""
    routes = ((HOME, "home"), (FAR, "far"))
    return ["sh", "-c", "; ".join(f"ip route replace {to} dev {port} mtu lock {mtu}" for to, port in routes)]


def test_a_large_packet_learns_the_path(ends: Ends) -> None:
    ends.up()
    ends.internet.backbone.run(_path_mtu(1400))
    words = ["ping", "-6", "-n", "-c", "4", "-i", "0.3", "-W", "3", "-M", "do", "-s", "1332", str(ends.native.ipv6)]
    ends.home.host.run(words)  # 1380 bytes with its headers
    large = [word if word != "1332" else "1400" for word in words]
    said = ends.home.host.run(large, check=False)
    assert "mtu=1380" in said.stdout + said.stderr or "mtu: 1380" in said.stdout + said.stderr
    assert ends.home.running()["mtu"] == 1380


@pytest.mark.requirement("S-UP-007")
def test_a_changed_address_keeps_device_addresses_and_transfers(ends: Ends, iperf3: str) -> None:
    ends.up()
    home = ends.home.host
    index = home.run(["ip", "-o", "link", "show", "tm-home"]).stdout.partition(":")[0]
    move_under_a_transfer(ends)
    wait_for("up again", lambda: state_of(ends.home) == "up" or None, 30)
    running = ends.home.running()
    assert running["tunnel"]["facts"]["local"] == str(HOME_LATER)
    assert home.run(["ip", "-o", "link", "show", "tm-home"]).stdout.partition(":")[0] == index
    assert IPv6Address(running["addresses"][0]) == HOME6
    assert ping(home, ends.native.ipv6, 3) == 3


def move_under_a_transfer(ends: Ends) -> None:
    """Take the home's address away while TCP flows, and let the far end follow; all of it arrives."""
    finish = transfer(ends.native, ends.home.host, ends.native.ipv6, "-t", "10")
    moving = ends.home.host.popen(["sh", "-c", f"sleep 2; ip address del {HOME}/32 dev eth0"])
    ends.far.write_profile("home", FAR_PROFILE.format(remote=HOME_LATER))
    again = f"{' '.join(ends.far.words('down', 'home'))}; {' '.join(ends.far.words('up', ends.far.profile))}"
    following = ends.far.host.popen(
        ["sh", "-c", f"sleep 3; {again}"], environment=ends.far.environment, output=ends.far.folder / "moved"
    )
    done = finish()
    assert moving.wait(5) == 0
    assert following.wait(30) == 0
    assert done["sum_received"]["bytes"] > 1_000_000


@pytest.mark.requirement("S-UP-001", "S-UP-002", "S-UP-005", "S-UP-006", "S-UP-007")
def test_a_provider_hears_once_of_an_address_that_changes_under_a_transfer(
    wall_clock: WallClock, ends: Ends, tmp_path: Path, iperf3: str
) -> None:
    require_program("openssl")
    ends.home.environment |= wall_clock.environment
    provider = ends.internet.host("provider", "192.0.2.60", "2001:db8:60::1", names=["ipv4.tunnelbroker.net"])
    folder = tmp_path / "provider"
    folder.mkdir()
    ends.home.environment["SSL_CERT_FILE"] = str(make_certificates(folder, "ipv4.tunnelbroker.net"))
    (folder / "answer").write_text("200 good")
    # It could be reached by IPv6 as well, through the very tunnel.
    provider.popen([sys.executable, "-m", "tests.peers.https", str(folder), "::", "443"], output=folder / "said")
    wait_for("the provider", lambda: (folder / "port").exists() or None)
    key = ends.home.folder / "he.key"
    key.touch(mode=0o600)
    key.write_text("S3CRET")
    update = "update: {provider: he, tunnel: 123456, username: me, key: {file: he.key}}"
    ends.home.write_profile("home", HOME_PROFILE.replace("prefixes:", f"{update}, prefixes:"))
    ends.up()
    wait_for("the first update", lambda: requests(folder) or None)
    wait_for("the answer", lambda: ends.home.tunnel()["facts"]["provider"] == "current" or None)
    ends.home.run("down", "home")
    wall_clock.jump_to(300)
    ends.home.up()
    move_under_a_transfer(ends)
    wait_for("both", lambda: state_of(ends.home) == "up" or None, 60)
    wait_for("the second update", lambda: len(requests(folder)) > 1 or None, 60)
    assert ping(ends.home.host, ends.native.ipv6, 3) == 3
    asked = requests(folder)
    assert [one["path"] for one in asked] == [
        f"/nic/update?hostname=123456&myip={address}" for address in (HOME, HOME_LATER)
    ]
    assert [one["from"] for one in asked] == [f"::ffff:{address}" for address in (HOME, HOME_LATER)]
    assert {one["authorization"] for one in asked} == {"Basic bWU6UzNDUkVU"}
    told = ends.home.run("status", "home", "--json").stdout
    assert "S3CRET" not in told
    assert "S3CRET" not in "".join(file.read_text() for file in ends.home.folder.rglob("*.log"))


@pytest.mark.requirement("S-DE-001", "S-DE-002", "S-DE-005", "S-DE-006", "S-DE-007", "S-DE-009", "S-DE-011")
def test_what_attackers_send_is_dropped_counted_and_not_answered(ends: Ends) -> None:
    ends.up()
    attacker = ends.internet.host("attacker", STRANGER)
    attacks = attacks_on(HOME, FAR, HOME6, site=IPv6Address("2001:db8:5::1"))
    before = ends.native.run(["ip", "-s", "link", "show", "eth0"]).stdout
    with capturing(attacker, "eth0") as at_attacker, capturing(ends.far.host, "eth0") as at_far:
        send(attacker, HOME, [packet for kind in attacks.values() for packet in kind])
        expected = {f"dropped-{reason}": len(packets) for reason, packets in attacks.items()}
        wait_for("the drops", lambda: expected.items() <= ends.counters().items() or None, 10)
        assert ping(ends.home.host, FAR6, 2) == 2
    assert ends.native.run(["ip", "-s", "link", "show", "eth0"]).stdout == before
    assert [len(list(capture.ipv4(IpProtocol.IPV6))) > 0 for capture in (at_attacker, at_far)] == [True, True]
    for capture in (at_attacker, at_far):
        assert list(capture.ipv4(IpProtocol.ICMPV4)) == []


@pytest.mark.requirement("S-DE-004")
def test_fragments_of_protocol_41_are_put_together(ends: Ends) -> None:
    ends.up()
    attacker = ends.internet.host("attacker", STRANGER)
    whole = IPv4Packet(FAR, HOME, IpProtocol.IPV6, _echo_reply(), identification=7)
    cut = 1024
    first = IPv4Packet(FAR, HOME, IpProtocol.IPV6, whole.payload[:cut], identification=7, more_fragments=True)
    second = IPv4Packet(FAR, HOME, IpProtocol.IPV6, whole.payload[cut:], identification=7, fragment_offset=cut)
    before = ends.home.running()["traffic"]["packets_received"]
    send(attacker, HOME, [first.serialize(), second.serialize()])
    wait_for("the packet", lambda: ends.home.running()["traffic"]["packets_received"] > before or None, 10)


def _echo_reply() -> bytes:
    return IPv6Packet(IPv6Address("2001:db8:6::1"), HOME6, IpProtocol.UDP, bytes(1480)).serialize()
