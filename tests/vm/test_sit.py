"""Ours and the kernel's own `sit`, each with each: our plain path, our `datapath: kernel`, and a device of iproute2's.

native 2001:db8:6::1 -- backbone -- far 192.0.2.80 == protocol 41 == home 203.0.113.1, later 203.0.113.9
"""

import json
from collections.abc import Callable
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest

from tests.netns.capture import capturing
from tests.netns.program import Tunnelmgr, ping
from tests.netns.sixinfour.protocol41_attacks import STRANGER, attacks_on, send
from tests.vm.patience import PATIENCE, up
from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.namespaces import Host, NamespaceInternet
from tunnelmgr.lab.waiting import wait_for

HOME, LATER, FAR = IPv4Address("203.0.113.1"), IPv4Address("203.0.113.9"), IPv4Address("192.0.2.80")
HOME6, FAR6 = IPv6Address("2001:db8:41::2"), IPv6Address("2001:db8:41::1")
ESP = 50  # the protocol number; RFC 4303
HOME_PROFILE = """\
name: home
method: {{type: 6in4, remote: 192.0.2.80, address: 2001:db8:41::2/64{keys}}}
firewall: {{inbound: open}}
datapath: {datapath}
"""
FAR_PROFILE = """\
name: home
method: {{type: 6in4, remote: {remote}, address: 2001:db8:41::1/64, routes: ["2001:db8:77::/48"], forward: true}}
firewall: {{inbound: open}}
datapath: {datapath}
"""


class Carried(Enum):
    """Who carries an end's packets."""

    PLAIN = "plain"
    KERNEL = "kernel"
    IPROUTE2 = "iproute2"
    """No process of ours at all."""


class Ends:
    """Both ends up, and a host beyond the far one."""

    def __init__(self, internet: NamespaceInternet, folder: Path, home: Carried, far: Carried, keys: str = "") -> None:
        self.internet = internet
        self.native = internet.host("native", "2001:db8:6::1")
        self.home = Tunnelmgr(
            internet.host("home", HOME, LATER), folder, HOME_PROFILE.format(datapath=home.value, keys=keys)
        )
        self.far = Tunnelmgr(
            internet.host("far", FAR, "2001:db8:80::1"), folder, FAR_PROFILE.format(datapath=far.value, remote=HOME)
        )
        internet.route("2001:db8:41::/64", self.far.host)
        if far is Carried.IPROUTE2:
            sit_end(self.far.host, HOME)
        else:
            up(self.far)
        up(self.home)
        wait_for("the path", lambda: self.home.running()["datapath"] == home.value or None, PATIENCE)

    def down(self) -> None:
        for end in (self.home, self.far):
            end.run("down", "home", check=False, timeout=PATIENCE)
            assert [line for line in end.traces() if "far41" not in line] == []


def sit_end(host: Host, remote: IPv4Address) -> None:
    """Make the far end as a router's administrator does."""
    for words in (
        f"link add dev far41 type sit local {FAR} remote {remote} ttl 64",
        "link set dev far41 up",
        f"address add {FAR6}/64 dev far41 nodad",
    ):
        host.run(["ip", *words.split()])
    host.run(["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"])


PAIRS = [
    (Carried.PLAIN, Carried.IPROUTE2),
    (Carried.KERNEL, Carried.IPROUTE2),
    (Carried.KERNEL, Carried.PLAIN),
    (Carried.PLAIN, Carried.KERNEL),
    (Carried.KERNEL, Carried.KERNEL),
]
pairs = pytest.mark.parametrize(("home", "far"), PAIRS, ids=lambda carried: carried.value)


def transfer(ends: Ends, seconds: int, *options: str) -> Callable[[], dict[str, Any]]:
    """Begin a TCP transfer from the native host to home; what is returned waits for its end and tells how it went."""
    server, client = ends.native, ends.home.host
    listening = server.popen(["iperf3", "-s", "-1"])
    wait_for("iperf3", lambda: ":5201" in server.run(["ss", "-ltn"]).stdout or None, PATIENCE)
    words = ["iperf3", "-6", "-J", "-t", str(seconds), "-c", str(ends.native.ipv6), *options]

    def finish() -> dict[str, Any]:
        said = json.loads(client.run(words, timeout=PATIENCE + seconds, check=False).stdout)
        listening.wait(PATIENCE)
        assert "error" not in said, said["error"]
        return dict(said["end"])

    return finish


