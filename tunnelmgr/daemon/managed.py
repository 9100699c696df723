"""What the process around a profile needs of the thing it runs: `core.lifecycle.Lifecycle`, or a fake in a test."""

from collections.abc import Callable, Mapping
from typing import Protocol

from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.status import Fact
from tunnelmgr.core.condition import Condition, Progress
from tunnelmgr.core.running.snapshot import Snapshot


class Managed(Protocol):
    """One profile, brought up and kept."""

    async def run(self) -> ExitCode:
        """Bring it up and keep it; return after `stop` or a permanent failure, with nothing left behind."""

    def stop(self) -> None:
        """Ask `run` to take everything back and return. Asking twice is fine."""

    def snapshot(self) -> Snapshot:
        """Tell how it stands, at any time."""

    @property
    def failure(self) -> ExitCode:
        """What `up` ends with when the profile is not up in time."""

    def command(self, name: str, arguments: Mapping[str, Fact]) -> Mapping[str, object]:
        """Run one of the transport's own commands. Raises TunnelError."""

    def subscribe(self, callback: Callable[[Condition], None]) -> None:
        """Call back with each new condition."""


Begin = Callable[[Callable[[Progress], None]], Managed]
"""Makes the thing to run; it tells the lines of its story to the callable it is given."""
