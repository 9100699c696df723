"""When a scenario goes on and when it fails. What a step does and tells is shown in namespaces, by `tunnelmgr lab run`."""

from collections.abc import Sequence
from ipaddress import IPv4Address
from subprocess import CompletedProcess

import pytest

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.readymade.description import CLIENTS
from tunnelmgr.lab.readymade.lab import Lab
from tunnelmgr.lab.readymade.scenario import LOOK_INTERVAL, Happens, Say, Scenario, Step, Type, play
from tunnelmgr.lab.readymade.scenarios import SCENARIOS, demo
from tunnelmgr.lab.readymade.topology import ALL_SERVICES, PUBLIC_HOSTS
from tunnelmgr.lab.vocabulary import NatKind

HOSTS = {*CLIENTS, *(plan.name for plan in PUBLIC_HOSTS)}


class Answering(Lab):
    """Answers each command as told, with the last answer for ever. What happens on it must happen to what is there."""

    def __init__(self, *answers: CompletedProcess[str]) -> None:
        self.typed = 0
        self._answers = answers

    def type(self, host: str, words: Sequence[str]) -> CompletedProcess[str]:
        self.typed += 1
        return self._answers[min(self.typed, len(self._answers)) - 1]

    def change_nat(self, client: str, kind: NatKind) -> None:
        assert client in CLIENTS

    def forget_mappings(self, client: str) -> None:
        assert client in CLIENTS

    def move(self, client: str, address: IPv4Address) -> None:
        assert client in CLIENTS

    def kill(self, name: str) -> None:
        assert name in HOSTS

    def start(self, name: str) -> None:
        assert name in ALL_SERVICES


def said(text: str, status: int) -> CompletedProcess[str]:
    return CompletedProcess((), status, text)


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
        (Type("client1", "ping web"), said("no", 2), r"client1\$ ping web: exited with 2"),
        (Type("client1", "ping web", fails=True), said("yes", 0), r"client1\$ ping web: succeeded, and must not"),
        (Type("client1", "ping web", shows="0% loss"), said("50% packet loss", 0), "does not show '0% loss'"),
    ],
)
def test_what_is_not_as_it_must_be_ends_the_story_behind_its_output(
    step: Type, answer: CompletedProcess[str], complaint: str
) -> None:
    lines: list[str] = []
    with pytest.raises(TunnelError, match=complaint):
        play(Scenario("x", "x", (step, Say("never"))), Answering(answer), lines.append, JumpingClock())
    assert lines == ["client1$ ping web", answer.stdout]


def test_what_may_take_time_is_typed_again_until_it_is_as_it_must_be() -> None:
    stage = Answering(said("NAT  full-cone", 0), said("", 3), said("NAT  symmetric", 0))
    story = told(stage, Type("client1", "look", shows="NAT +symmetric", within=60.0))
    assert story == "client1$ look\nNAT  symmetric"
    assert stage.typed == 3


def test_it_is_given_up_after_its_time() -> None:
    stage = Answering(said("no", 1))
    with pytest.raises(TunnelError, match="exited with 1"):
        told(stage, Type("client1", "look", within=5.0))
    assert stage.typed == 1 + 5.0 / LOOK_INTERVAL


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_a_scenario_names_hosts_that_are_there(scenario: Scenario) -> None:
    assert scenario.services <= ALL_SERVICES
    for step in scenario.steps:
        match step:
            case Type(host):
                assert host in HOSTS
            case Happens(does=does):
                does(Answering())


def test_the_demonstration_is_behind_the_nat_that_was_chosen() -> None:
    assert demo(NatKind.SYMMETRIC).nats == (NatKind.SYMMETRIC,)
