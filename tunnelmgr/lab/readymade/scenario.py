"""What happens in a lab, as data: who types what, what breaks, and what must be seen. Pure."""

import re
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol, TypeAlias

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.vocabulary import NatKind

LOOK_INTERVAL = 0.5  # seconds between looks for what must be seen


@dataclass(frozen=True, slots=True)
class Say:
    """A paragraph of the story."""

    text: str


@dataclass(frozen=True, slots=True)
class Type:
    """A command somebody types on a host.

    It must exit with 0, or, if it `fails`, with anything else; its output must match the pattern `shows`. Both may take
    `within` seconds: it is typed again until then, and what it said last is shown.
    """

    host: str
    line: str
    shows: str = ""
    fails: bool = False
    within: float = 0.0


@dataclass(frozen=True, slots=True)
class ChangeNat:
    """A router is replaced by one of another kind."""

    client: str
    kind: NatKind


@dataclass(frozen=True, slots=True)
class Restart:
    """A router restarts: it forgets its mappings."""

    client: str


@dataclass(frozen=True, slots=True)
class Move:
    """A router gets another public address."""

    client: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class Kill:
    """Everything that runs on a host is killed."""

    host: str


@dataclass(frozen=True, slots=True)
class Start:
    """The service of a host starts again."""

    host: str


Step: TypeAlias = Say | Type | ChangeNat | Restart | Move | Kill | Start


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story; its lab has these NATs, in the order of the clients, and on these hosts the services run."""

    name: str
    title: str
    steps: tuple[Step, ...]
    nats: tuple[NatKind, ...] = ()
    services: frozenset[str] = frozenset({"server", "relay", "web"})


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """What a command said, and what it exited with."""

    text: str
    status: int


class Stage(Protocol):
    """Where a scenario is played."""

    def type(self, host: str, words: Sequence[str]) -> CommandOutput: ...

    def change_nat(self, client: str, kind: NatKind) -> None: ...

    def forget_mappings(self, client: str) -> None: ...

    def move(self, client: str, address: IPv4Address) -> None: ...

    def kill(self, name: str) -> None: ...

    def start(self, name: str) -> None: ...


class WallClock(Protocol):
    """What waiting is measured by; the module `time` is one."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


def play(scenario: Scenario, stage: Stage, tell: Callable[[str], None], clock: WallClock = time) -> None:
    """Play a scenario and tell it. Raises TunnelError when something must be seen and is not."""
    for step in scenario.steps:
        match step:
            case Say(text):
                tell(f"\n{text}\n")
            case Type():
                _type(step, stage, tell, clock)
            case ChangeNat(client, kind):
                tell(f"*** the NAT of {client} becomes {kind.value}")
                stage.change_nat(client, kind)
            case Restart(client):
                tell(f"*** the NAT of {client} restarts")
                stage.forget_mappings(client)
            case Move(client, address):
                tell(f"*** the NAT of {client} gets the address {address}")
                stage.move(client, address)
            case Kill(host):
                tell(f"*** power failure at {host}")
                stage.kill(host)
            case Start(host):
                tell(f"*** {host} is back")
                stage.start(host)


def _type(step: Type, stage: Stage, tell: Callable[[str], None], clock: WallClock) -> None:
    tell(f"{step.host}$ {step.line}")
    deadline = clock.monotonic() + step.within
    answer = stage.type(step.host, shlex.split(step.line))
    while (missing := _missing(step, answer)) and clock.monotonic() < deadline:
        clock.sleep(LOOK_INTERVAL)
        answer = stage.type(step.host, shlex.split(step.line))
    if answer.text:
        tell(answer.text.rstrip("\n"))
    if missing:
        raise TunnelError(f"{step.host}$ {step.line}: {missing}", hint="see what it said above")


def _missing(step: Type, answer: CommandOutput) -> str:
    """Return what is not as it must be; empty if all is."""
    if step.fails and answer.status == 0:
        return "succeeded, and must not"
    if not step.fails and answer.status:
        return f"exited with {answer.status}"
    return "" if re.search(step.shows, answer.text) else f"does not show {step.shows!r}"
