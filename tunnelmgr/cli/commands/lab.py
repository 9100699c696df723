"""`tunnelmgr lab`."""

import os
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path, PurePath
from typing import NoReturn

import click

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli import options, render
from tunnelmgr.cli.terminal import say, tell
from tunnelmgr.core.runtime import RUNTIME_DIR
from tunnelmgr.lab.namespaces.programs import Program
from tunnelmgr.lab.readymade.description import DEFAULT_NAT, Description, Router, describe
from tunnelmgr.lab.readymade.ground import Ground
from tunnelmgr.lab.readymade.lab import Lab, standing
from tunnelmgr.lab.readymade.scenario import Scenario, play
from tunnelmgr.lab.readymade.scenarios import SCENARIOS, demo
from tunnelmgr.lab.readymade.state import HostState, LabState, state_of
from tunnelmgr.lab.vocabulary import LINK_MTU, NatKind

DEFAULT_LAB = "lab"
"""The name of a lab whose maker gave none."""
_WORDS_WIDTH = 60  # characters of a command line
_NATS = click.Choice([kind.value for kind in NatKind])
_PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""What stands behind the host is the command's own."""
_name = click.option(
    "--lab",
    "name",
    default=DEFAULT_LAB,
    envvar="TUNNELMGR_LAB",
    show_default=True,
    show_envvar=True,
    help="Which lab, by its name.",
)
_host = click.argument("host")


@click.group()
def lab() -> None:
    """Build an internet on this machine to try tunnels in.

    Hosts, NATs, a Teredo server and relay, an IPv6-only web server: network namespaces with real programs, apart from all
    that this machine has. Root is needed only where user namespaces are forbidden.
    """


@lab.command()
@_name
@click.option(
    "--nat", "nats", multiple=True, type=_NATS, help=f"NAT in front of the clients.  [default: {DEFAULT_NAT.value}]"
)
@click.option("--delay", "delays", multiple=True, type=options.Number(0, 10_000), help="Milliseconds to the backbone.")
@click.option("--loss", "losses", multiple=True, type=options.Number(0, 100), help="Percent of packets lost, each way.")
@click.option("--mtu", "mtus", multiple=True, type=click.IntRange(576, 9000), help=f"Bytes.  [default: {LINK_MTU}]")
def up(name: str, nats: tuple[str, ...], delays: tuple[float, ...], losses: tuple[float, ...], mtus: tuple[int, ...]) -> int:
    """Build a lab and leave it standing.

    The first --nat, --delay, --loss or --mtu is for client1, the second for client2; a single one is for both.
    """
    description = describe(
        name,
        [NatKind(word) for word in nats],
        [milliseconds / 1000 for milliseconds in delays],
        [percent / 100 for percent in losses],
        mtus,
    )
    return _ground(name).build(partial(_build, description))


@lab.command()
@_name
def down(name: str) -> None:
    """Remove a lab and all that runs in it.

    Also what a killed command has left of one.
    """
    tell(f"{name}: removed" if _ground(name).remove() else f"there is no lab {name}")


@lab.command()
@_name
@options.as_json
def status(name: str, *, as_json: bool) -> None:
    """Show hosts, addresses, NATs, and what runs.

    Exits 3 when the lab is not there.
    """
    _ground(name).join(partial(_show, name, as_json=as_json))


@lab.command(context_settings=_PASS_ON)
@_name
@_host
@click.argument("words", nargs=-1, required=True, metavar="COMMAND...", type=click.UNPROCESSED)
def exec(name: str, host: str, words: tuple[str, ...]) -> None:  # noqa: A001
    """Run a command on a host.

    It sees the host's network and names, and the files of this machine.
    """
    _ground(name).join(partial(_enter, name, host, words))


@lab.command()
@_name
@_host
def shell(name: str, host: str) -> None:
    """Open a shell on a host."""
    _ground(name).join(partial(_enter, name, host, [os.environ.get("SHELL") or "/bin/sh"]))


