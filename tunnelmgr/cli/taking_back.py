"""Takes back what killed processes left."""

import asyncio
from collections.abc import Sequence

from tunnelmgr.cli import privileges
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.daemon.claim import remove_stale
from tunnelmgr.host import cleanup
from tunnelmgr.host.linux.host import LinuxHost


def take_back(runtime: Runtime) -> Sequence[cleanup.Leftover]:
    """Take it back and return what it was. Profiles that run stay untouched. Raises TunnelError, or becomes root."""
    privileges.require_net_admin("take back what a killed process left")
    found = asyncio.run(cleanup.cleanup(LinuxHost(), runtime.runtime_dir))
    remove_stale(runtime.runtime_dir)
    return found


def rehearse_taking_back(runtime: Runtime) -> Sequence[cleanup.Leftover]:
    """Return what would be taken back."""
    privileges.require_net_admin("read what killed processes left")
    return cleanup.leftovers(runtime.runtime_dir)
