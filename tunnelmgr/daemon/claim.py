"""Who runs a profile: the process that listens on its control socket.

A socket without a listener was left by a process that was killed.
"""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.daemon.constants import BACKLOG


class AlreadyClaimedError(TunnelError):
    """Another process runs this profile."""


class Claim:
    """A listening control socket: as long as it is held, no other process can run the profile."""

    def __init__(self, path: Path, listening: socket.socket) -> None:
        self.path = path
        self.socket = listening
        self._inode = path.stat().st_ino

    def release(self) -> None:
        """Remove the socket, unless somebody else has put theirs in its place."""
        self.socket.close()
        try:
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()
        except FileNotFoundError:
            pass  # an administrator tidied up


def claim(path: Path) -> Claim:
    """Claim a profile by its control socket. The socket is open to everyone; the server decides who may do what.

    Raises AlreadyClaimedError, or TunnelError when the directory cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with _one_at_a_time(path.parent):
            if is_claimed(path):
                raise AlreadyClaimedError(f"{path.stem} is already running")
            path.unlink(missing_ok=True)
            return Claim(path, _listen(path))
    except OSError as error:
        raise _explained(path, error) from error


def is_claimed(path: Path) -> bool:
    """True if a process listens on this control socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except (TimeoutError, BlockingIOError):
            return True  # its backlog is full: somebody is there
    return True


def remove_stale(directory: Path) -> None:
    """Remove the sockets of killed processes."""
    if directory.is_dir():
        with _one_at_a_time(directory):
            for path in directory.glob("*.sock"):
                if not is_claimed(path):
                    path.unlink(missing_ok=True)


def _listen(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(str(path))
        path.chmod(0o666)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


@contextmanager
def _one_at_a_time(directory: Path) -> Iterator[None]:
    """Hold off others between finding a socket stale and replacing it.

    A file of its own, readable by its owner only: a directory could be locked for ever by anybody who may read it.
    """
    descriptor = os.open(directory / ".claim", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _explained(path: Path, error: OSError) -> TunnelError:
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return TunnelError(
            f"cannot write {path.parent}: {error.strerror}",
            hint="run as root, or set TUNNELMGR_RUNTIME_DIR to a directory of yours",
            exit_code=ExitCode.NO_PERMISSION,
        )
    return TunnelError(
        f"cannot make the control socket {path}: {error.strerror or error}",
        hint="set TUNNELMGR_RUNTIME_DIR to another directory, with a short name",
    )
