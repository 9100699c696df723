"""Not root on a terminal: the same words again, through sudo."""

import os
import pty
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.conftest import PATIENCE, ROOT
from tunnelmgr.api.errors import ExitCode

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that everybody may enter, with a profile and a `sudo` that only repeats its words."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "home.yaml").write_text("method: {type: teredo, server: 192.0.2.1}\n")
        sudo = path / "sudo"
        sudo.write_text('#!/bin/sh\necho "sudo $@"\n')
        sudo.chmod(0o755)
        yield path


# Imports everything first: the interpreter of this checkout may be out of nobody's reach.
PROGRAM = f"""
import os, sys
from contextlib import redirect_stdout
from io import StringIO
from tunnelmgr.cli.commands import status, up
from tunnelmgr.cli.main import main, run
with redirect_stdout(StringIO()):
    run(["check", "./home.yaml"])
if os.geteuid() == 0:
    os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
sys.argv[0] = "/opt/bin/tunnelmgr"
main()
"""


def unprivileged(folder: Path, *words: str, stdin: int, path: str) -> "subprocess.CompletedProcess[str]":
    """Run our command line as nobody."""
    environment = {"PATH": path, "TUNNELMGR_RUNTIME_DIR": str(folder / "run"), "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=folder,
        env=environment,
        stdin=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_on_a_terminal_sudo_runs_the_same_words(folder: Path) -> None:
    ours, theirs = pty.openpty()
    done = unprivileged(folder, "up", "./home.yaml", "--timeout", "5", stdin=theirs, path=f"{folder}:/usr/bin:/bin")
    os.close(ours)
    os.close(theirs)
    assert done.stdout == f"sudo TUNNELMGR_RUNTIME_DIR={folder}/run /opt/bin/tunnelmgr up ./home.yaml --timeout 5\n", (
        done.stderr
    )


def test_elsewhere_it_ends_with_77_and_the_line_to_type(folder: Path) -> None:
    done = unprivileged(folder, "up", "./home.yaml", stdin=subprocess.DEVNULL, path=f"{folder}:/usr/bin:/bin")
    assert (done.returncode, done.stdout) == (ExitCode.NO_PERMISSION, "")
    assert done.stderr == (
        "tunnelmgr: needs root to bring ./home.yaml up; "
        f"run: sudo TUNNELMGR_RUNTIME_DIR={folder}/run /opt/bin/tunnelmgr up ./home.yaml\n"
    )


@pytest.mark.requirement("T-SE-007")
def test_reading_needs_no_privilege(folder: Path) -> None:
    done = unprivileged(folder, "up", "--dry-run", "./home.yaml", stdin=subprocess.DEVNULL, path="/usr/bin:/bin")
    assert done.stdout.startswith("[#] ip tuntap add dev tm-home mode tun\n"), done.stderr
    assert unprivileged(folder, "status", stdin=subprocess.DEVNULL, path="/usr/bin:/bin").returncode == ExitCode.DONE
