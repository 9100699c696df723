"""What can go wrong with `up` on a real machine: the right words, the right exit code, and nothing left behind."""

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.program import HOME, Tunnelmgr
from tests.peers.teredo_internet import TeredoInternet
from tunnelmgr.lab.waiting import wait_for


@pytest.fixture
def home(far_end: TeredoInternet, tmp_path: Path) -> Iterator[Tunnelmgr]:
    """Nobody says `down` at the end: each misfortune leaves nothing by itself."""
    tunnelmgr = Tunnelmgr(far_end.home.inside, tmp_path)
    yield tunnelmgr
    assert tunnelmgr.traces() == []


def failing(home: Tunnelmgr, exit_code: int, *options: str, prefix: tuple[str, ...] = ()) -> str:
    """Run `up`, which must end with `exit_code`, and return what it said."""
    words = [*prefix, *home.words("up", home.profile, *options)]
    done = home.host.run(words, environment=home.environment, check=False)
    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def hidden(path: str, command: str = "mount -t tmpfs none") -> tuple[str, ...]:
    """The words that run what follows on a machine without `path`."""
    return ("unshare", "-m", "sh", "-c", f'{command} {path}; exec "$@"', "sh")


def test_up_twice_is_fine_and_down_twice_too(home: Tunnelmgr) -> None:
    home.up()
    before = home.host.run(["ip", "-6", "address", "show", "dev", "tm-home"]).stdout
    assert home.up() == ["home: already up"]
    assert home.host.run(["ip", "-6", "address", "show", "dev", "tm-home"]).stdout == before
    assert home.run("down", "home").returncode == 0
    assert home.run("down", "home").returncode == 0


def test_the_same_name_from_another_file_names_that_file(home: Tunnelmgr) -> None:
    home.up()
    other = home.write_profile("other", HOME)
    done = home.run("up", other, check=False)
    assert done.returncode == 1
    assert str(home.profile) in done.stderr
    home.run("down", "home")


def test_without_a_tun_device_the_next_step_is_named(home: Tunnelmgr) -> None:
    said = failing(home, 1, prefix=hidden("/dev/net"))
    assert "/dev/net/tun" in said
    assert "modprobe tun" in said


def test_without_nft_the_package_and_the_alternative_are_named(home: Tunnelmgr) -> None:
    nft = home.host.run(["sh", "-c", "readlink -f $(command -v nft)"]).stdout.strip()
    said = failing(home, 1, prefix=hidden(nft, "mount --bind /dev/null"))
    assert "nftables" in said
    assert "inbound: open" in said


def test_down_with_an_nft_that_hangs_ends_and_names_what_stays(home: Tunnelmgr, tmp_path: Path) -> None:
    nft = home.host.run(["sh", "-c", "readlink -f $(command -v nft)"]).stdout.strip()
    real, flag, slow = tmp_path / "nft", tmp_path / "hang", tmp_path / "slow"
    shutil.copy(nft, real)
    slow.write_text(f'#!/bin/sh\n[ -e {flag} ] && exec sleep 600\nexec {real} "$@"\n')
    slow.chmod(0o755)
    words = [*hidden(nft, f"mount --bind {slow}"), *home.words("up", home.profile)]
    home.host.run(words, environment=home.environment)
    flag.touch()
    done = home.run("down", "home", check=False, timeout=60)
    assert done.returncode == 1
    assert "nft" in done.stderr
    assert "5 s" in done.stderr
    flag.unlink()
    home.run("cleanup")


def test_without_privilege_the_exit_code_is_77(home: Tunnelmgr) -> None:
    said = failing(home, 77, prefix=("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"))
    assert "NET_ADMIN" in said


def test_without_raw_sockets_the_capability_is_named(home: Tunnelmgr, far_end: TeredoInternet) -> None:
    home.profile.write_text(f'{HOME}network: {{probe: ["{far_end.native.ipv6}"]}}\n')
    said = failing(home, 75, "--timeout", "5", prefix=("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"))
    assert "CAP_NET_RAW" in said
    assert "check network.probe" not in said


def test_a_server_name_that_does_not_exist_is_said_with_exit_code_69(home: Tunnelmgr) -> None:
    home.profile.write_text(HOME.replace("teredo.example.net", "nowhere.invalid"))
    said = failing(home, 69, "--timeout", "3")
    assert "nowhere.invalid" in said


