"""The command line as a whole: what it imports, how failures end, what help says."""

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from tunnelmgr.api.commands import RunningProfiles
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli.main import SECTIONS, cli, explain, foreign_command, run

ROOT = Path(__file__).parents[3]
COMMANDS = {name: line for section in SECTIONS.values() for name, line in section.items()}
SLOW = ("asyncio", "pydantic", "yaml", "pyroute2", "pluggy", "tunnelmgr_teredo")


def imported_by(*arguments: str) -> set[str]:
    """Return which of the slow modules a command line imports."""
    program = "import sys, json; from tunnelmgr.cli.main import run; run(sys.argv[1:]); print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout.splitlines()[-1])) & set(SLOW)


def test_help_imports_nothing_slow() -> None:
    assert imported_by("--help") == set()


def test_status_imports_nothing_slow() -> None:
    assert imported_by("status") == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_as_the_overview_does(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command
    assert command.get_short_help_str(limit=200) == COMMANDS[name]


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fly"]) == ExitCode.USAGE
    assert "fly" in capsys.readouterr().err


def test_a_mistyped_command_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["staus"]) == ExitCode.USAGE
    assert "did you mean 'status'?" in capsys.readouterr().err


def test_an_unknown_option_is_a_usage_error() -> None:
    assert run(["status", "--colour"]) == ExitCode.USAGE


def test_keep_has_no_sense_in_the_foreground() -> None:
    assert run(["up", "-f", "--keep", "./no-such.yaml"]) == ExitCode.USAGE


def test_help_is_no_failure() -> None:
    assert run(["--help"]) == ExitCode.DONE
    assert run(["up", "--help"]) == ExitCode.DONE


def test_a_failure_is_told_on_standard_error_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "no-such.yaml"]) == ExitCode.NO_PROFILE
    assert run(["up", "./no-such.yaml"]) == ExitCode.NO_PROFILE
    assert capsys.readouterr().err.startswith("tunnelmgr: no profile at no-such.yaml")


def test_an_error_of_one_line_is_followed_by_its_hint() -> None:
    assert (
        explain(TunnelError("the thing, the value", hint="the next step"))
        == "tunnelmgr: the thing, the value; the next step"
    )


def test_an_error_of_several_lines_keeps_them() -> None:
    assert (
        explain(TunnelError("home.yaml:1:2: error\nline\n ^", hint="see docs")) == "home.yaml:1:2: error\nline\n ^\nsee docs"
    )


@click.command()
@click.argument("ending")
def end(ending: str) -> ExitCode:
    if ending == "not-up":
        return ExitCode.NOT_UP
    raise {"bug": RuntimeError("a bug"), "pipe": BrokenPipeError(), "interrupt": KeyboardInterrupt()}[ending]


def test_a_command_returns_its_exit_code() -> None:
    assert run(["not-up"], end) == ExitCode.NOT_UP


def test_a_bug_shows_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bug"], end) == ExitCode.BUG
    err = capsys.readouterr().err
    assert "RuntimeError: a bug" in err
    assert err.endswith("please report the lines above\n")


def test_ctrl_c_ends_as_a_shell_counts() -> None:
    assert run(["interrupt"], end) == 130


def test_a_reader_who_has_seen_enough_is_no_failure() -> None:
    program = "from tests.unit.cli.test_main import end; from tunnelmgr.cli.main import run; exit(run(['pipe'], end))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stderr == ""


@pytest.fixture
def fly(tmp_path: Path) -> Path:
    """Return a folder with an installed distribution that brings the command `fly`."""
    metadata = tmp_path / "flight-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: flight\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tunnelmgr.commands]\nfly = flight:fly\n")
    (tmp_path / "flight.py").write_text('import click\nfly = click.Command("fly", callback=lambda: click.echo("up, up"))\n')
    return tmp_path


def with_path(folder: Path, *words: str) -> str:
    program = "import sys; from tunnelmgr.cli.main import run; run(sys.argv[1:]); print('flight' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", program, *words], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_a_command_of_a_plugin_is_listed_without_being_imported(fly: Path) -> None:
    shown = with_path(fly, "--help")
    listed = shown.partition("From plugins:\n")[2]
    assert ["fly", "See", "tunnelmgr", "fly", "--help."] in [line.split() for line in listed.splitlines()]
    assert shown.endswith("False\n")


def test_a_command_of_a_plugin_runs_as_ours_do(fly: Path) -> None:
    assert with_path(fly, "fly") == "up, up\nTrue\n"


def test_a_command_of_a_plugin_asks_running_profiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    @click.pass_obj
    def wings(running: RunningProfiles) -> None:
        running.ask("home", "wings", {})

    monkeypatch.setenv("TUNNELMGR_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("TUNNELMGR_CONFIG_PATH", str(tmp_path))
    (tmp_path / "home.yaml").touch()
    assert run([], wings) == ExitCode.NOT_UP
    assert "home is not running" in capsys.readouterr().err


def test_a_broken_command_of_a_plugin_is_named() -> None:
    with pytest.raises(TunnelError, match="command fly of no_such_module:fly cannot be loaded") as caught:
        foreign_command(EntryPoint("fly", "no_such_module:fly", "tunnelmgr.commands"))
    assert caught.value.exit_code is ExitCode.BUG


def test_a_command_of_a_plugin_must_be_one() -> None:
    with pytest.raises(TunnelError, match="is not a click command"):
        foreign_command(EntryPoint("fly", "os:sep", "tunnelmgr.commands"))
