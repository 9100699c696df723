"""`tunnelmgr broker`: what a running broker knows, and a line for its users file."""

import json
from collections.abc import Mapping, Sequence
from typing import IO, Any

import click

from tunnelmgr.api.commands import RunningProfiles
from tunnelmgr.api.status import Fact
from tunnelmgr_tsp.broker.users import account_line

_SCHEMA_VERSION = 1
_profile = click.argument("profile", default="tsp-broker")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def broker() -> None:
    """See and steer a TSP broker that runs here as PROFILE."""


@broker.command()
@_profile
@_as_json
@click.pass_obj
def users(running: RunningProfiles, profile: str, *, as_json: bool) -> None:
    """List the accounts, with their addresses and tunnels."""
    _show(running.ask(profile, "users", {}), "users", as_json=as_json)


@broker.command()
@_profile
@_as_json
@click.pass_obj
def leases(running: RunningProfiles, profile: str, *, as_json: bool) -> None:
    """List the leases: who has which address and prefix."""
    _show(running.ask(profile, "leases", {}), "leases", as_json=as_json)


@broker.command()
@_profile
@click.pass_obj
def drain(running: RunningProfiles, profile: str) -> None:
    """Send newcomers to the other brokers of `redirect`; tunnels that are up stay."""
    tunnels = running.ask(profile, "drain", {})["tunnels"]
    click.echo(f"{profile}: draining, {tunnels} tunnels left", err=True)


@broker.command()
@click.argument("name")
@click.option("--realm", default="tunnelmgr", show_default=True, help="As `realm` in the broker's profile.")
@click.option("--password-file", type=click.File("r"), help="Read the password here; asked for without it.")
def account(name: str, realm: str, password_file: IO[str] | None) -> None:
    """Print the line of an account for the users file. The line is as good as the password: keep it in mode 0600."""
    if not name or ":" in name or name.split() != [name]:
        raise click.BadParameter(f"{name!r} holds a colon or a blank", param_hint="NAME")
    if password_file is not None:
        password = password_file.read().removesuffix("\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    click.echo(account_line(name, realm, password))


def _show(answer: Mapping[str, Any], what: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"schema": f"tunnelmgr.broker-{what}", "schema_version": _SCHEMA_VERSION, "data": answer}))
    else:
        click.echo(table(answer[what]) or f"no {what}")


def table(rows: Sequence[Mapping[str, Fact]]) -> str:
    """Return rows with the same keys as aligned columns below a heading."""
    if not rows:
        return ""
    lines = [tuple(rows[0]), *(tuple("-" if cell is None else str(cell) for cell in row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
