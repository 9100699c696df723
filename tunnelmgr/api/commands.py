"""What a plugin's own commands have to work with.

A command is a click object named by an entry point of the group `tunnelmgr.commands`; it is imported when it is invoked.
Its `ctx.obj` (see `click.pass_obj`) asks the processes that run profiles.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from tunnelmgr.api.status import Fact


class RunningProfiles(Protocol):
    """The profiles that run on this host."""

    def ask(self, profile: str, command: str, arguments: Mapping[str, Fact]) -> Mapping[str, Any]:
        """Run `Tunnel.command` in the process of a profile (a name or a file) and return its answer.

        Raises TunnelError: what the Tunnel raised, or NOT_UP when the profile does not run.
        """
