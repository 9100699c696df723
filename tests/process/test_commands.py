"""`status`, `wait` and `down` against processes that run."""

import json
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.process.conftest import PATIENCE, Start, wait_until
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.cli.main import run
from tunnelmgr.core.condition import State
from tunnelmgr.daemon.claim import is_claimed
from tunnelmgr.daemon.client import ControlClient

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the profiles home and office; nothing of this machine is looked at."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    for name in ("home", "office"):
        (folder / f"{name}.yaml").write_text("method: {type: teredo, server: 192.0.2.1}\n")
    monkeypatch.setenv("TUNNELMGR_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("TUNNELMGR_CONFIG_PATH", str(folder))
    return folder


@pytest.fixture
def up(home: "subprocess.Popen[str]", path: Path) -> "subprocess.Popen[str]":
    """Return a profile's process that says it is up."""
    wait_until(lambda: ControlClient(path).status().condition.state is State.UP)
    return home


@pytest.mark.usefixtures("up")
def test_status_of_a_profile_that_is_up(capsys: Captured) -> None:
    assert run(["status", "home"]) == ExitCode.DONE
    assert capsys.readouterr().out.startswith("home: up for ")


@pytest.mark.usefixtures("up")
def test_status_of_all_shows_what_runs_and_what_could(capsys: Captured) -> None:
    assert run(["status", "--json"]) == ExitCode.DONE
    profiles = json.loads(capsys.readouterr().out)["data"]["profiles"]
    assert [(profile["name"], profile["state"]) for profile in profiles] == [("home", "up"), ("office", "stopped")]


def test_status_of_a_profile_that_is_not_up_exits_3(capsys: Captured, profiles: Path) -> None:
    assert run(["status", "office"]) == ExitCode.NOT_UP
    assert capsys.readouterr().out == f"office: stopped ({profiles / 'office.yaml'})\n"


def test_status_of_a_profile_nobody_knows_exits_66() -> None:
    assert run(["status", "nowhere"]) == ExitCode.NO_PROFILE


def test_status_of_a_killed_process_says_so(up: "subprocess.Popen[str]", capsys: Captured) -> None:
    up.kill()
    up.wait()
    assert run(["status", "home"]) == ExitCode.NOT_UP
    assert "its process was killed" in capsys.readouterr().out


@pytest.mark.usefixtures("up")
def test_a_process_that_hangs_does_not_hide_the_others(tmp_path: Path, capsys: Captured) -> None:
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / "garage.sock"))
        hanging.listen()
        threading.Thread(target=hang_up, args=(hanging,)).start()
        assert run(["status"]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "garage: unknown\n  the process of garage did not answer" in out
    assert "home: up for" in out


def hang_up(listening: socket.socket) -> None:
    """Close a connection without a word."""
    connection, _ = listening.accept()
    connection.close()


@pytest.mark.usefixtures("up")
def test_wait_returns_at_once_when_it_is_up() -> None:
    assert run(["wait", "home", "--timeout", "20"]) == ExitCode.DONE


def test_wait_waits_for_a_process_that_is_not_there_yet(start: Start, path: Path) -> None:
    late = threading.Timer(0.2, start, ("foreground", "up"))
    late.start()
    assert run(["wait", "home", "--timeout", str(PATIENCE)]) == ExitCode.DONE
    late.join()
    assert is_claimed(path)


def test_wait_in_vain_exits_3() -> None:
    assert run(["wait", "home", "--timeout", "0.2"]) == ExitCode.NOT_UP


def test_wait_tells_why_it_waited_in_vain(start: Start, path: Path, capsys: Captured) -> None:
    start("foreground", "silent")
    wait_until(lambda: is_claimed(path) and ControlClient(path).status().condition.state is State.DOWN)
    assert run(["wait", "home", "--timeout", "0.2"]) == ExitCode.NOT_UP
    assert "home is not up after 0.2 s: no answer from 192.0.2.1:3544 (3 tries)" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["home"], []])
def test_down_ends_the_process_and_twice_is_fine(up: "subprocess.Popen[str]", words: list[str]) -> None:
    assert run(["down", *words]) == ExitCode.DONE
    assert up.wait(PATIENCE) == ExitCode.DONE
    assert run(["down", *words]) == ExitCode.DONE


@pytest.mark.usefixtures("up")
def test_down_asks_which_one_when_several_are_up(tmp_path: Path, start: Start, capsys: Captured) -> None:
    office = start("foreground", "up", at=tmp_path / "office.sock")
    wait_until(lambda: is_claimed(tmp_path / "office.sock"))
    assert run(["down"]) == ExitCode.USAGE
    assert "several profiles are up: home, office; say which one" in capsys.readouterr().err
    assert office.poll() is None


def test_a_path_means_what_runs_from_that_file(tmp_path: Path, up: "subprocess.Popen[str]", capsys: Captured) -> None:
    assert run(["status", "/profiles/home.yaml"]) == ExitCode.DONE
    elsewhere = tmp_path / "home.yaml"
    elsewhere.touch()
    assert run(["status", str(elsewhere)]) == ExitCode.NOT_UP