@lab.command()
@click.option("--lab", "name", default="scenario", show_default=True, help="What to call its lab.")
@click.argument("scenario", required=False)
def run(name: str, scenario: str | None) -> int:
    """Play a scenario in a lab of its own.

    Lists the scenarios there are without one.
    """
    if scenario is None:
        say("\n".join(render.columns([(one.name, one.title) for one in SCENARIOS.values()])))
        return ExitCode.DONE
    if scenario not in SCENARIOS:
        raise TunnelError(f"no scenario {scenario!r}", hint=f"there are {', '.join(SCENARIOS)}", exit_code=ExitCode.USAGE)
    return _ground(name).build(partial(_perform, SCENARIOS[scenario], name), stays=False)


@lab.command("demo")
@click.option("--lab", "name", default="demo", show_default=True, help="What to call its lab.")
@click.option("--nat", type=_NATS, default=DEFAULT_NAT.value, show_default=True, help="NAT in front of the client.")
def show_demo(name: str, nat: str) -> int:
    """Show it all: a host behind a NAT gets IPv6.

    In a lab of its own, which is gone afterwards. Takes a few seconds.
    """
    return _ground(name).build(partial(_perform, demo(NatKind(nat)), name), stays=False)


def _ground(name: str) -> Ground:
    return Ground(name, RUNTIME_DIR, [sys.executable, "-m", "tunnelmgr.cli", *sys.argv[1:]])


def _build(description: Description, folder: Path) -> None:
    """Build a lab that stays. Raises TunnelError."""
    Lab(description, folder).build(tell)
    tell(built(description.lab))


def _show(name: str, folder: Path, *, as_json: bool) -> None:
    """Print how a lab stands. Raises TunnelError."""
    state = state_of(Lab.attach(name, folder))
    say(render.envelope("lab", state) if as_json else screen(state))


def _enter(name: str, host: str, words: Sequence[str], folder: Path) -> NoReturn:
    """Become a command on a host. Raises TunnelError, and OSError when `ip` is missing."""
    lab = Lab.attach(name, folder)
    command = lab.command(lab.host(host), words)
    os.execvp(command[0], command)  # noqa: S606 - no shell is the point


def _perform(scenario: Scenario, name: str, folder: Path) -> None:
    """Build a lab, play a scenario in it, and remove it. Raises TunnelError when it does not go as it must."""
    with standing(describe(name, scenario.nats), folder, tell, scenario.services) as lab:
        play(scenario, lab, say)


def built(lab: str) -> str:
    """Return what a user reads when a lab stands."""
    name = "" if lab == DEFAULT_LAB else f" --lab {lab}"
    return f"""\
{lab}: up. What to do in it:
  tunnelmgr lab exec{name} client1 tunnelmgr up home
  tunnelmgr lab shell{name} client1
  tunnelmgr lab status{name}
  tunnelmgr lab down{name}"""


def screen(state: LabState) -> str:
    """Return the screen of a lab."""
    rows = [("host", "what", "addresses", "runs"), *(row for host in state.hosts for row in _rows(host))]
    return "\n".join([f"{state.lab}: what its programs write is in {state.folder}", *render.columns(rows, indent="  ")])


def _rows(host: HostState) -> Iterable[tuple[str, ...]]:
    """Yield a row for each address and each program, side by side."""
    head = (host.name, host.purpose + (f": {_router(host.router)}" if host.router else ""))
    programs = map(spoken, host.programs)
    for address, program in list(zip_longest(host.addresses, programs, fillvalue="")) or [("", "")]:
        yield (*head, address, program)
        head = ("", "")


def _router(router: Router) -> str:
    words = [router.nat.value]
    if router.delay:
        words.append(f"{router.delay * 1000:g} ms")
    if router.loss:
        words.append(f"loses {router.loss * 100:g} %")
    if router.mtu != LINK_MTU:
        words.append(f"MTU {router.mtu}")
    return ", ".join(words)


def spoken(program: Program) -> str:
    """Return a command line as somebody would have typed it, cut where it is long."""
    words = list(program.words)
    if len(words) > 1 and PurePath(words[0]).name.startswith("python") and not words[1].startswith("-"):
        del words[0]  # a script says what runs, not its interpreter
    line = " ".join([PurePath(words[0]).name, *words[1:]])
    return f"{line if len(line) <= _WORDS_WIDTH else line[: _WORDS_WIDTH - 3] + '...'} ({program.pid})"
