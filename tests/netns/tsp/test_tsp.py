"""`tunnelmgr up` on both ends of TSP: a broker with a routed prefix, clients behind a NAT and without one.

home (client) --- NAT 203.0.113.1 --- backbone --- 192.0.2.33       broker   broker.example.net; 2001:db8:100::/40
                                         |-------- 203.0.113.65     open     a client without NAT
                                         `-------- 2001:db8:6::1    native   no IPv4 at all
"""

import json
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.program import Tunnelmgr, ping
from tests.peers.tsp_internet import (
    ACCOUNT,
    ADDRESS,
    ANONYMOUS,
    BROKER,
    PASSWORD,
    TspInternet,
    assert_carries,
    write_secret,
)
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr.lab.waiting import wait_for

OTHER_NATS = [kind for kind in NatKind if kind not in {NatKind.NONE, NatKind.PORT_RESTRICTED, NatKind.UDP_BLOCKED}]


@pytest.mark.parametrize("passes", [True, False], ids=["UDP passes", "UDP blocked"])
def test_detect_reaches_a_broker_by_udp_and_tcp(far_end: TspInternet, tmp_path: Path, passes: bool) -> None:
    site = far_end.internet.site("home", NatKind.PORT_RESTRICTED if passes else NatKind.UDP_BLOCKED)
    home = Tunnelmgr(site.inside, tmp_path, ANONYMOUS)
    found = json.loads(home.run("detect", home.profile, "--json").stdout)["data"]["findings"]
    reached = {one["what"]: one["reached"] for one in found["far_ends"]}
    assert reached == {"broker broker.example.net, UDP 3653": passes, "broker broker.example.net, TCP 3653": True}
    assert (found["udp"], found["nat"]["kind"]) == (passes, None if passes else "blocked")


@pytest.fixture
def without_nat(far_end: TspInternet, tmp_path: Path) -> Iterator[Tunnelmgr]:
    """An anonymous client on the backbone."""
    tunnelmgr = Tunnelmgr(far_end.internet.host("open", "203.0.113.65"), tmp_path, ANONYMOUS)
    yield tunnelmgr
    tunnelmgr.run("down", tunnelmgr.profile)
    assert tunnelmgr.traces() == []


def test_behind_a_nat_it_is_udp_with_an_account_and_a_prefix(far_end: TspInternet, home: Tunnelmgr, iperf3: str) -> None:
    story = home.up()
    assert story[0] == "home: starting, tsp, broker broker.example.net, user alice"
    assert "home: broker broker.example.net gives a v6udpv4 tunnel, behind a NAT as 203.0.113.1" in story
    assert story[-1].startswith("home: carries packets: 2 of 2 probes")
    facts = home.tunnel()["facts"]
    assert (facts["tunnel"], facts["authentication"]) == ("v6udpv4", "DIGEST-MD5")
    assert facts["prefix"] == "2001:db8:100:100::/56"
    assert_carries(far_end, home)


def test_without_a_nat_it_is_protocol_41(far_end: TspInternet, without_nat: Tunnelmgr, iperf3: str) -> None:
    without_nat.up()
    assert without_nat.tunnel()["facts"]["tunnel"] == "v6v4"
    assert_carries(far_end, without_nat)


@pytest.mark.parametrize("kind", OTHER_NATS, ids=lambda kind: kind.value)
def test_behind_any_nat_an_anonymous_client_gets_an_address(
    far_end: TspInternet, tmp_path: Path, kind: NatKind, iperf3: str
) -> None:
    client = Tunnelmgr(far_end.internet.site("anywhere", kind).inside, tmp_path, ANONYMOUS)
    client.up()
    assert client.tunnel()["facts"]["tunnel"] == "v6udpv4"
    assert_carries(far_end, client)
    client.run("down", "home")
    assert client.traces() == []


@pytest.mark.parametrize(
    ("profile", "authentication", "prefix"),
    [
        (
            ACCOUNT.replace("  prefix_length: 56", "  prefix_length: 56\n  signalling: tcp"),
            "DIGEST-MD5",
            "2001:db8:100:100::/56",
        ),
        (ANONYMOUS.replace("net}", "net, signalling: tcp}"), "ANONYMOUS", None),
    ],
    ids=["account", "anonymous"],
)
def test_signalling_over_tcp_sets_up_protocol_41(
    far_end: TspInternet, without_nat: Tunnelmgr, iperf3: str, profile: str, authentication: str, prefix: str | None
) -> None:
    without_nat.profile.write_text(profile)
    write_secret(without_nat, "password", f"{PASSWORD}\n")
    without_nat.up()
    facts = without_nat.tunnel()["facts"]
    assert (facts["tunnel"], facts["authentication"], facts["prefix"]) == ("v6v4", authentication, prefix)
    assert_carries(far_end, without_nat)


def test_a_drained_broker_sends_newcomers_to_another(
    far_end: TspInternet, home: Tunnelmgr, tmp_path: Path, iperf3: str
) -> None:
    host = far_end.internet.host("second", "192.0.2.34", "2001:db8:8::1")
    far_end.internet.route("2001:db8:200::/40", host)
    text = BROKER.replace(ADDRESS, "192.0.2.34").replace("2001:db8:100", "2001:db8:200")
    second = Tunnelmgr(host, tmp_path, text)
    write_secret(second, "users", (far_end.broker.folder / "users").read_text())
    second.up()
    far_end.broker.run("down", "broker")
    far_end.broker.profile.write_text(far_end.broker.profile.read_text() + "  redirect: [192.0.2.34]\n")
    far_end.broker.up()
    far_end.broker.run("broker", "drain", "broker")
    home.up()
    assert home.tunnel()["facts"]["broker"] == "192.0.2.34"
    assert_carries(far_end, home)
    second.run("down", "broker")
    assert second.traces() == []


