"""`tunnelmgr schema`."""

import json

import click

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli.schemas import NAMES, schema_of


@click.command()
@click.argument("name", required=False)
def schema(name: str | None) -> None:
    """Print the JSON schema of a profile, or of what --json prints.

    Lists the NAMEs there are without one.
    """
    if name is None:
        click.echo("\n".join(NAMES))
        return
    if name not in NAMES:
        raise TunnelError(f"no schema {name!r}", hint=f"there are {', '.join(NAMES)}", exit_code=ExitCode.USAGE)
    click.echo(json.dumps(schema_of(name), indent=2))
