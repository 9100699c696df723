"""`tunnelmgr explain`: the words of the manual on the terminal."""

import json

import pytest

from tunnelmgr.api.errors import ExitCode
from tunnelmgr.cli.main import run


def explained(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["explain", *words]) == ExitCode.DONE
    return capsys.readouterr().out


def test_a_key_is_explained_with_what_may_be_written_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert explained(capsys, "lan.interfaces") == (
        "lan.interfaces: a list; default []; since 0.1\n"
        "    Interfaces whose hosts get IPv6 through the tunnel, a /64 each.\n"
        "    Example: interfaces: [br-lan]\n"
    )


def test_a_section_is_explained_with_all_its_keys_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    out = explained(capsys, "lan")
    assert out.startswith("lan\n\n    Other hosts that get IPv6 through the tunnel, too.\n")
    assert "\n    lan.share: prefix or nat66; default prefix; since 0.1\n" in out
    assert out.endswith("    Example:\n\n        lan:\n          interfaces: [br-lan]\n          share: nat66\n")


def test_a_word_that_names_a_key_and_a_role_explains_both(capsys: pytest.CaptureFixture[str]) -> None:
    out = explained(capsys, "teredo.server")
    assert out.startswith("teredo.client.server: text or a list; required; since 0.1\n")
    assert "\n\nteredo.server\n\n    A Teredo server " in out


def test_without_a_key_all_sections_are_listed_with_their_keys(capsys: pytest.CaptureFixture[str]) -> None:
    lines = explained(capsys).splitlines()
    assert "lan: interfaces, share, dns" in lines
    assert any(line.startswith("tsp.broker: address, prefix, port") for line in lines)


def test_an_unknown_key_is_refused_with_a_guess_and_the_sections(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "lan.shar"]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert error.startswith("tunnelmgr: no key 'lan.shar'; did you mean 'lan.share'? sections are: profile, method, ")


def test_json_has_the_same_words(capsys: pytest.CaptureFixture[str]) -> None:
    (key,) = json.loads(explained(capsys, "--json", "network.metric"))["data"]["keys"]
    assert (key["path"], key["takes"], key["default"]) == ("network.metric", "1 to 4294967295 or auto", "auto")
    assert key["description"].startswith("Metric of the tunnel's routes; a larger one is worse.")
