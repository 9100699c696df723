"""A wall clock that jumps, for single programs, by Debian's libfaketime: the clock of the machine stays as it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers import debian

_SHARED_MEMORY = Path("/dev/shm")


class WallClock:
    """What programs with `environment` take for the time of day. Monotonic clocks, timers and files' times stay true."""

    def __init__(self, folder: Path) -> None:
        """Keep its file in `folder`."""
        [self._library] = debian.unpacked("libfaketime").glob("usr/lib/*/faketime/libfaketimeMT.so.1")
        self._offset = folder / "wall-clock"
        self.jump_to(0)
        self.environment = {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",  # else a jump is seen some seconds later
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def jump_to(self, offset: int) -> None:
        """Show the true time and `offset` seconds from now on."""
        # At once: a program may read it at any moment.
        new = self._offset.with_suffix(".new")
        new.write_text(f"{offset:+d}")
        new.replace(self._offset)

    def is_shown_to(self, pid: int) -> bool:
        """Whether a running program has it."""
        return str(self._library.resolve()) in Path(f"/proc/{pid}/maps").read_text()


@contextmanager
def wall_clock(folder: Path) -> Iterator[WallClock]:
    """Yield one, and remove what the library leaves behind of programs that have ended. Raises debian.Unavailable."""
    before = _left_behind()
    yield WallClock(folder)
    for file in _left_behind() - before:
        file.unlink(missing_ok=True)


def _left_behind() -> set[Path]:
    files = _SHARED_MEMORY.glob("*faketime_s*_*")
    return {file for file in files if not Path("/proc", file.name.rpartition("_")[2]).exists()}
