"""When a scenario goes on and when it fails. What a step does and tells is shown in namespaces, by `tunnelmgr lab run`."""

from collections.abc import Sequence
from ipaddress import IPv4Address

import pytest

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.readymade.description import CLIENTS
from tunnelmgr.lab.readymade.scenario import (
    LOOK_INTERVAL,
    ChangeNat,
    CommandOutput,
    Kill,
    Move,
    Restart,
    Say,
    Scenario,
    Stage,
    Start,
    Step,
    Type,
    play,
)
from tunnelmgr.lab.readymade.scenarios import SCENARIOS, demo
from tunnelmgr.lab.readymade.topology import ALL_SERVICES, PUBLIC_HOSTS
from tunnelmgr.lab.vocabulary import NatKind


class Answering(Stage):
    """Answers each command as told, with the last answer for ever. Nothing else happens on it."""

    def __init__(self, *answers: CommandOutput) -> None:
        self.typed = 0
        self._answers = answers

    def type(self, host: str, words: Sequence[str]) -> CommandOutput:
        self.typed += 1
        return self._answers[min(self.typed, len(self._answers)) - 1]

    def change_nat(self, client: str, kind: NatKind) -> None: ...

    def forget_mappings(self, client: str) -> None: ...

    def move(self, client: str, address: IPv4Address) -> None: ...

    def kill(self, name: str) -> None: ...

    def start(self, name: str) -> None: ...


class JumpingClock:
    """Sleeping is all that takes time."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


def told(stage: Answering, *steps: Step) -> str:
    """Play these steps and return the story."""
    lines: list[str] = []
    play(Scenario("x", "x", steps), stage, lines.append, JumpingClock())
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("step", "answer", "complaint"),
    [
        (Type("client1", "ping web"), CommandOutput("no", 2), r"client1\$ ping web: exited with 2"),
        (Type("client1", "ping web", fails=True), CommandOutput("yes", 0), r"client1\$ ping web: succeeded, and must not"),
        (Type("client1", "ping web", shows="0% loss"), CommandOutput("50% packet loss", 0), "does not show '0% loss'"),
    ],
)
def test_what_is_not_as_it_must_be_ends_the_story_behind_its_output(
    step: Type, answer: CommandOutput, complaint: str
) -> None:
    lines: list[str] = []
    with pytest.raises(TunnelError, match=complaint):
        play(Scenario("x", "x", (step, Say("never"))), Answering(answer), lines.append, JumpingClock())
    assert lines == ["client1$ ping web", answer.text]


def test_what_may_take_time_is_typed_again_until_it_is_as_it_must_be() -> None:
    stage = Answering(CommandOutput("NAT  full-cone", 0), CommandOutput("", 3), CommandOutput("NAT  symmetric", 0))
    story = told(stage, Type("client1", "look", shows="NAT +symmetric", within=60.0))
    assert story == "client1$ look\nNAT  symmetric"
    assert stage.typed == 3


def test_it_is_given_up_after_its_time() -> None:
    stage = Answering(CommandOutput("no", 1))
    with pytest.raises(TunnelError, match="exited with 1"):
        told(stage, Type("client1", "look", within=5.0))
    assert stage.typed == 1 + 5.0 / LOOK_INTERVAL


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_a_scenario_names_hosts_that_are_there(scenario: Scenario) -> None:
    hosts = {*CLIENTS, *(plan.name for plan in PUBLIC_HOSTS)}
    assert scenario.services <= ALL_SERVICES
    for step in scenario.steps:
        match step:
            case Type(host) | Kill(host):
                assert host in hosts
            case Start(host):
                assert host in ALL_SERVICES
            case ChangeNat(client) | Restart(client) | Move(client):
                assert client in CLIENTS


def test_the_demonstration_is_behind_the_nat_that_was_chosen() -> None:
    assert demo(NatKind.SYMMETRIC).nats == (NatKind.SYMMETRIC,)
