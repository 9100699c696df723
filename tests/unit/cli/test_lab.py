"""What `lab` prints, and how its words are read."""

import json

import jsonschema
import pytest
from click.testing import CliRunner

from tunnelmgr.api.errors import ExitCode
from tunnelmgr.cli import render
from tunnelmgr.cli.commands.lab import built, lab, screen, spoken
from tunnelmgr.cli.commands.schema import schema_of
from tunnelmgr.cli.main import run
from tunnelmgr.lab.namespaces.programs import Program
from tunnelmgr.lab.readymade.description import Router
from tunnelmgr.lab.readymade.scenarios import SCENARIOS
from tunnelmgr.lab.readymade.state import HostState, LabState
from tunnelmgr.lab.vocabulary import NatKind

STATE = LabState(
    "lab",
    "/run/tunnelmgr/labs/lab",
    (
        HostState(
            "server",
            "Teredo server",
            ("192.0.2.1", "192.0.2.2"),
            None,
            (Program(7, ("/venv/bin/python3", "/venv/bin/tunnelmgr", "up", "teredo-server")),),
        ),
        HostState("client1", "client", ("192.168.1.2",), None, (Program(8, ("sleep", "9")), Program(9, ("-sh",)))),
        HostState("client1-nat", "router of client1", ("203.0.113.1",), Router(NatKind.SYMMETRIC, 0.02, 0.01, 1400), ()),
        HostState("client2-nat", "router of client2", (), Router(NatKind.FULL_CONE, 0.0, 0.0, 1500), ()),
    ),
)


def test_the_screen_of_a_lab() -> None:
    assert (
        screen(STATE)
        == """\
lab: what its programs write is in /run/tunnelmgr/labs/lab
  host         what                                                      addresses    runs
  server       Teredo server                                             192.0.2.1    tunnelmgr up teredo-server (7)
                                                                         192.0.2.2
  client1      client                                                    192.168.1.2  sleep 9 (8)
                                                                                      -sh (9)
  client1-nat  router of client1: symmetric, 20 ms, loses 1 %, MTU 1400  203.0.113.1
  client2-nat  router of client2: full-cone"""
    )


def test_json_follows_its_schema() -> None:
    jsonschema.Draft202012Validator(schema_of("lab")).validate(json.loads(render.envelope("lab", STATE)))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("/usr/bin/python3.11", "/opt/bin/tunnelmgr", "up", "home"), "tunnelmgr up home (5)"),
        (("/usr/bin/python3", "-m", "http.server", "80"), "python3 -m http.server 80 (5)"),
        (("", ""), "  (5)"),
        (("cat", "x" * 80), f"cat {'x' * 53}... (5)"),
    ],
)
def test_a_program_is_shown_as_somebody_would_have_typed_it(words: tuple[str, ...], line: str) -> None:
    assert spoken(Program(5, words)) == line


def test_a_lab_with_a_name_is_told_by_it_what_to_do_next() -> None:
    assert "lab exec client1 tunnelmgr up home\n" in built("lab")
    assert "lab exec --lab other client1 tunnelmgr up home\n" in built("other")


def test_run_without_a_scenario_lists_them() -> None:
    lines = CliRunner().invoke(lab, ["run"]).output.splitlines()
    assert [line.split()[0] for line in lines] == list(SCENARIOS)


def test_an_unknown_scenario_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", "run", "earthquake"]) == ExitCode.USAGE
    assert "there are demo, nat-change" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [("up", "--lab", "My-Lab"), ("down", "--lab", "../x"), ("status", "--lab", ""), ("shell", "--lab", "a/b", "x")]
)
def test_a_name_no_lab_can_have_is_refused_before_anything_is_done(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lab", *words]) == ExitCode.FAILED
    assert "is not 1 to 20 letters a-z and digits" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--nat", "open"), ("--loss", "101"), ("--delay", "-1"), ("--mtu", "1")])
def test_what_no_link_can_be_is_a_usage_error(words: tuple[str, ...]) -> None:
    assert run(["lab", "up", *words]) == ExitCode.USAGE
