"""`tunnelmgr trace` on a host behind a NAT, with Miredo as far end and Wireshark as reader."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.netns.program import Tunnelmgr, ping
from tests.peers.teredo_internet import TeredoInternet
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.lab.waiting import wait_for


@pytest.fixture
def home(home: Tunnelmgr) -> Tunnelmgr:
    """Its tunnel is up."""
    home.up()
    return home


@pytest.fixture
def watch(home: Tunnelmgr) -> Callable[..., subprocess.Popen[bytes]]:
    """Start `trace home` and return when it watches; what it says is in the file `said`."""

    def start(*options: str | Path) -> subprocess.Popen[bytes]:
        program = home.start("trace", "home", *options, output="said")
        wait_for("trace watches", lambda: "watching" in said(home))
        return program

    return start


def said(home: Tunnelmgr) -> str:
    return (home.folder / "said").read_text()


def traced(home: Tunnelmgr) -> list[dict[str, str]]:
    """Return the packets printed so far."""
    lines = (line for line in said(home).splitlines(keepends=True) if line.startswith("{") and line.endswith("\n"))
    return [json.loads(line)["data"] for line in lines]


def test_the_first_ping_to_a_host_is_six_packets_outside_and_two_inside(
    far_end: TeredoInternet, home: Tunnelmgr, watch: Callable[..., subprocess.Popen[bytes]]
) -> None:
    program = watch("--both", "--json")
    assert ping(home.host, far_end.native.ipv6, 1) == 1
    # The last to pass is the reply, on its way to the program.
    wait_for("the ping traced", lambda: "echo-reply" in {packet["kind"] for packet in traced(home)})
    assert home.host.stop(program) == ExitCode.DONE
    outer = [packet for packet in traced(home) if packet["interface"] == "outer"]
    inner = [packet for packet in traced(home) if packet["interface"] == "inner"]
    kinds = [packet["kind"] for packet in outer if packet["kind"] not in {"router-solicitation", "router-advertisement"}]
    assert kinds == ["echo-test", "relay-bubble", "direct-bubble", "echo-test-reply", "data", "data"]
    pings = [packet["kind"] for packet in inner if packet["kind"].startswith("echo")]
    assert pings == ["echo-request", "echo-reply"]
    assert "0 lost" in said(home)


def test_a_capture_has_two_interfaces_and_comments_that_wireshark_reads(
    far_end: TeredoInternet,
    home: Tunnelmgr,
    watch: Callable[..., subprocess.Popen[bytes]],
    tshark: str,
) -> None:
    file = home.folder / "home.pcapng"
    program = watch("-o", file)
    assert ping(home.host, far_end.native.ipv6, 1) == 1
    wait_for("the reply captured", lambda: "echo-test reply" in file.read_text(errors="replace"))
    assert home.host.stop(program) == ExitCode.DONE
    assert file.stat().st_mode & 0o777 == 0o600
    port = next(sock["port"] for sock in home.running()["sockets"])
    fields = ["frame.interface_name", "frame.comment", "ip.src", "icmpv6.type"]
    words = [word for field in fields for word in ("-e", field)]
    line = [tshark, "-r", str(file), "-d", f"udp.port=={port},teredo", "-T", "fields", "-E", "separator=;", *words]
    rows = [row.split(";") for row in subprocess.run(line, check=True, capture_output=True, text=True).stdout.splitlines()]
    assert {row[0] for row in rows} == {"outer", "inner"}
    assert all(row[1] for row in rows)
    tests = [row for row in rows if row[1].startswith("echo test:")]
    assert [(row[0], row[3]) for row in tests] == [("outer", "128")]
    assert "".join(home.run("decode", file).stdout).count("echo-test reply") == 1


def test_it_ends_with_the_tunnel(home: Tunnelmgr, watch: Callable[..., subprocess.Popen[bytes]]) -> None:
    program = watch("--inner")
    home.run("down", "home")
    assert program.wait(15) == ExitCode.DONE
    assert "home has ended" in said(home)


def test_what_does_not_run_cannot_be_watched(far_end: TeredoInternet, tmp_path: Path) -> None:
    tunnelmgr = Tunnelmgr(far_end.home.inside, tmp_path)
    done = tunnelmgr.run("trace", tunnelmgr.profile, check=False)
    assert done.returncode == ExitCode.NOT_UP
    assert "is not running" in done.stderr


@pytest.mark.parametrize("capability", ["net_admin", "net_raw"])
def test_watching_takes_the_capabilities_of_root(home: Tunnelmgr, capability: str) -> None:
    without = ["setpriv", f"--bounding-set=-{capability}"]
    done = home.host.run([*without, *home.words("trace", "home")], environment=home.environment, check=False)
    assert done.returncode == ExitCode.NO_PERMISSION
    assert capability.upper() in done.stderr
