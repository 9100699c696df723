"""Programs of this host have a time limit."""

import asyncio
import errno
import time
from pathlib import Path

import pytest

from tunnelmgr.host.linux.running import Ran, run_program


def run(folder: Path, script: str, limit: float = 0.5, said: str = "") -> Ran:
    program = folder / "helper"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return asyncio.run(run_program((str(program), "x"), said, limit=limit))


def test_a_program_is_given_what_to_read_and_returns_what_it_said(tmp_path: Path) -> None:
    assert run(tmp_path, 'cat; echo "$1" >&2; exit 3', 5.0, "a\n") == Ran(3, "a\n", "x\n")


@pytest.mark.parametrize("script", ["sleep 60", "sleep 60 & wait", "trap '' TERM HUP; while :; do sleep 1; done"])
def test_one_that_hangs_is_ended_and_named(tmp_path: Path, script: str) -> None:
    began = time.monotonic()
    with pytest.raises(OSError, match=r"helper hangs: it was ended after 0\.5 s") as raised:
        run(tmp_path, script)
    assert raised.value.errno == errno.ETIME
    assert time.monotonic() - began < 5


def test_one_that_leaves_something_behind_has_ended(tmp_path: Path) -> None:
    assert run(tmp_path, "sleep 3 &").status == 0


def test_one_that_is_not_installed_is_no_such_file() -> None:
    with pytest.raises(FileNotFoundError):
        asyncio.run(run_program(("no-such-program",)))
