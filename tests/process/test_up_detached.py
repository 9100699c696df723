"""`up` without `-f`: the parent tells the story and leaves when packets flow; otherwise nothing stays."""

import os
import signal
from pathlib import Path

from tests.process.conftest import PATIENCE, Start, wait_until
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.core.condition import State
from tunnelmgr.daemon.claim import is_claimed
from tunnelmgr.daemon.client import ControlClient


def test_up_returns_when_packets_flow_and_the_process_stays(start: Start, path: Path) -> None:
    parent = start("detached", "up")
    out, _ = parent.communicate(timeout=PATIENCE)
    assert (parent.returncode, out) == (0, "home: starting, fake\nhome: tm-home 2001:db8::1\n")
    assert ControlClient(path).status().condition.state is State.UP


def test_the_process_has_left_the_terminal(start: Start, path: Path) -> None:
    start("detached", "up").communicate(timeout=PATIENCE)
    pid = ControlClient(path).status().pid
    assert os.getsid(pid) == pid
    assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)} == {"/dev/null"}
    assert os.readlink(f"/proc/{pid}/cwd") == "/"


def test_not_up_in_time_it_says_why_and_undoes_everything(start: Start, path: Path) -> None:
    parent = start("detached", "silent", timeout=1)
    out, _ = parent.communicate(timeout=PATIENCE)
    assert parent.returncode == ExitCode.NO_ANSWER
    assert out.splitlines()[-1] == (
        "home is not up after 1 s: no answer from 192.0.2.1:3544 (3 tries); everything was undone; log: the log"
    )
    assert not path.exists()


def test_keep_leaves_it_trying(start: Start, path: Path) -> None:
    parent = start("keep", "silent", timeout=1)
    out, _ = parent.communicate(timeout=PATIENCE)
    assert parent.returncode == ExitCode.NO_ANSWER
    assert out.endswith("it goes on trying; log: the log\n")
    assert ControlClient(path).status().condition.state is State.DOWN


def test_interrupted_it_undoes_everything(start: Start, path: Path) -> None:
    parent = start("detached", "silent")
    wait_until(lambda: is_claimed(path) and ControlClient(path).status().condition.state is State.DOWN)
    parent.send_signal(signal.SIGINT)
    out, _ = parent.communicate(timeout=PATIENCE)
    assert out.endswith("home: interrupted, undoing everything\n")
    assert parent.returncode != 0
    assert not path.exists()


def test_a_process_that_does_not_end_is_killed_when_patience_ends(start: Start, path: Path) -> None:
    parent = start("detached", "stubborn")
    wait_until(lambda: is_claimed(path) and bool(ControlClient(path).status().name))
    child = ControlClient(path).status().pid
    parent.send_signal(signal.SIGINT)
    assert parent.stdout
    assert any("interrupted" in line for line in iter(parent.stdout.readline, ""))
    parent.send_signal(signal.SIGINT)
    out, _ = parent.communicate(timeout=PATIENCE)
    assert out == "home had to be killed; run `tunnelmgr cleanup`\n"
    wait_until(lambda: not Path(f"/proc/{child}").exists())


def test_a_failure_for_good_ends_with_its_own_exit_code(start: Start, path: Path) -> None:
    parent = start("detached", "refused")
    out, _ = parent.communicate(timeout=PATIENCE)
    assert parent.returncode == ExitCode.REFUSED
    assert out == "home: starting, fake\nhome: 192.0.2.1 refused; ask its owner; log: the log\n"
    assert not path.exists()


def test_a_bug_says_where_the_log_is(start: Start, path: Path) -> None:
    parent = start("detached", "crash")
    out, _ = parent.communicate(timeout=PATIENCE)
    assert parent.returncode == ExitCode.BUG
    assert out.endswith("home: internal error: RuntimeError('a bug'); please report it, with the log; log: the log\n")
    assert not path.exists()


def test_a_killed_process_is_noticed(start: Start, path: Path) -> None:
    parent = start("detached", "dies")
    out, _ = parent.communicate(timeout=PATIENCE)
    assert parent.returncode == ExitCode.BUG
    assert out.endswith("home: the process of home died; its log may say why; log: the log\n")
