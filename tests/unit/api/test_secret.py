"""A secret is seen by whoever reveals it and by nobody else."""

import copy

import pytest
from pydantic import ValidationError

from tunnelmgr.api.secret import Secret, SecretSource
from tunnelmgr.api.settings import Settings


class Login(Settings):
    key: Secret


def drawer(source: SecretSource, name: str) -> str:
    """A reader that finds every secret where it is asked for."""
    return f"{source.value}:{name}"


def test_a_secret_shows_as_asterisks() -> None:
    secret = Secret("hunter2")
    assert f"{secret} {secret!r} {[secret]}" == "********** Secret('**********') [Secret('**********')]"


def test_settings_with_a_secret_show_and_serialise_it_as_asterisks() -> None:
    login = Login(key=Secret("hunter2"))
    assert login.model_dump_json() == '{"key":"**********"}'
    assert "hunter2" not in f"{login!r} {login} {login.model_dump()}"
    assert login.key.reveal() == "hunter2"


def test_secrets_compare_by_what_they_hide() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a") != "a"


def test_a_secret_survives_copying() -> None:
    assert copy.deepcopy(Secret("a")).reveal() == "a"


@pytest.mark.parametrize("source", [SecretSource.FILE, SecretSource.CREDENTIAL, SecretSource.ENV])
def test_what_is_named_is_read_by_the_context(source: SecretSource) -> None:
    login = Login.model_validate({"key": {source.value: "x"}}, context=drawer)
    assert login.key.reveal() == f"{source.value}:x"


def test_text_itself_is_told_to_the_context_as_inline() -> None:
    assert Login.model_validate({"key": "x"}, context=drawer).key.reveal() == "inline:x"


def test_text_needs_no_context_and_a_name_does() -> None:
    assert Login.model_validate({"key": "x"}).key.reveal() == "x"
    with pytest.raises(ValidationError, match=r"\{file: x\} can only be read as part of a profile"):
        Login.model_validate({"key": {"file": "x"}})


@pytest.mark.parametrize("value", [5, None, [], {}, {"file": 5}, {"inline": "x"}, {"vault": "x"}, {"file": "x", "env": "y"}])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match=r"expected \{file: NAME\}, \{credential: NAME\}, \{env: NAME\} or text"):
        Login.model_validate({"key": value}, context=drawer)


def test_the_schema_names_the_ways_to_write_one() -> None:
    ways = Login.model_json_schema()["properties"]["key"]["oneOf"]
    assert [way.get("required") for way in ways] == [["file"], ["credential"], ["env"], None]
