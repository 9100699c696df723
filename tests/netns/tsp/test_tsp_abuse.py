"""A broker's real process under strangers who send what they should not, and what it never says of passwords."""

import contextlib
import json
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.churn import KEPT_MAX, kept_of_each
from tests.netns.program import Tunnelmgr, ping
from tests.netns.strangers import STRANGERS, strangers_host
from tests.peers.tsp_internet import ACCOUNT, ADDRESS, ANONYMOUS, BROKER, PASSWORD, TspInternet, tsp_internet
from tunnelmgr.lab.namespaces import Host
from tunnelmgr.lab.waiting import wait_for

PORT = 3653
VERSION = b"VERSION=2.0.0\r\n"
EACH = 8  # half-open sessions of one stranger: as many as a broker lets one address have
MEMORY_MAX = 80_000  # kB more than before, for 1024 sessions with all they may say
BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
    '<tunnel action="create">&c;</tunnel>'
)
RUDE = [
    b"Content-length: 99999999999999999999\r\n",
    b"Content-length: 16384\r\n" + b"x" * 1000,
    b"Content-length: -1\r\n\r\n",
    f"Content-length: {len(BOMB)}\r\n{BOMB}".encode(),
    b"Content-length: 9000\r\n" + b"<a>" * 3000,
    b"\0" * 1400,
    b"VERSION=9.9.9\r\n",
    b"AUTHENTICATE \xff\xfe\r\n",
]


@pytest.fixture
def far_end(lab_name: Callable[[], str], tmp_path: Path) -> Iterator[TspInternet]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))  # as a user's shell has it
        internet = stack.enter_context(tsp_internet(lab_name(), tmp_path, f"{BROKER}  plain: true\n"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, len(STRANGERS) * EACH + 1024), hard))
        yield internet


@pytest.fixture
def strangers(far_end: TspInternet) -> Host:
    return strangers_host(far_end.internet)


def memory(far_end: TspInternet) -> int:
    """The broker's memory in kB."""
    pid = far_end.broker.status("broker")["pid"]
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])


def counter(far_end: TspInternet, name: str) -> int:
    return int(far_end.broker.tunnel("broker")["counters"].get(name, 0))


def assert_served(far_end: TspInternet, home: Tunnelmgr) -> None:
    home.up()
    assert ping(home.host, far_end.native.ipv6, 5) == 5


def test_garbage_over_udp_costs_no_memory_and_others_are_served(
    far_end: TspInternet, home: Tunnelmgr, strangers: Host
) -> None:
    before, random = memory(far_end), Random(1)
    with strangers.enter():
        for stranger in STRANGERS:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind((str(stranger), 0))
                for sequence, rude in enumerate([b"VERSION=2.0.0\r\n", b"AUTHENTICATE ANONYMOUS\r\n", *RUDE], 240):
                    sock.sendto(b"\xf0\0\0" + bytes([sequence & 0xFF]) + bytes(4) + rude, (ADDRESS, PORT))
                sock.sendto(random.randbytes(1400), (ADDRESS, PORT))
                sock.sendto(b"\x60" + random.randbytes(60), (ADDRESS, PORT))
    assert_served(far_end, home)
    assert memory(far_end) < before + MEMORY_MAX
    assert counter(far_end, "requests") > len(STRANGERS)


@pytest.mark.parametrize("said", [b"", b"VERSION=2.0", RUDE[1]], ids=["silence", "half a line", "half a message"])
def test_thousands_of_half_open_connections_leave_room_for_others(
    far_end: TspInternet, strangers: Host, tmp_path: Path, said: bytes
) -> None:
    over_tcp = ANONYMOUS.replace("net}", "net, signalling: tcp}")
    client = Tunnelmgr(far_end.internet.host("open", "203.0.113.65"), tmp_path, over_tcp)
    before = memory(far_end)
    with contextlib.ExitStack() as held, strangers.enter():
        for stranger in STRANGERS * EACH:
            sock = held.enter_context(socket.socket())
            sock.settimeout(2.0)
            sock.bind((str(stranger), 0))
            with contextlib.suppress(OSError):
                sock.connect((ADDRESS, PORT))
                sock.send(said)
        assert_served(far_end, client)
        assert memory(far_end) < before + MEMORY_MAX
        client.run("down", "home")


def test_thousands_of_half_open_sessions_over_udp_leave_room_for_others(
    far_end: TspInternet, home: Tunnelmgr, strangers: Host
) -> None:
    before = memory(far_end)
    with contextlib.ExitStack() as open_sockets, strangers.enter():
        for stranger in STRANGERS:
            for _ in range(EACH):
                sock = open_sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                sock.bind((str(stranger), 0))
                sock.sendto(b"\xf0\0\0\xf0" + bytes(4) + b"VERSION=2.0.0\r\n", (ADDRESS, PORT))
        assert_served(far_end, home)
    assert counter(far_end, "sessions-given-up") > 0
    assert memory(far_end) < before + MEMORY_MAX


def test_a_password_is_in_no_story_status_log_or_trace(far_end: TspInternet, home: Tunnelmgr) -> None:
    """With the one login that sends it in plain text; a capture (`trace -o`) holds what is on the wire, as it must."""
    home.profile.write_text(ACCOUNT.replace("prefix_length: 56", "auth: plain"))
    broker = far_end.broker
    watching = broker.start("trace", "broker", "-v", output="trace")
    wait_for("the trace", lambda: "broker" in (broker.folder / "trace").read_text() or None)
    told = [*home.up(), home.run("status", "home", "--peers").stdout, json.dumps(home.status())]
    assert home.tunnel()["facts"]["authentication"] == "PLAIN"
    assert ping(home.host, far_end.native.ipv6, 2) == 2
    broker.host.stop(watching)
    told += [json.dumps(broker.status("broker")), broker.run("broker", "users", "broker", "--json").stdout]
    logs = [path for one in (home, broker) for path in one.runtime_dir.glob("*.log")]
    told += [path.read_text() for path in (broker.folder / "trace", *logs)]
    assert "AUTHENTICATE" in told[-1 - len(logs)] or "3653" in told[-1 - len(logs)], "the trace saw the login"
    hashed = (broker.folder / "users").read_text().strip().partition(":")[2]
    assert [text for text in told if PASSWORD in text or hashed in text] == []


@pytest.mark.parametrize("said", [b"", VERSION], ids=["nothing", "a line"])
def test_connections_by_the_ten_thousand_leave_nothing(far_end: TspInternet, strangers: Host, said: bytes) -> None:
    def begin(number: int) -> socket.socket:
        connection = socket.socket()
        connection.bind((str(STRANGERS[number % len(STRANGERS)]), 0))
        connection.settimeout(5.0)
        connection.connect((ADDRESS, PORT))
        if said:
            connection.sendall(said)
            assert connection.recv(1) == b"C"  # of CAPABILITY; who closes with something unread resets
        return connection

    with strangers.enter():
        assert kept_of_each(far_end.broker.control("broker"), begin) < KEPT_MAX


def test_sessions_over_udp_by_the_ten_thousand_leave_nothing(far_end: TspInternet, strangers: Host) -> None:
    def begin(number: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((str(STRANGERS[number % len(STRANGERS)]), 0))
        sock.settimeout(5.0)
        sock.sendto(b"\xf0\0\0\xf0" + bytes(4) + VERSION, (ADDRESS, PORT))
        assert b"CAPABILITY" in sock.recv(1000)
        return sock

    with strangers.enter():
        assert kept_of_each(far_end.broker.control("broker"), begin) < KEPT_MAX