def test_two_clients_of_one_broker_reach_each_other(far_end: TspInternet, home: Tunnelmgr, without_nat: Tunnelmgr) -> None:
    home.profile.write_text(home.profile.read_text() + "firewall: {inbound: open}\n")
    home.up()
    without_nat.up()
    assert ping(without_nat.host, home.address(), 5) == 5


def test_a_broker_that_was_killed_gives_the_same_addresses_again(far_end: TspInternet, home: Tunnelmgr) -> None:
    home.up()
    address, prefix = home.address(), home.tunnel()["facts"]["prefix"]
    far_end.broker.host.run(["kill", f"-{signal.SIGKILL.value}", str(far_end.broker.status("broker")["pid"])])
    far_end.broker.up()
    home.run("down", "home")
    home.up()
    assert (home.address(), home.tunnel()["facts"]["prefix"]) == (address, prefix)
    leases = json.loads(far_end.broker.run("broker", "leases", "broker", "--json").stdout)["data"]["leases"]
    assert [(row["owner"], row["address"]) for row in leases] == [("user alice", str(address))]


def test_a_wrong_password_ends_it_at_once_with_77(far_end: TspInternet, home: Tunnelmgr) -> None:
    write_secret(home, "password", "blunder\n")
    done = home.run("up", home.profile, check=False)
    assert done.returncode == 77
    assert "refused user 'alice'" in done.stderr
    assert "blunder" not in done.stderr


def test_nobody_there_ends_with_75(far_end: TspInternet, without_nat: Tunnelmgr) -> None:
    without_nat.profile.write_text("name: home\nmethod: {type: tsp, broker: 192.0.2.200, signalling: udp}\n")
    done = without_nat.run("up", without_nat.profile, "--timeout", "3", check=False)
    assert done.returncode == 75


def test_the_broker_tells_its_users_and_their_tunnels(far_end: TspInternet, home: Tunnelmgr) -> None:
    home.up()
    users = json.loads(far_end.broker.run("broker", "users", "broker", "--json").stdout)["data"]["users"]
    assert users[0]["user"] == "alice"
    assert users[0]["tunnel"] == "v6udpv4"
    assert users[0]["endpoint"].startswith("203.0.113.1:")
    table = far_end.broker.run("broker", "users", "broker").stdout
    assert "alice" in table


def test_the_leases_are_below_the_state_directory_and_nobody_else_s(far_end: TspInternet, home: Tunnelmgr) -> None:
    home.up()
    state = far_end.broker.folder / "state"
    assert {str(path.relative_to(state)) for path in state.rglob("*.db")} == {"broker/leases.db"}
    assert {oct(path.stat().st_mode & 0o777) for path in (state / "broker").iterdir()} == {"0o600"}
    assert oct((state / "broker").stat().st_mode & 0o777) == "0o700"


def test_what_the_broker_s_own_kernel_tells_the_link_is_not_malformed(far_end: TspInternet, home: Tunnelmgr) -> None:
    home.up()
    for name, program in (("broker", far_end.broker), ("home", home)):
        counters = program.tunnel(name)["counters"]
        assert "dropped-malformed" not in counters
        assert name == "home" or counters["dropped-multicast"] > 0


def test_leases_that_cannot_be_kept_are_said_and_kept_again_when_they_can(far_end: TspInternet, home: Tunnelmgr) -> None:
    database = far_end.broker.folder / "state/broker/leases.db"
    with sqlite3.connect(database) as other:
        other.execute("ALTER TABLE tsp_leases RENAME TO hidden")
    up = home.run("up", home.profile, "--timeout", "8", check=False)
    assert "310 Server side error" in up.stderr or "310 'Server side error'" in up.stderr
    shown = far_end.broker.run("status", "broker").stdout
    assert "[TM-H019]" in shown
    assert f"the leases cannot be kept in sqlite:///{database}: no such table: tsp_leases" in shown
    with sqlite3.connect(database) as other:
        other.execute("ALTER TABLE hidden RENAME TO tsp_leases")
    home.up()
    assert "[TM-H019]" not in far_end.broker.run("status", "broker").stdout


@pytest.mark.parametrize("snapshot", ["262144", "120"], ids=["whole", "cut"])
@pytest.mark.parametrize("signalling", ["udp", "tcp"])
def test_a_session_that_dumpcap_wrote_is_told_message_by_message(
    far_end: TspInternet, without_nat: Tunnelmgr, tshark: str, tmp_path: Path, signalling: str, snapshot: str
) -> None:
    without_nat.profile.write_text(ANONYMOUS.replace("net}", f"net, signalling: {signalling}}}"))
    file = tmp_path / "session.pcapng"
    words = ["dumpcap", "-q", "-i", "any", "-s", snapshot, "-w", str(file)]
    dumping = far_end.broker.host.popen(words, output=tmp_path / "dumpcap")
    wait_for("dumpcap", lambda: file.exists() or None)
    without_nat.up()
    assert ping(without_nat.host, far_end.native.ipv6, 2) == 2
    dumping.send_signal(signal.SIGINT)
    dumping.wait(10)
    told = without_nat.run("decode", file).stdout
    for sentence in (
        "the client says which version of the protocol it speaks: 2.0.0",
        "the broker says what it offers: ",
        "the client asks for a tunnel without an account",
        *(["asks for a v6anyv4 tunnel", "the broker offers a v6v4 tunnel to 2001:db8:100:"] if snapshot != "120" else []),
        "data: echo request",
    ):
        assert sentence in told, told
    assert "malformed" not in told
