"""Lets the commands of plugins ask running profiles. Imports nothing until one does."""

from collections.abc import Mapping
from typing import Any

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.status import Fact


class Asking:
    """The `RunningProfiles` of plugin commands."""

    def ask(self, profile: str, command: str, arguments: Mapping[str, Fact]) -> Mapping[str, Any]:
        """Run a Tunnel's command in the process of a profile."""
        from tunnelmgr.cli import overview
        from tunnelmgr.core.runtime import Runtime

        client = overview.client_of(profile, Runtime.from_environment())
        if client is None:
            raise TunnelError(
                f"{profile} is not running", hint=f"bring it up: tunnelmgr up {profile}", exit_code=ExitCode.NOT_UP
            )
        return client.command(command, arguments)
