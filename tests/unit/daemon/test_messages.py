"""The lines on the control socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.home_snapshot import SNAPSHOT
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.plain import as_plain
from tunnelmgr.core.condition import Code, Condition, Progress, State
from tunnelmgr.daemon.messages import Answer, Change, Ended, Message, Refusal, Request, Word, parse, serialize

MESSAGES: list[Message] = [
    Request(Word.STATUS),
    Request(Word.COMMAND, "renew", {"lease": 1, "force": True, "note": None}),
    Progress("up", "tm-home 2001:db8::1"),
    Change(Condition(State.DOWN, Code.DOWN, "no answer", "look at the cable"), ExitCode.REFUSED),
    Ended(ExitCode.NO_ANSWER, "no answer", "look at the cable"),
    Answer({"name": "home", "addresses": ["2001:db8::1"]}),
    Refusal(ExitCode.NO_PERMISSION, "user 1000 may not stop home", "use sudo"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_socket(message: Message) -> None:
    line = serialize(message)
    assert line.count(b"\n") == 1
    assert parse(line.rstrip()) == message


def test_the_form_is_the_documented_one() -> None:
    assert serialize(Request(Word.FOLLOW)) == b'{"request":{"word":"follow","name":"","arguments":{}}}\n'
    assert parse(b'{"request": {"word": "follow"}}') == Request(Word.FOLLOW)


@given(st.binary())
def test_anything_else_is_refused_with_a_hint(line: bytes) -> None:
    with pytest.raises(TunnelError) as caught:
        parse(line)
    assert caught.value.hint


@pytest.mark.parametrize(
    "line", [b"[]", b"1", b"{}", b'{"a":{}}', b'{"request":1}', b'{"request":{"word":"x"}}', b"[" * 100_000]
)
def test_json_of_another_form_is_refused(line: bytes) -> None:
    with pytest.raises(TunnelError):
        parse(line)


@pytest.mark.requirement("T-SE-007")
def test_only_what_changes_something_is_kept_from_strangers() -> None:
    assert {word for word in Word if word.changes} == {Word.STOP, Word.COMMAND}


@pytest.mark.parametrize("change", [{"condition": {"state": "floating"}}, {"running": {"device": 1}}, {"methods": 1}])
def test_a_state_that_cannot_be_understood_says_how_to_go_on(change: dict[str, object]) -> None:
    with pytest.raises(TunnelError, match="installed version"):
        Answer({**as_plain(SNAPSHOT), **change}).snapshot()


def test_a_refusal_is_raised_as_it_was_told() -> None:
    error = TunnelError("no lease", hint="renew it", exit_code=ExitCode.REFUSED)
    assert vars(Refusal.of(error).as_error()) == vars(error)
