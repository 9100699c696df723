"""The process tier: real processes, unix sockets and signals. Needs no privilege; what needs root says so and is skipped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tunnelmgr.daemon.claim import is_claimed

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0  # seconds; generous, since a loaded machine starts an interpreter slowly

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the control socket of the profile "home"."""
    return tmp_path / "home.sock"


@pytest.fixture
def start(path: Path) -> Iterator[Start]:
    """Start `fake_profile` (how, ending, timeout); processes are killed at the end, detached ones too."""
    started: list[tuple[subprocess.Popen[str], Path]] = []

    def start_one(
        how: str, ending: str, timeout: float = PATIENCE, *, at: Path = path, **environment: str
    ) -> "subprocess.Popen[str]":
        words = [sys.executable, "-m", "tests.process.fake_profile", how, str(at), ending, str(timeout)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            words, cwd=ROOT, env={**os.environ, **environment}, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )
        started.append((process, at))
        return process

    yield start_one
    for process, at in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
        kill_detached(at)


def kill_detached(path: Path) -> None:
    """Kill whoever serves the socket."""
    from tunnelmgr.daemon.client import ControlClient, NotRunningError

    try:
        os.kill(ControlClient(path).status().pid, signal.SIGKILL)
    except NotRunningError:
        return


def wait_until(holds: Callable[[], bool]) -> None:
    """Return when it holds; fail after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def home(start: Start, path: Path) -> "subprocess.Popen[str]":
    """Return the process of a profile that is up, in the foreground."""
    process = start("foreground", "up")
    wait_until(lambda: is_claimed(path))
    return process
