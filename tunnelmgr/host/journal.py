"""What one profile changed on this machine, written down so that whoever comes after a killed process can take it back.

One JSON object a line: a header that says where and when the changes were made, then a line for every step. Nothing
is synced to the disk: what the lines speak of lives in the kernel's memory, as the page cache does, and both outlive the
process and die with the machine. A change made before a reboot or in another network namespace is not here, and its
journal is void.
"""

import errno
import fcntl
import json
import os
from pathlib import Path
from typing import Self

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.plain import as_named, from_plain
from tunnelmgr.host.constants import JOURNAL_MAX
from tunnelmgr.host.items import Item
from tunnelmgr.host.plan import Step, net

_OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


def this_place() -> str:
    """Return what identifies the running kernel and our network namespace in it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{Path('/proc/thread-self/ns/net').stat().st_ino}"


class JournalInUseError(TunnelError):
    """The journal's owner lives."""


class JournalUnwritableError(TunnelError):
    """There is no room for what is to be done, so it must not be done."""

    def __init__(self, path: Path, error: OSError) -> None:
        refused = error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}
        super().__init__(
            f"{path}: cannot keep the journal in {path.parent}: {error.strerror or error}",
            hint=f"{'run as root' if refused else 'make room there'}, or set TUNNELMGR_RUNTIME_DIR to another directory",
            exit_code=ExitCode.NO_PERMISSION if refused else ExitCode.FAILED,
        )


