"""`tunnelmgr lab`."""

import os
from functools import partial

import click

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli import lab_ground, lab_screen, lab_work, options
from tunnelmgr.cli.lab_screen import DEFAULT_LAB
from tunnelmgr.lab.readymade.description import DEFAULT_NAT, describe
from tunnelmgr.lab.readymade.scenarios import SCENARIOS, demo
from tunnelmgr.lab.vocabulary import LINK_MTU, NatKind

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
@click.option("--delay", "delays", multiple=True, type=click.FloatRange(0, 10_000), help="Milliseconds to the backbone.")
@click.option("--loss", "losses", multiple=True, type=click.FloatRange(0, 100), help="Percent of packets lost, each way.")
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
    return lab_ground.build_to_stay(name, partial(lab_work.build, description))


@lab.command()
@_name
def down(name: str) -> None:
    """Remove a lab and all that runs in it.

    Also what a killed command has left of one.
    """
    click.echo(f"{name}: removed" if lab_ground.remove(name) else f"there is no lab {name}", err=True)


@lab.command()
@_name
@options.as_json
def status(name: str, *, as_json: bool) -> None:
    """Show hosts, addresses, NATs, and what runs.

    Exits 3 when the lab is not there.
    """
    lab_ground.join(name, partial(lab_work.show, name, as_json=as_json))


@lab.command(context_settings=_PASS_ON)
@_name
@_host
@click.argument("words", nargs=-1, required=True, metavar="COMMAND...", type=click.UNPROCESSED)
def exec(name: str, host: str, words: tuple[str, ...]) -> None:  # noqa: A001
    """Run a command on a host.

    It sees the host's network and names, and the files of this machine.
    """
    lab_ground.join(name, partial(lab_work.enter, name, host, words))


@lab.command()
@_name
@_host
def shell(name: str, host: str) -> None:
    """Open a shell on a host."""
    lab_ground.join(name, partial(lab_work.enter, name, host, [os.environ.get("SHELL") or "/bin/sh"]))


@lab.command()
@click.option("--lab", "name", default="scenario", show_default=True, help="What to call its lab.")
@click.argument("scenario", required=False)
def run(name: str, scenario: str | None) -> int:
    """Play a scenario in a lab of its own.

    Lists the scenarios there are without one.
    """
    if scenario is None:
        click.echo(lab_screen.scenarios(SCENARIOS.values()))
        return ExitCode.DONE
    if scenario not in SCENARIOS:
        raise TunnelError(f"no scenario {scenario!r}", hint=f"there are {', '.join(SCENARIOS)}", exit_code=ExitCode.USAGE)
    return lab_ground.build_for_now(name, partial(lab_work.perform, SCENARIOS[scenario], name))


@lab.command("demo")
@click.option("--lab", "name", default="demo", show_default=True, help="What to call its lab.")
@click.option("--nat", type=_NATS, default=DEFAULT_NAT.value, show_default=True, help="NAT in front of the client.")
def show_demo(name: str, nat: str) -> int:
    """Show it all: a host behind a NAT gets IPv6.

    In a lab of its own, which is gone afterwards. Takes a few seconds.
    """
    return lab_ground.build_for_now(name, partial(lab_work.perform, demo(NatKind(nat)), name))
