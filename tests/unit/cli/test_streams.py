"""Standard streams that are full, closed or narrow, and times that are none: no bug of ours, and no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tunnelmgr.core.profiles.paths import SYSTEM_FOLDERS, profile_folders

PROGRAM = "import sys; from tunnelmgr.cli.main import main; main()"
COMMANDS = ["--help", "version", "status", "status --json", "plugins", "explain", "schema", "decode 2001:0:c000:201::1"]


def outcome(redirection: str, words: str, **variables: str) -> tuple[int, str]:
    """Run a command line in a shell; return its exit code and what stands on standard error."""
    command = f'"$0" -c "{PROGRAM}" {words} {redirection}'
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}", sys.executable],
        env=os.environ | variables,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("words", COMMANDS)
def test_a_full_or_closed_output_is_named_and_a_reader_that_leaves_is_fine(words: str) -> None:
    assert outcome(">/dev/full", words) == (1, "tunnelmgr: standard output: No space left on device\n")
    assert outcome(">&-", words) == (1, "tunnelmgr: standard output: Bad file descriptor\n")
    assert outcome("| true", words) == (0, "")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_what_cannot_be_told_beside_the_output_changes_nothing(redirection: str) -> None:
    assert outcome(redirection, "down")[0] == 0
    assert outcome(redirection, "status ./no-such.yaml")[0] == 66


def test_a_terminal_that_lacks_a_letter_gets_its_number(tmp_path: Path) -> None:
    file = tmp_path / "\N{SNOWMAN}.yaml"
    file.write_text("metod: 1\n")
    code, _ = outcome(f"> {tmp_path}/out", f"check {file}", PYTHONIOENCODING="latin-1")
    assert code == 78
    assert (tmp_path / "out").read_text().startswith(f"{tmp_path}/\\u2603.yaml:1:1: error: unknown key 'metod'")


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e10", "-1", "-inf"])
def test_a_time_that_is_none_is_wrong_usage(seconds: str) -> None:
    code, told = outcome("", f"wait x --timeout={seconds}")
    assert code == 2
    assert "Invalid value for '--timeout'" in told


def test_a_user_without_a_home_has_no_profiles_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert profile_folders({}, user=54321) == SYSTEM_FOLDERS
