"""Takes back what dead processes left: the work of `tunnelmgr cleanup`."""

from dataclasses import dataclass
from pathlib import Path

from tunnelmgr.host.interface import Host


@dataclass(frozen=True, slots=True)
class Leftover:
    """What was found of one dead profile."""

    profile: str
    lines: tuple[str, ...]
    """What was done, as a user would type it."""


async def cleanup(host: Host, runtime_dir: Path) -> list[Leftover]:
    """Take back the changes of every journal in `runtime_dir` whose owner is dead. Doing it twice is fine."""
