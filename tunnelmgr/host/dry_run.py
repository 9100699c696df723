"""What `up --dry-run` prints: every change to this machine, as a user would type it."""

from tunnelmgr.host.desired import Desired
from tunnelmgr.host.plan import plan
from tunnelmgr.host.resolvers import ResolverHelper


def dry_run(desired: Desired, helper: ResolverHelper | None = None) -> list[str]:
    """Return the lines, `[#] ` before each, that make the device on a machine that has nothing of it."""
    steps = plan(desired, (), helper)
    lines = [f"ip tuntap add dev {desired.device} mode tun", *(line for step in steps for line in step.lines())]
    return [f"[#] {line}" for line in lines]
