"""`tunnelmgr wait`."""

import time

import click

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli import options, overview
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.daemon.detach import accompany

_LOOK_INTERVAL = 0.1  # seconds between looks for a process that may come


@click.command()
@options.profile
@options.timeout
def wait(profile: str, timeout: float) -> None:
    """Wait until a tunnel carries packets.

    One that is not running may still come; exits 3 when it is not up in time, and at once when it failed for good.
    """
    deadline = time.monotonic() + timeout
    reason = ""
    while (left := deadline - time.monotonic()) > 0:
        try:
            client = overview.client_of(profile, Runtime.from_environment())
            if client:
                if (last := accompany(client.name, client.follow(left), lambda _: None)) is None:
                    return
                reason = last.condition.reason
        except TunnelError as error:
            # Its process ended, or there is none of this name: one may be started, from a file that is found by no name.
            if error.exit_code.permanent and error.exit_code is not ExitCode.NO_PROFILE:
                raise
            reason = error.message
        time.sleep(min(_LOOK_INTERVAL, max(0.0, deadline - time.monotonic())))
    raise TunnelError(
        f"{profile} is not up after {timeout:g} s" + (f": {reason}" if reason else ""),
        hint=f"see: tunnelmgr status {profile}",
        exit_code=ExitCode.NOT_UP,
    )
