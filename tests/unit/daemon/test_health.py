"""Lasting conditions: which hold, under which code, and that each is documented."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.home_snapshot import SNAPSHOT, with_running
from tunnelmgr.core.condition import BEGUN, Code, Condition, State
from tunnelmgr.core.running.lan_shares import LanStatus
from tunnelmgr.core.running.snapshot import NOT_PROVEN, Snapshot
from tunnelmgr.daemon.health import TABLE, Severity, Symptom, symptoms

HEALTH = Path(__file__).parents[3] / "docs/health.md"
TEREDO = with_running(SNAPSHOT, default_route=True)


def codes(snapshot: Snapshot) -> list[Code]:
    return [symptom.code for symptom in symptoms(snapshot)]


def test_nothing_is_to_be_said_of_a_tunnel_that_is_up() -> None:
    assert symptoms(SNAPSHOT) == ()


def test_nor_of_one_that_has_just_begun() -> None:
    assert codes(replace(SNAPSHOT, condition=BEGUN)) == []


@pytest.mark.parametrize(
    ("state", "code", "severity"),
    [
        (State.DOWN, Code.DOWN, Severity.ERROR),
        (State.DOWN, Code.NOTHING_SUITS, Severity.ERROR),
        (State.WAITING_FOR_PEER, Code.NOT_HEARD_YET, Severity.WARNING),
        (State.STARTING, Code.UNPROVEN, Severity.WARNING),
        (State.IMPAIRED, Code.PACKETS_STOPPED, Severity.WARNING),
        (State.IMPAIRED, Code.PEER_SILENT, Severity.WARNING),
        (State.IMPAIRED, Code.HELD, Severity.WARNING),
    ],
)
def test_why_a_profile_is_not_up_is_a_symptom_with_its_reason_and_hint(state: State, code: Code, severity: Severity) -> None:
    snapshot = replace(SNAPSHOT, condition=Condition(state, code, "the reason", "the next step"))
    assert symptoms(snapshot) == (Symptom(code, severity, "the reason", "the next step"),)


def test_a_condition_without_a_reason_still_says_something() -> None:
    (symptom,) = symptoms(replace(SNAPSHOT, condition=Condition(State.DOWN, Code.DOWN)))
    assert symptom.text


def test_what_is_wrong_with_the_lan_comes_before_what_is_only_worth_knowing() -> None:
    link = LanStatus("br-lan", trouble="radvd is missing", hint="install radvd")
    assert codes(with_running(SNAPSHOT, lan=(link,), verified=NOT_PROVEN)) == [Code.LAN, Code.NOBODY_ASKED]


def test_native_ipv6_is_a_note() -> None:
    assert codes(with_running(SNAPSHOT, beside_native=True)) == [Code.NATIVE_IPV6]


def test_that_programs_prefer_ipv4_is_a_note_with_the_lines_to_paste() -> None:
    (note,) = symptoms(TEREDO)
    assert (note.code, note.severity) == (Code.IPV4_FIRST, Severity.NOTE)
    assert "nothing is wrong" in note.text
    assert note.lines[0] == "label ::1/128 0"


@pytest.mark.parametrize("address", ["2001:db8::1", "2a01::1"])
def test_addresses_as_good_as_native_ones_need_no_note(address: str) -> None:
    assert symptoms(with_running(TEREDO, addresses=(address,))) == ()


def test_without_the_default_route_nobody_would_use_the_address_anyway() -> None:
    assert symptoms(with_running(TEREDO, default_route=False)) == ()


def test_every_code_is_documented_with_its_severity_and_nothing_else_is() -> None:
    sections = re.findall(r"^## (TM-H\d{3}): .+\n\n`(error|warning|note)`\. .{40,}", HEALTH.read_text(), re.MULTILINE)
    assert sections == [(code.value, TABLE[code].severity.value) for code in Code]


def test_the_documented_lines_are_those_that_status_shows() -> None:
    (note,) = symptoms(TEREDO)
    assert "\n".join(f"    {line}" for line in note.lines) in HEALTH.read_text()


def test_resolvers_that_are_not_used_are_a_warning() -> None:
    (symptom,) = symptoms(with_running(SNAPSHOT, shortfall="the resolvers are not used", shortfall_hint="do it"))
    assert symptom == Symptom(Code.RESOLVERS, Severity.WARNING, "the resolvers are not used", "do it")


def test_a_far_end_open_to_strangers_is_a_warning_while_it_stands() -> None:
    (symptom,) = symptoms(with_running(SNAPSHOT, exposure="everybody uses it", exposure_hint="close it"))
    assert symptom == Symptom(Code.OPEN_TO_STRANGERS, Severity.WARNING, "everybody uses it", "close it")
