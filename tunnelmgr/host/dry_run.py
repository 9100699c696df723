"""What `up --dry-run` prints: every change to this machine, as a user would type it."""

from tunnelmgr.host.desired import Desired


def dry_run(desired: Desired) -> list[str]:
    """Return the lines, `[#] ` before each, that make the device on a machine that has nothing of it."""