def test_a_silent_server_is_said_with_exit_code_75_and_everything_is_undone(
    far_end: TeredoInternet, home: Tunnelmgr
) -> None:
    far_end.server.stop()
    said = failing(home, 75, "--timeout", "14")
    assert "192.0.2.1:3544" in said
    assert "everything was undone" in said


def test_with_keep_it_goes_on_trying_and_comes_up_when_the_server_does(far_end: TeredoInternet, home: Tunnelmgr) -> None:
    far_end.server.stop()
    assert "goes on trying" in failing(home, 75, "--timeout", "2", "--keep")
    far_end.server.start()
    assert home.run("wait", "home", "--timeout", "50").returncode == 0
    home.run("down", "home")


def test_an_interface_name_that_is_taken_is_named(home: Tunnelmgr) -> None:
    home.host.run(["ip", "link", "add", "tm-home", "type", "veth", "peer", "name", "other"])
    said = failing(home, 1)
    assert "tm-home" in said
    home.host.run(["ip", "link", "delete", "tm-home"])


def test_a_wrong_profile_is_said_before_anything_is_touched(home: Tunnelmgr) -> None:
    home.profile.write_text(HOME.replace("server:", "sever:"))
    said = failing(home, 78)
    assert "did you mean" in said


def test_a_profile_others_may_write_to_is_refused(home: Tunnelmgr) -> None:
    home.profile.chmod(0o666)
    assert str(home.profile) in failing(home, 78)
    home.profile.chmod(0o644)


def test_a_device_that_somebody_deletes_comes_back(home: Tunnelmgr) -> None:
    home.up()
    home.host.run(["ip", "link", "delete", "tm-home"])
    wait_for("the device", lambda: "tm-home" in home.host.run(["ip", "link"]).stdout or None)
    assert home.run("wait", "home", "--timeout", "30").returncode == 0
    home.run("down", "home")


@pytest.mark.parametrize("umask", ["027", "077", "000"])
def test_every_user_may_ask_for_the_status_whatever_the_umask_of_root(home: Tunnelmgr, umask: str) -> None:
    runtime_dir = home.runtime_dir / "run/tunnelmgr"
    home.environment["TUNNELMGR_RUNTIME_DIR"] = str(runtime_dir)
    words = ["sh", "-c", f'umask {umask}; exec "$@"', "sh", *home.words("up", home.profile)]
    home.host.run(words, environment=home.environment)
    assert {str(path.relative_to(runtime_dir)): oct(path.stat().st_mode & 0o777) for path in runtime_dir.rglob("*")} == {
        ".claim": "0o600",
        "home.journal": "0o600",
        "home.log": "0o644",
        "home.sock": "0o666",
    }
    assert {path.stat().st_mode & 0o777 for path in (runtime_dir, runtime_dir.parent)} == {0o755}
    assert {path.stat().st_mode & 0o777 for path in (home.folder / "state").iterdir()} == {0o600}
    home.run("down", "home")


@pytest.mark.parametrize("delay", [0.05, 0.2, 0.35, 0.5, 0.8])
def test_ctrl_c_during_up_undoes_everything(far_end: TeredoInternet, home: Tunnelmgr, delay: float) -> None:
    far_end.server.stop()  # so that `up` never comes to its end
    running = home.start("up", home.profile)
    time.sleep(delay)  # a moment to hit, not a condition to wait for
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(20) != 0
    wait_for("nothing left", lambda: home.traces() == [] or None)


def test_a_killed_process_leaves_nothing_the_next_up_does_not_remove(home: Tunnelmgr) -> None:
    """Ten random moments between the start and a tunnel that is up."""
    moments = random.Random(4380)
    for number in range(10):
        running = home.start("up", "-f", home.profile, output=f"killed-{number}")
        time.sleep(moments.uniform(0.1, 1.0))  # a moment to hit, not a condition to wait for
        os.killpg(running.pid, signal.SIGKILL)
        running.wait(20)
        if number % 2:
            home.run("cleanup")
            assert home.traces() == [], f"after cleanup {number}"
    home.up()
    assert (
        len(
            [
                line
                for line in home.host.run(["ip", "-6", "rule"]).stdout.splitlines()
                if "protocol 116" in line or "proto 116" in line
            ]
        )
        == 2
    )
    home.run("down", "home")
    assert home.traces() == []