@pairs
def test_ping_and_tcp_both_ways_and_nothing_is_left(
    internet: NamespaceInternet, tmp_path: Path, home: Carried, far: Carried
) -> None:
    ends = Ends(internet, tmp_path, home, far)
    assert ping(ends.home.host, FAR6, 5) == 5
    assert ping(ends.far.host, HOME6, 5) == 5
    assert ping(ends.home.host, ends.native.ipv6, 5) == 5
    assert ping(ends.native, HOME6, 5) == 5
    for options in ((), ("-R",)):
        assert transfer(ends, 2, *options)()["sum_received"]["bytes"] > 100_000
    status = ends.home.status()
    assert status["condition"]["state"] == "up"
    assert status["running"]["mtu"] == 1480
    assert status["running"]["traffic"]["packets_received"] > 100
    ends.down()


@pytest.mark.requirement("S-DE-002")
@pairs
def test_no_icmp_error_answers_good_packets(
    internet: NamespaceInternet, tmp_path: Path, home: Carried, far: Carried
) -> None:
    ends = Ends(internet, tmp_path, home, far)
    assert errors_while_pinging(ends) == 0
    ends.down()


def test_without_our_rule_the_kernel_answers_good_packets_with_errors(internet: NamespaceInternet, tmp_path: Path) -> None:
    """What the rule is for, and proof that the test above can fail."""
    internet.backbone.run(["modprobe", "tunnel4"])
    ends = Ends(internet, tmp_path, Carried.PLAIN, Carried.IPROUTE2)
    ends.home.host.run(["nft", "delete", "table", "ip", "tunnelmgr_home_errors"])
    assert errors_while_pinging(ends) > 0
    ends.down()


def errors_while_pinging(ends: Ends) -> int:
    """How many ICMP errors reach the far end while all its packets are good."""
    with capturing(ends.far.host, "eth0") as capture:
        assert ping(ends.far.host, HOME6, 20, interval=0.05) == 20
        assert ping(ends.home.host, FAR6, 20, interval=0.05) == 20
    return sum(packet.payload[0] == 3 for packet in capture.ipv4(IpProtocol.ICMPV4))


@pytest.mark.requirement("S-MT-004")
@pairs
def test_a_path_mtu_that_shrinks_under_a_transfer_does_not_end_it(
    internet: NamespaceInternet, tmp_path: Path, home: Carried, far: Carried
) -> None:
    ends = Ends(internet, tmp_path, home, far)
    finish = transfer(ends, 10)
    routes = ((HOME, "home"), (FAR, "far"))
    shrink = "; ".join(f"ip route replace {to} dev {port} mtu lock 1400" for to, port in routes)
    shrinking = internet.backbone.popen(["sh", "-c", f"sleep 4; {shrink}"])
    done = finish()
    assert shrinking.wait(PATIENCE) == 0
    assert done["sum_received"]["bytes"] > 100_000
    assert done["streams"][0]["receiver"]["seconds"] > 8
    wait_for("the MTU", lambda: ends.home.running()["mtu"] == 1380 or None, PATIENCE)
    assert ping(ends.home.host, ends.native.ipv6, 3) == 3
    ends.down()


@pytest.mark.requirement("S-UP-007")
@pytest.mark.parametrize(("home", "far"), PAIRS[:2], ids=lambda carried: carried.value)
def test_another_address_under_a_transfer_keeps_device_addresses_and_transfer(
    internet: NamespaceInternet, tmp_path: Path, home: Carried, far: Carried
) -> None:
    ends = Ends(internet, tmp_path, home, far)
    index = ends.home.host.run(["ip", "-o", "link", "show", "tm-home"]).stdout.partition(":")[0]
    finish = transfer(ends, 15)
    moving = ends.home.host.popen(["sh", "-c", f"sleep 4; ip address del {HOME}/32 dev eth0"])
    told = f"sleep 5; ip link set dev far41 type sit remote {LATER} local {FAR}"
    telling = ends.far.host.popen(["sh", "-c", told])
    done = finish()
    assert (moving.wait(PATIENCE), telling.wait(PATIENCE)) == (0, 0)
    assert done["sum_received"]["bytes"] > 100_000
    wait_for("up again", lambda: ends.home.status()["condition"]["state"] == "up" or None, PATIENCE)
    running = ends.home.running()
    assert (running["tunnel"]["facts"]["local"], running["datapath"]) == (str(LATER), home.value)
    assert ends.home.host.run(["ip", "-o", "link", "show", "tm-home"]).stdout.partition(":")[0] == index
    assert IPv6Address(running["addresses"][0]) == HOME6
    ends.down()


