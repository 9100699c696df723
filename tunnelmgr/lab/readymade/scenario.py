"""What happens in a lab, as data: who types what, what breaks, and what must be seen."""

import re
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Protocol, TypeAlias

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.readymade.lab import Lab
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
class Happens:
    """Something happens to the lab: how it is told, and what does it."""

    told: str
    does: Callable[[Lab], None]


Step: TypeAlias = Say | Type | Happens


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story; its lab has these NATs, in the order of the clients, and on these hosts the services run."""

    name: str
    title: str
    steps: tuple[Step, ...]
    nats: tuple[NatKind, ...] = ()
    services: frozenset[str] = frozenset({"server", "relay", "web"})


class WallClock(Protocol):
    """What waiting is measured by; the module `time` is one."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


def play(scenario: Scenario, lab: Lab, tell: Callable[[str], None], clock: WallClock = time) -> None:
    """Play a scenario and tell it. Raises TunnelError when something must be seen and is not."""
    for step in scenario.steps:
        match step:
            case Say(text):
                tell(f"\n{text}\n")
            case Type():
                _type(step, lab, tell, clock)
            case Happens(told, does):
                tell(f"*** {told}")
                does(lab)


def _type(step: Type, lab: Lab, tell: Callable[[str], None], clock: WallClock) -> None:
    tell(f"{step.host}$ {step.line}")
    deadline = clock.monotonic() + step.within
    answer = lab.type(step.host, shlex.split(step.line))
    while (missing := _missing(step, answer)) and clock.monotonic() < deadline:
        clock.sleep(LOOK_INTERVAL)
        answer = lab.type(step.host, shlex.split(step.line))
    if answer.stdout:
        tell(answer.stdout.rstrip("\n"))
    if missing:
        raise TunnelError(f"{step.host}$ {step.line}: {missing}", hint="see what it said above")


def _missing(step: Type, answer: CompletedProcess[str]) -> str:
    """Return what is not as it must be; empty if all is."""
    if step.fails and answer.returncode == 0:
        return "succeeded, and must not"
    if not step.fails and answer.returncode:
        return f"exited with {answer.returncode}"
    return "" if re.search(step.shows, answer.stdout) else f"does not show {step.shows!r}"
