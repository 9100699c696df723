"""`tunnelmgr check`."""

from pathlib import Path
from textwrap import dedent

import pytest

from tests.unit.core.profiles.test_profile_mistakes import MISTAKES
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.cli.main import run


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "home.yaml"
    file.write_text("method: {type: teredo, server: 192.0.2.1}\n")
    return file


def test_a_valid_profile_is_told_as_it_is_understood(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(good)]) == ExitCode.DONE
    assert capsys.readouterr().out == f"{good}: valid: home, teredo client (server 192.0.2.1)\n"


def test_a_mistake_is_shown_where_it_is(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("method: {type: terodo, server: 192.0.2.1}\n")
    assert run(["check", str(good), str(bad)]) == ExitCode.INVALID
    out = capsys.readouterr().out
    assert f"{bad}:1:" in out
    assert "teredo" in out
    assert "^" in out


def test_a_file_that_is_not_there_ends_with_no_profile(tmp_path: Path) -> None:
    assert run(["check", str(tmp_path / "none.yaml")]) == ExitCode.NO_PROFILE


@pytest.mark.parametrize("wish", ["ebpf", "batched", "fast"])
def test_a_data_path_that_does_not_exist_is_refused_at_its_line_by_check_and_up_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wish: str
) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(f"method: {{type: teredo, server: 192.0.2.1}}\ndatapath: {wish}\n")
    assert run(["check", str(file)]) == ExitCode.INVALID
    checked = capsys.readouterr().out
    assert run(["up", "--dry-run", str(file)]) == ExitCode.INVALID
    assert capsys.readouterr().err == checked
    assert checked.startswith(f"{file}:2:11: error: 'datapath' expects 'auto', 'plain' or 'kernel', not {wish!r}\n")


@pytest.mark.parametrize("profile", [case[1] for case in MISTAKES], ids=[case[0] for case in MISTAKES])
def test_up_refuses_what_check_refuses_in_the_same_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], profile: str
) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(dedent(profile).replace("paper", "teredo"))
    refusal = run(["check", str(file)])
    checked = capsys.readouterr().out
    assert refusal is not ExitCode.DONE
    assert run(["up", "--dry-run", str(file)]) == refusal
    assert capsys.readouterr().err == checked
