"""`tunnelmgr version`."""

from importlib.metadata import version as installed

import click

from tunnelmgr.cli.terminal import say


@click.command()
def version() -> None:
    """Print the version."""
    say(f"tunnelmgr {installed('tunnelmgr')}")