class Journal:
    """The record of one profile, locked (`flock`) while its process, or one it forked, lives."""

    def __init__(self, path: Path, fd: int, place: str) -> None:
        """Use `take`. `fd` is open and locked, and owned by the journal from here on."""
        self.path = path
        self._fd = fd
        self._place = place
        content = os.pread(fd, os.fstat(fd).st_size, 0)
        whole = content[: content.rfind(b"\n") + 1]
        # A last line its owner could not finish is cut off: that change was never begun.
        os.ftruncate(fd, len(whole) if _boot(_place_of(whole)) == _boot(place) else 0)
        self._know_nothing()
        self._read_on()  # fails here rather than half way through a change

    @classmethod
    def take(cls, path: Path, place: str | None = None) -> Self:
        """Open and lock the journal at `path`; makes its directory. `place` is `this_place()` outside tests.

        Raises JournalInUseError when a living process holds it, TunnelError when we may not write there (77) or cannot
        read what it says.
        """
        fd = _locked(path)
        try:
            return cls(path, fd, place or this_place())
        except (ValueError, LookupError, TypeError) as error:
            os.close(fd)
            raise TunnelError(
                f"{path}: not a journal this version understands ({error!r})",
                hint="see whether `ip -6 rule` and `nft list ruleset` show something of it, then delete it",
            ) from error

    @property
    def elsewhere(self) -> bool:
        """Whether the journal speaks of another network namespace, where we cannot take anything back."""
        return self._written_at not in {"", self._place}

    def record(self, step: Step) -> None:
        """Write down a step: before it is taken, where something new comes; after it, where something goes.

        Raises JournalUnwritableError, and the journal is what it was before.
        """
        try:
            if self.elsewhere:
                self.forget()
            elif os.fstat(self._fd).st_size > max(JOURNAL_MAX, 2 * self._shortened):
                self._begin_anew()
            header = b"" if os.fstat(self._fd).st_size else self._header()
            _append(self._fd, header + _line(step))
        except OSError as error:
            raise JournalUnwritableError(self.path, error) from error

    def net(self) -> list[Step]:
        """Return the net change that is recorded, in order, with what others handed on to us."""
        self._read_on()
        return [] if self.elsewhere else net(self._steps)

    def hand_on(self, step: Step) -> bool:
        """Leave a change of the whole machine to another living profile of ours, which takes it back when it ends.

        False when there is none.
        """
        for path in sorted(self.path.parent.glob(f"*{self.path.suffix}")):
            if path != self.path and _append_if_alive(path, self._place, _line(step)):
                return True
        return False

    def forget(self) -> None:
        """Empty the journal: everything has been taken back."""
        os.ftruncate(self._fd, 0)
        self._know_nothing()

    def close(self) -> None:
        """Unlock; an empty journal is removed. Closing twice is fine."""
        if self._fd < 0:
            return
        if not os.fstat(self._fd).st_size:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1

    def _know_nothing(self) -> None:
        self._read, self._shortened = 0, 0  # bytes: read so far, and left when the journal was last begun anew
        self._written_at, self._steps = "", list[Step]()

    def _read_on(self) -> None:
        """Learn what was written since, by us or by whoever handed something on to us."""
        added = os.pread(self._fd, os.fstat(self._fd).st_size - self._read, self._read)
        added = added[: added.rfind(b"\n") + 1]
        lines = added.splitlines()
        if lines and not self._read:
            self._written_at = _place_of(added)
            del lines[0]
        self._steps += map(_step, lines)
        self._read += len(added)

    def _header(self) -> bytes:
        return json.dumps({"pid": os.getpid(), "place": self._place}).encode() + b"\n"

    def _begin_anew(self) -> None:
        """Put a short journal with the same net change in the place of a long one, and again at twice that length."""
        steps = self.net()
        self._shortened = self._read  # also where that fails: the long one is as good
        shorter = self.path.with_name(f"{self.path.name}.new")
        fd = os.open(shorter, _OPEN_FLAGS | os.O_TRUNC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            _append(fd, self._header() + b"".join(map(_line, steps)))
            shorter.rename(self.path)
        except OSError:
            os.close(fd)
            shorter.unlink(missing_ok=True)
            return
        os.close(self._fd)
        self._fd, self._steps = fd, steps
        self._read = self._shortened = os.fstat(fd).st_size


def _place_of(content: bytes) -> str:
    """Return where the changes were made; nothing for an empty journal, or one whose header is not whole."""
    header, newline, _ = content.partition(b"\n")
    return str(json.loads(header)["place"]) if newline else ""


def _step(line: bytes) -> Step:
    return Step(*(from_plain(Item | None, item) for item in json.loads(line)))


def _line(step: Step) -> bytes:
    return json.dumps([None if item is None else as_named(item) for item in (step.before, step.after)]).encode() + b"\n"


def _append(fd: int, data: bytes) -> None:
    """Append all of it, or raise OSError and leave nothing of it: half a line would hide what is written behind it."""
    size = os.fstat(fd).st_size
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        os.ftruncate(fd, size)
        raise


def _append_if_alive(path: Path, place: str, line: bytes) -> bool:
    """Append a line to another's journal if its owner lives, has changed something itself, and did so where we are."""
    try:
        with path.open("r+b", buffering=0) as file:
            if _place_of(file.readline()) != place:
                return False
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0, os.SEEK_END)
                _append(file.fileno(), line)
                return True
    except OSError:
        pass  # it ended meanwhile, or has no room
    return False


def _boot(place: str) -> str:
    return place.partition("/")[0]


def _locked(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        while True:
            # Not readable by others: whoever can open a file can lock it.
            fd = os.open(path, _OPEN_FLAGS, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _in_use(path, fd) from None
            if path.exists() and os.path.samestat(os.fstat(fd), path.stat()):
                return fd
            os.close(fd)  # its former owner removed the file between our open and our lock
    except OSError as error:
        raise JournalUnwritableError(path, error) from error


def _in_use(path: Path, fd: int) -> JournalInUseError:
    with os.fdopen(fd, "rb") as file:
        header = file.readline()
    owner = f" (process {json.loads(header)['pid']})" if header.endswith(b"\n") else ""
    return JournalInUseError(f"{path.stem} is running already{owner}", hint=f"tunnelmgr down {path.stem}")
