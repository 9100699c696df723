"""Finds and runs the program that minds this host's resolvers."""

import errno
import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

from tunnelmgr.host.items import Resolvers
from tunnelmgr.host.linux.running import SEARCH_PATH, run_program
from tunnelmgr.host.linux.unannounced import RESOLV_CONF
from tunnelmgr.host.resolvers import Command, ResolverHelper, handing_over, taking_back

RESOLVED = Path("/run/systemd/resolve/io.systemd.Resolve")  # of systemd-resolved, from version 247


def find_helper(path: str = SEARCH_PATH, resolved: Path = RESOLVED) -> ResolverHelper | None:
    """Return who minds the resolvers here; None when nobody does. One that is installed and does not run does not count."""
    if shutil.which("resolvectl", path=path) and _answers(resolved):
        return ResolverHelper.RESOLVECTL
    found = shutil.which("resolvconf", path=path)
    # systemd ships resolvectl under this name too, for a service that does not run.
    if found and Path(found).resolve().name != "resolvectl":
        return ResolverHelper.RESOLVCONF
    return None


class ResolverRecords:
    """What was handed over, and whether it still shows."""

    def __init__(self) -> None:
        self._shown: Resolvers | None = None

    async def run(self, before: Resolvers | None, after: Resolvers | None) -> None:
        """Make resolvers known in the place of those before; without any after, have those forgotten. Raises OSError."""
        # What a helper knows already makes it write nothing.
        if forgotten := before if after is None else self._shown if after == self._shown else None:
            await run_commands(taking_back(forgotten.helper, forgotten.device))
        if after:
            await run_commands(handing_over(after.helper, after.device, after.servers))
        # With a resolver on this host in between, the file never names ours.
        self._shown = after if after and _named(after) else None

    def are_there(self, resolvers: Resolvers) -> bool:
        """False if somebody else has written resolv.conf since. No helper tells whose its resolvers are."""
        return self._shown != resolvers or _named(resolvers)


def _named(resolvers: Resolvers, path: Path = RESOLV_CONF) -> bool:
    try:
        words = path.read_text(errors="replace").split()
    except OSError:
        return False
    return all(str(server) in words for server in resolvers.servers)


async def run_commands(commands: Iterable[Command], path: str = SEARCH_PATH) -> None:
    """Run them in order. Raises OSError with what the first that fails says; ENOENT when the program is gone."""
    for command in commands:
        await _run(command, path)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:  # its files stay when it is stopped
            return False
        return True


async def _run(command: Command, path: str) -> None:
    ran = await run_program(command.words, command.script, path)
    if ran.status:
        raise _failure_of(command, ran.complaint)


def _failure_of(command: Command, complaint: str) -> OSError:
    for code in (errno.ENODEV, errno.EPERM):
        if os.strerror(code) in complaint:
            return OSError(code, os.strerror(code))
    lines = complaint.strip().splitlines() or ["nothing"]
    return OSError(errno.EIO, f"{command.words[0]} says: {lines[0]}")
