"""`tunnelmgr cleanup`."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import click

from tunnelmgr.cli import options, privileges, render
from tunnelmgr.cli.terminal import say
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.daemon.claim import remove_stale
from tunnelmgr.host.cleanup import Leftover, leftovers
from tunnelmgr.host.cleanup import cleanup as take_back_journals
from tunnelmgr.host.linux.host import LinuxHost


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What `cleanup` shows."""

    leftovers: tuple[Leftover, ...]


@click.command()
@options.dry_run
@options.as_json
def cleanup(*, dry_run: bool, as_json: bool) -> None:
    """Take back what killed processes left on this host.

    Profiles that are up stay untouched.
    """
    runtime = Runtime.from_environment()
    found = Leftovers(tuple(_rehearse(runtime) if dry_run else take_back(runtime)))
    text = "\n".join(f"[#] {line}" for leftover in found.leftovers for line in leftover.lines)
    say(render.envelope("cleanup", found) if as_json else text or "nothing was left")


def take_back(runtime: Runtime) -> Sequence[Leftover]:
    """Take it back and return what it was. Profiles that run stay untouched. Raises TunnelError, or becomes root."""
    privileges.require_net_admin("take back what a killed process left")
    found = asyncio.run(take_back_journals(LinuxHost(), runtime.runtime_dir))
    remove_stale(runtime.runtime_dir)
    return found


def _rehearse(runtime: Runtime) -> Sequence[Leftover]:
    privileges.require_net_admin("read what killed processes left")
    return leftovers(runtime.runtime_dir)