@pytest.mark.requirement("S-EN-001", "S-EC-001", "S-MT-003", "S-EN-003")
@pytest.mark.parametrize(
    ("keys", "tos", "ttl", "dont_fragment"),
    [
        ("", 0x00, 64, True),
        (", mtu: 1400, ttl: 33, dscp: 10", 0x28, 33, False),
        (", ecn: normal", 0x01, 64, True),
    ],
)
def test_the_kernels_outer_header_is_as_the_profile_says(
    internet: NamespaceInternet, tmp_path: Path, keys: str, tos: int, ttl: int, dont_fragment: bool
) -> None:
    ends = Ends(internet, tmp_path, Carried.KERNEL, Carried.IPROUTE2, keys)
    with capturing(ends.home.host, "eth0") as capture:
        words = ["ping", "-6", "-n", "-c", "3", "-i", "0.2", "-Q", "0xb9", "-s", "100", str(FAR6)]
        ends.home.host.run(words)
    outer = [packet for packet in capture.ipv4(IpProtocol.IPV6) if packet.source == HOME and len(packet.payload) == 148]
    assert [(packet.tos, packet.ttl, packet.dont_fragment) for packet in outer] == [(tos, ttl, dont_fragment)] * 3
    ends.down()


def test_what_the_kernel_cannot_do_stays_plain_and_status_says_why(internet: NamespaceInternet, tmp_path: Path) -> None:
    ends = Ends(internet, tmp_path, Carried.PLAIN, Carried.IPROUTE2)
    assert ends.home.running()["datapath_reason"] == "the profile says `datapath: plain`"
    ends.home.run("down", "home", timeout=PATIENCE)
    uniform = HOME_PROFILE.format(datapath="auto", keys=", dscp_model: uniform")
    ends.home.write_profile("home", uniform)
    up(ends.home)
    running = ends.home.running()
    assert (running["datapath"], "does not copy the DSCP" in running["datapath_reason"]) == ("plain", True)
    ends.home.run("down", "home", timeout=PATIENCE)
    ends.home.write_profile("home", HOME_PROFILE.format(datapath="auto", keys=""))
    up(ends.home)
    wait_for("the kernel's path", lambda: ends.home.running()["datapath"] == "kernel" or None, PATIENCE)
    ends.down()


def test_a_silent_far_end_is_noticed_and_found_again_beside_the_kernels_tunnel(
    internet: NamespaceInternet, tmp_path: Path
) -> None:
    ends = Ends(internet, tmp_path, Carried.KERNEL, Carried.IPROUTE2, ", keepalive: 5")
    ends.far.host.run(["ip", "link", "set", "far41", "down"])
    wait_for("silence", lambda: ends.home.status()["condition"]["state"] == "impaired" or None, PATIENCE)
    assert not ends.home.running()["default_route"]
    ends.far.host.run(["ip", "link", "set", "far41", "up"])
    ends.far.host.run(["ip", "address", "replace", f"{FAR6}/64", "dev", "far41", "nodad"])
    wait_for("the far end", lambda: ends.home.status()["condition"]["state"] == "up" or None, PATIENCE)
    assert ends.home.running()["datapath"] == "kernel"
    assert ping(ends.home.host, FAR6, 3) == 3
    ends.down()


@pytest.mark.requirement("S-DE-001", "S-DE-002", "S-DE-005", "S-DE-006", "S-DE-007", "S-DE-009", "S-DE-011")
def test_what_attackers_send_into_the_kernels_tunnel_is_dropped_counted_and_not_answered(
    internet: NamespaceInternet, tmp_path: Path
) -> None:
    ends = Ends(internet, tmp_path, Carried.KERNEL, Carried.IPROUTE2, ', prefixes: ["2001:db8:5::/48"]')
    attacker = internet.host("attacker", STRANGER)
    attacks = dict(attacks_on(HOME, FAR, HOME6, site=IPv6Address("2001:db8:5::1")))
    before = ends.native.run(["ip", "-s", "link", "show", "eth0"]).stdout
    of_header = header_errors(ends.home.host)
    with capturing(attacker, "eth0") as at_attacker, capturing(ends.far.host, "eth0") as at_far:
        send(attacker, HOME, [packet for kind in attacks.values() for packet in kind])
        expected = {
            **{f"dropped-{reason}": len(attacks[reason]) for reason in ("outer-source", "routing-header", "nested")},
            "dropped-destination": 1,
            "dropped-source": 1,
            # 2002:a00:1::1 among them: its path bars what no IPv4 address is made into.
            "dropped-ingress": len(attacks["ingress"]) + 1,
        }
        # What is no IPv6, the last, and ::1 and ff02::1: no table ever sees them.
        unseen = of_header + len(attacks["malformed"]) + 2
        wait_for("the last", lambda: header_errors(ends.home.host) == unseen or None, PATIENCE)
        assert drops(ends.home) == expected
        assert ping(ends.home.host, FAR6, 2) == 2
    assert ends.native.run(["ip", "-s", "link", "show", "eth0"]).stdout == before
    for capture in (at_attacker, at_far):
        assert list(capture.ipv4(IpProtocol.IPV6))
        assert list(capture.ipv4(IpProtocol.ICMPV4)) == []
    ends.down()


