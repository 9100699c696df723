"""`tunnelmgr cleanup`."""

from dataclasses import dataclass

import click

from tunnelmgr.cli import options, render
from tunnelmgr.cli.taking_back import rehearse_taking_back, take_back
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.host.cleanup import Leftover


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What `cleanup` shows."""

    leftovers: tuple[Leftover, ...]


@click.command()
@options.dry_run
@options.as_json
def cleanup(*, dry_run: bool, as_json: bool) -> None:
    """Take back what killed processes left on this host.

    Profiles that are up stay untouched.
    """
    runtime = Runtime.from_environment()
    found = Leftovers(tuple(rehearse_taking_back(runtime) if dry_run else take_back(runtime)))
    click.echo(render.envelope("cleanup", found) if as_json else render.changes(found.leftovers) or "nothing was left")
