"""How scenarios are played and told, on a stage that only notes what is done."""

from collections.abc import Sequence
from ipaddress import IPv4Address
from itertools import repeat

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
    Start,
    Step,
    Type,
    play,
)
from tunnelmgr.lab.readymade.scenarios import SCENARIOS, demo
from tunnelmgr.lab.readymade.topology import ALL_SERVICES, PUBLIC_HOSTS
from tunnelmgr.lab.vocabulary import NatKind


class NotingStage:
    """Notes what is done; its commands answer what they are told to, the last answer for ever."""

    def __init__(self, *answers: CommandOutput) -> None:
        self.done: list[tuple[str, ...]] = []
        self._answers = iter([*answers[:-1], *repeat(answers[-1], 10_000)] if answers else repeat(CommandOutput("", 0)))

    def type(self, host: str, words: Sequence[str]) -> CommandOutput:
        self.done.append(("type", host, *words))
        return next(self._answers)

    def change_nat(self, client: str, kind: NatKind) -> None:
        self.done.append(("change_nat", client, kind.value))

    def forget_mappings(self, client: str) -> None:
        self.done.append(("forget_mappings", client))

    def move(self, client: str, address: IPv4Address) -> None:
        self.done.append(("move", client, str(address)))

    def kill(self, name: str) -> None:
        self.done.append(("kill", name))

    def start(self, name: str) -> None:
        self.done.append(("start", name))


class JumpingClock:
    """Sleeping is all that takes time."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


def told(stage: NotingStage, *steps: Step) -> str:
    """Play these steps and return the story."""
    lines: list[str] = []
    play(Scenario("x", "x", steps), stage, lines.append, JumpingClock())
    return "\n".join(lines)


def test_the_story_of_everything_that_can_happen() -> None:
    stage = NotingStage(CommandOutput("PONG\n", 0))
    story = told(
        stage,
        Say("It begins:"),
        Type("client1", "ping 'a b'"),
        ChangeNat("client1", NatKind.SYMMETRIC),
        Restart("client2"),
        Move("client1", IPv4Address("203.0.113.9")),
        Kill("server"),
        Start("server"),
    )
    assert (
        story
        == """\

It begins:

client1$ ping 'a b'
PONG
*** the NAT of client1 becomes symmetric
*** the NAT of client2 restarts
*** the NAT of client1 gets the address 203.0.113.9
*** power failure at server
*** server is back"""
    )
    assert stage.done == [
        ("type", "client1", "ping", "a b"),
        ("change_nat", "client1", "symmetric"),
        ("forget_mappings", "client2"),
        ("move", "client1", "203.0.113.9"),
        ("kill", "server"),
        ("start", "server"),
    ]


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
        play(Scenario("x", "x", (step, Say("never"))), NotingStage(answer), lines.append, JumpingClock())
    assert lines == ["client1$ ping web", answer.text]


def test_what_may_take_time_is_typed_again_until_it_is_as_it_must_be() -> None:
    stage = NotingStage(CommandOutput("NAT  full-cone", 0), CommandOutput("", 3), CommandOutput("NAT  symmetric", 0))
    story = told(stage, Type("client1", "look", shows="NAT +symmetric", within=60.0))
    assert story == "client1$ look\nNAT  symmetric"
    assert len(stage.done) == 3


def test_it_is_given_up_after_its_time() -> None:
    stage = NotingStage(CommandOutput("no", 1))
    with pytest.raises(TunnelError, match="exited with 1"):
        told(stage, Type("client1", "look", within=5.0))
    assert len(stage.done) == 1 + 5.0 / LOOK_INTERVAL


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