def drops(end: Tunnelmgr) -> dict[str, int]:
    """What `status` says was dropped, but for what came before the device was there."""
    counted = end.tunnel()["counters"]
    return {name: packets for name, packets in counted.items() if name.startswith("dropped-") and "device" not in name}


def header_errors(host: Host) -> int:
    """How many packets out of the tunnel had a header that the kernel itself takes for wrong."""
    lines = host.run(["cat", "/proc/net/dev_snmp6/tm-home"]).stdout.splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Ip6InHdrErrors"))


def test_sit_leaves_its_module_and_its_own_device_on_the_host_and_nothing_else(
    internet: NamespaceInternet, tmp_path: Path
) -> None:
    """What the plugin's README.md and docs/protocols/sixinfour.md, section 12, say of it."""
    internet.backbone.run(["modprobe", "-r", "sit"], check=False)
    host = internet.host("witness", "203.0.113.7")
    attacker = internet.host("attacker", STRANGER)
    before = devices(host), modules(), codes_answered(attacker, IPv4Address("203.0.113.7"))
    ends = Ends(internet, tmp_path, Carried.KERNEL, Carried.PLAIN)
    ends.down()
    after = devices(host), modules(), codes_answered(attacker, IPv4Address("203.0.113.7"))
    assert after[0] - before[0] == {"sit0"}
    assert devices(ends.home.host) == after[0]
    assert "sit" in after[1] - before[1]
    assert (before[2], after[2]) == ({2}, {3})


def devices(host: Host) -> set[str]:
    return {link["ifname"] for link in json.loads(host.run(["ip", "-json", "link"]).stdout)}


def modules() -> set[str]:
    return {line.split()[0] for line in Path("/proc/modules").read_text().splitlines()}


def codes_answered(attacker: Host, target: IPv4Address) -> set[int]:
    """The codes of the ICMP errors that answer protocol 41 (RFC 792: 2 for the protocol, 3 for the port)."""
    with capturing(attacker, "eth0") as capture:
        send(attacker, target, [IPv4Packet(STRANGER, target, IpProtocol.IPV6, bytes(40)).serialize()])
        wait_for("an answer", lambda: list(capture.ipv4(IpProtocol.ICMPV4)) or None, PATIENCE)
    return {packet.payload[1] for packet in capture.ipv4(IpProtocol.ICMPV4)}


def test_a_killed_process_leaves_a_device_that_cleanup_deletes(internet: NamespaceInternet, tmp_path: Path) -> None:
    ends = Ends(internet, tmp_path, Carried.KERNEL, Carried.IPROUTE2)
    ends.home.host.run(["kill", "-KILL", str(ends.home.status()["pid"])])
    wait_for("the end", lambda: ends.home.run("status", "home", check=False).returncode == 3 or None, PATIENCE)
    assert "tm-home" in ends.home.host.run(["ip", "-o", "link"]).stdout
    said = ends.home.run("cleanup", timeout=PATIENCE)
    assert "ip link delete dev tm-home" in said.stdout + said.stderr
    assert [line for line in ends.home.traces() if ".sock" not in line] == []


@pytest.mark.requirement("S-SE-004")
@pytest.mark.parametrize("home", [Carried.PLAIN, Carried.KERNEL], ids=lambda carried: carried.value)
def test_ipsec_in_transport_mode_hides_the_tunnel(internet: NamespaceInternet, tmp_path: Path, home: Carried) -> None:
    ends = Ends(internet, tmp_path, home, Carried.IPROUTE2)
    for host in (ends.home.host, ends.far.host):
        protect(host, HOME, FAR)
    with capturing(ends.far.host, "eth0") as capture:
        assert ping(ends.home.host, FAR6, 5) == 5
        assert ping(ends.far.host, HOME6, 5) == 5
    assert len(list(capture.ipv4(ESP))) >= 20
    assert list(capture.ipv4(IpProtocol.IPV6)) == []
    ends.down()


def protect(host: Host, *ends: IPv4Address) -> None:
    """Have protocol 41 between two addresses travel in ESP only (RFC 4891), by keys that a test may show."""
    own = next(end for end in ends if end in host.addresses)
    for number, (source, destination) in enumerate((ends, ends[::-1]), 1):
        way = f"src {source} dst {destination}"
        direction = "out" if source == own else "in"
        keys = ["enc", "cbc(aes)", f"0x{number:032x}", "auth", "hmac(sha256)", f"0x{number:064x}"]
        state = f"xfrm state add {way} proto esp spi {number} mode transport"
        policy = f"xfrm policy add {way} proto 41 dir {direction} tmpl {way} proto esp mode transport"
        host.run(["ip", *state.split(), *keys])
        host.run(["ip", *policy.split()])
