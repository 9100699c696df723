"""Lasting conditions."""

from dataclasses import replace

import pytest

from tests.unit.daemon.test_documents import SNAPSHOT
from tunnelmgr.core.snapshot import State
from tunnelmgr.daemon.health import Condition, Severity, conditions


def test_nothing_is_to_be_said_of_a_tunnel_that_is_up() -> None:
    assert conditions(SNAPSHOT) == ()


@pytest.mark.parametrize(
    ("state", "code", "severity"),
    [
        (State.DOWN, "down", Severity.ERROR),
        (State.WAITING_FOR_PEER, "waiting-for-peer", Severity.WARNING),
        (State.IMPAIRED, "impaired", Severity.WARNING),
    ],
)
def test_a_state_that_lasts_is_a_condition_with_its_reason_and_hint(state: State, code: str, severity: Severity) -> None:
    snapshot = replace(SNAPSHOT, state=state, reason="the reason", hint="the next step")
    assert conditions(snapshot) == (Condition(code, severity, "the reason", "the next step"),)


@pytest.mark.parametrize("state", [State.DOWN, State.WAITING_FOR_PEER, State.IMPAIRED])
def test_a_condition_without_a_reason_still_says_something(state: State) -> None:
    (condition,) = conditions(replace(SNAPSHOT, state=state))
    assert condition.text
