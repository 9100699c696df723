"""What the commands of `lab` do where the lab is; `lab_ground` brings them there."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from tunnelmgr.cli import lab_screen, render
from tunnelmgr.lab.readymade.description import Description, describe
from tunnelmgr.lab.readymade.lab import Lab, standing
from tunnelmgr.lab.readymade.scenario import Scenario, play
from tunnelmgr.lab.readymade.state import state_of


def build(description: Description, folder: Path) -> None:
    """Build a lab that stays. Raises TunnelError."""
    Lab(description, folder).build(_say)
    _say(lab_screen.built(description.lab))


def show(name: str, folder: Path, *, as_json: bool) -> None:
    """Print how a lab stands. Raises TunnelError."""
    state = state_of(Lab.attach(name, folder))
    click.echo(render.envelope("lab", state) if as_json else lab_screen.screen(state))


def enter(name: str, host: str, words: Sequence[str], folder: Path) -> NoReturn:
    """Become a command on a host. Raises TunnelError, and OSError when `ip` is missing."""
    lab = Lab.attach(name, folder)
    command = lab.command(lab.host(host), words)
    os.execvp(command[0], command)  # noqa: S606 - no shell is the point


def perform(scenario: Scenario, name: str, folder: Path) -> None:
    """Build a lab, play a scenario in it, and remove it. Raises TunnelError when it does not go as it must."""
    with standing(describe(name, scenario.nats), folder, _say, scenario.services) as lab:
        play(scenario, lab, click.echo)


def _say(text: str) -> None:
    click.echo(text, err=True)
