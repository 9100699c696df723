"""Every JSON output follows its own schema."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from tests.home_snapshot import with_running
from tests.unit.cli.test_status import METHODS, SIXINFOUR, UP
from tunnelmgr.cli import render
from tunnelmgr.cli.commands.check import check
from tunnelmgr.cli.commands.cleanup import Leftovers
from tunnelmgr.cli.commands.explain import explain
from tunnelmgr.cli.commands.plugins import plugins
from tunnelmgr.cli.commands.schema import NAMES, OUTPUTS, PROFILE, schema, schema_of
from tunnelmgr.cli.overview import ProfileStatus, Statuses
from tunnelmgr.core.condition import Code, Condition, State
from tunnelmgr.daemon.health import KILLED
from tunnelmgr.host.cleanup import Leftover


def assert_follows(name: str, text: str) -> None:
    jsonschema.Draft202012Validator(schema_of(name)).validate(json.loads(text))


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(name))


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_schema_refuses_the_output_of_another(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        assert_follows(name, '{"schema": "tunnelmgr.other", "schema_version": 2, "data": {}}')


@pytest.mark.parametrize(
    "status",
    [
        ProfileStatus.of(UP),
        ProfileStatus.of(with_running(replace(SIXINFOUR, name="several", methods=METHODS), beside_native=True)),
        ProfileStatus.of(replace(SIXINFOUR, name="lost", condition=Condition(State.IMPAIRED, Code.PACKETS_STOPPED))),
        ProfileStatus("office", "/etc/tunnelmgr/profiles/office.yaml", "stopped", None),
        ProfileStatus("lab", None, "stopped", None, (KILLED,)),
    ],
    ids=lambda status: status.name,
)
def test_status_follows_its_schema(status: ProfileStatus) -> None:
    assert_follows("status", render.envelope("status", Statuses((status,))))


def test_check_follows_its_schema(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("method: {type: teredo, server: 192.0.2.1}\n")
    bad.write_text("method: {type: teredo, server: 192.0.2.1, colour: red}\n")
    done = CliRunner().invoke(check, ["--json", str(good), str(bad), str(tmp_path / "none.yaml")], standalone_mode=False)
    assert_follows("check", done.output)
    assert [file["valid"] for file in json.loads(done.output)["data"]["files"]] == [True, False, False]


@pytest.mark.parametrize("words", [[], ["lan.share"], ["teredo.server"]])
def test_explain_follows_its_schema(words: list[str]) -> None:
    assert_follows("explain", CliRunner().invoke(explain, ["--json", *words]).output)


def test_plugins_follows_its_schema() -> None:
    assert_follows("plugins", CliRunner().invoke(plugins, ["--json"]).output)


def test_cleanup_follows_its_schema() -> None:
    found = Leftovers((Leftover("home", ("nft delete table inet tunnelmgr_home",)),))
    assert_follows("cleanup", render.envelope("cleanup", found))


def test_a_profile_follows_its_schema() -> None:
    profile = {"method": {"type": "teredo", "server": "192.0.2.1"}, "network": {"mtu": 1280}}
    validator = jsonschema.Draft202012Validator(schema_of(PROFILE))
    validator.validate(profile)
    assert not validator.is_valid({**profile, "colour": "red"})


def test_schema_lists_the_names_there_are() -> None:
    assert CliRunner().invoke(schema, []).output.split() == list(NAMES)


def test_schema_prints_one() -> None:
    assert json.loads(CliRunner().invoke(schema, ["status"]).output) == schema_of("status")
