"""Takes back what dead processes left: the work of `tunnelmgr cleanup`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.host.apply import Configurator
from tunnelmgr.host.interface import Host
from tunnelmgr.host.journal import Journal, JournalInUseError
from tunnelmgr.host.plan import Step, taken_back


@dataclass(frozen=True, slots=True)
class Leftover:
    """What was found of one dead profile, and taken back."""

    profile: str
    lines: tuple[str, ...]
    """What was done, as a user would type it. Empty: a journal of nothing."""


async def cleanup(host: Host, runtime_dir: Path) -> list[Leftover]:
    """Take back the changes of every journal in `runtime_dir` whose owner is dead. Doing it twice is fine.

    Journals of other network namespaces stay: run it there. Raises TunnelError, after all others are done, when something
    cannot be taken back.
    """
    found: list[Leftover] = []
    failures: list[TunnelError] = []
    for journal in _abandoned(runtime_dir, failures):
        try:
            found.append(_leftover(journal, await Configurator(host, journal).clear()))
        except TunnelError as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return found


def leftovers(runtime_dir: Path) -> list[Leftover]:
    """Return what `cleanup` would take back, and change nothing. Raises TunnelError for a journal that cannot be read."""
    failures: list[TunnelError] = []
    found = [_leftover(journal, taken_back(journal.net())) for journal in _abandoned(runtime_dir, failures)]
    if failures:
        raise failures[0]
    return found


def _abandoned(runtime_dir: Path, failures: list[TunnelError]) -> Iterator[Journal]:
    """Yield the journals of dead processes; add to `failures` what keeps one from being read."""
    for path in sorted(runtime_dir.glob("*.journal")):
        try:
            journal = Journal.take(path)
        except JournalInUseError:
            continue
        except TunnelError as error:
            failures.append(error)
            continue
        try:
            if not journal.elsewhere:
                yield journal
        finally:
            journal.close()


def _leftover(journal: Journal, steps: Iterable[Step]) -> Leftover:
    return Leftover(journal.path.stem, tuple(line for step in steps for line in step.lines()))
