"""`tunnelmgr down`."""

import click

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli import options, overview, privileges
from tunnelmgr.cli.terminal import tell
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.daemon.client import ControlClient, NotRunningError


@click.command()
@options.profile_if_any
def down(profile: str | None) -> None:
    """Take a tunnel down and everything back.

    Without PROFILE the only one that is up. Doing it twice is fine.
    """
    runtime = Runtime.from_environment()
    client = overview.client_of(profile, runtime) if profile else overview.the_only_one(runtime)
    if client is None:
        tell(f"{profile} is not running" if profile else "no tunnel is up")
        return
    try:
        _stop(client)
        tell(f"{client.name}: down")
    except NotRunningError:
        from tunnelmgr.cli.commands.cleanup import take_back  # slow to import, and seldom needed

        take_back(runtime)
        tell(f"{client.name}: its process had been killed; what it left is taken back")


def _stop(client: ControlClient) -> None:
    try:
        client.stop()
    except TunnelError as error:
        if error.exit_code is ExitCode.NO_PERMISSION:
            privileges.become_root(f"take {client.name} down")
        raise
