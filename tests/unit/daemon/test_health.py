"""Lasting conditions: which hold, under which code, and that each is documented."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.home_snapshot import SNAPSHOT
from tunnelmgr.core.running.snapshot import NOT_PROVEN, LanStatus, Snapshot, State, Trouble
from tunnelmgr.daemon.health import Code, Condition, Severity, conditions

HEALTH = Path(__file__).parents[3] / "docs/health.md"
TEREDO = replace(SNAPSHOT, default_route=True)


def codes(snapshot: Snapshot) -> list[Code]:
    return [condition.code for condition in conditions(snapshot)]


def test_nothing_is_to_be_said_of_a_tunnel_that_is_up() -> None:
    assert conditions(SNAPSHOT) == ()


def test_nor_of_one_that_has_just_begun() -> None:
    assert codes(replace(SNAPSHOT, state=State.STARTING, reason="no answer yet")) == []


@pytest.mark.parametrize(
    ("state", "trouble", "code", "severity"),
    [
        (State.DOWN, None, Code.DOWN, Severity.ERROR),
        (State.DOWN, Trouble.NOTHING_SUITS, Code.NOTHING_SUITS, Severity.ERROR),
        (State.WAITING_FOR_PEER, Trouble.SILENT, Code.NOT_HEARD_YET, Severity.WARNING),
        (State.STARTING, Trouble.UNPROVEN, Code.UNPROVEN, Severity.WARNING),
        (State.IMPAIRED, Trouble.LOST, Code.PACKETS_STOPPED, Severity.WARNING),
        (State.IMPAIRED, Trouble.SILENT, Code.PEER_SILENT, Severity.WARNING),
        (State.IMPAIRED, Trouble.HELD, Code.HELD, Severity.WARNING),
        (State.IMPAIRED, None, Code.PACKETS_STOPPED, Severity.WARNING),
    ],
)
def test_a_trouble_that_lasts_is_a_condition_with_its_reason_and_hint(
    state: State, trouble: Trouble | None, code: Code, severity: Severity
) -> None:
    snapshot = replace(SNAPSHOT, state=state, trouble=trouble, reason="the reason", hint="the next step")
    assert conditions(snapshot) == (Condition(code, severity, "the reason", "the next step"),)


@pytest.mark.parametrize("state", [State.DOWN, State.WAITING_FOR_PEER, State.IMPAIRED])
def test_a_condition_without_a_reason_still_says_something(state: State) -> None:
    (condition,) = conditions(replace(SNAPSHOT, state=state))
    assert condition.text


def test_what_is_wrong_with_the_lan_comes_before_what_is_only_worth_knowing() -> None:
    link = LanStatus("br-lan", None, trouble="radvd is missing", hint="install radvd")
    assert codes(replace(SNAPSHOT, lan=(link,), verified=NOT_PROVEN)) == [Code.LAN, Code.NOBODY_ASKED]


def test_native_ipv6_is_a_note() -> None:
    assert codes(replace(SNAPSHOT, beside_native=True)) == [Code.NATIVE_IPV6]


def test_that_programs_prefer_ipv4_is_a_note_with_the_lines_to_paste() -> None:
    (note,) = conditions(TEREDO)
    assert (note.code, note.severity) == (Code.IPV4_FIRST, Severity.NOTE)
    assert "nothing is wrong" in note.text
    assert note.lines[0] == "label ::1/128 0"


@pytest.mark.parametrize("address", ["2001:db8::1", "2a01::1"])
def test_addresses_as_good_as_native_ones_need_no_note(address: str) -> None:
    assert conditions(replace(TEREDO, addresses=(address,))) == ()


def test_without_the_default_route_nobody_would_use_the_address_anyway() -> None:
    assert conditions(replace(TEREDO, default_route=False)) == ()


def test_every_code_is_documented_with_its_severity_and_nothing_else_is() -> None:
    sections = re.findall(r"^## (TM-H\d{3}): .+\n\n`(error|warning|note)`\. .{40,}", HEALTH.read_text(), re.MULTILINE)
    assert [code for code, _ in sections] == [code.value for code in Code]


def test_the_documented_lines_are_those_that_status_shows() -> None:
    (note,) = conditions(TEREDO)
    assert "\n".join(f"    {line}" for line in note.lines) in HEALTH.read_text()


def test_resolvers_that_are_not_used_are_a_warning() -> None:
    (condition,) = conditions(replace(SNAPSHOT, shortfall="the resolvers are not used", shortfall_hint="do it"))
    assert condition == Condition(Code.RESOLVERS, Severity.WARNING, "the resolvers are not used", "do it")
