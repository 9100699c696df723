"""Takes back what dead processes left: the work of `tunnelmgr cleanup`."""

from dataclasses import dataclass
from pathlib import Path

from tunnelmgr.host.apply import Configurator
from tunnelmgr.host.interface import Host
from tunnelmgr.host.journal import Journal, JournalInUseError


@dataclass(frozen=True, slots=True)
class Leftover:
    """What was found of one dead profile, and taken back."""

    profile: str
    lines: tuple[str, ...]
    """What was done, as a user would type it. Empty: a journal of nothing."""


async def cleanup(host: Host, runtime_dir: Path) -> list[Leftover]:
    """Take back the changes of every journal in `runtime_dir` whose owner is dead. Doing it twice is fine.

    Journals of other network namespaces stay: run it there. Raises TunnelError when something cannot be taken back.
    """
    leftovers = []
    for path in sorted(runtime_dir.glob("*.journal")):
        try:
            journal = Journal.take(path)
        except JournalInUseError:
            continue
        try:
            if not journal.elsewhere:
                steps = await Configurator(host, journal).recover()
                leftovers.append(Leftover(path.stem, tuple(line for step in steps for line in step.lines())))
        finally:
            journal.close()
    return leftovers
