"""Labs without root: a user namespace in which this user is root, held by a process that outlives the command (`keeper`)."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.lab.waiting import wait_for

RECORD = "keeper"
"""The file that tells who the keeper is."""
READY = "ready"
_NEEDED = (12, 21)  # CAP_NET_ADMIN and CAP_SYS_ADMIN of linux/capability.h: devices, and namespaces with their mounts
_TUN = "/dev/net/tun"
_SWITCHES: Mapping[str, tuple[str, str]] = {
    "user/max_user_namespaces": ("0", "0 of them are allowed"),
    "kernel/unprivileged_userns_clone": ("0", "they are for root alone"),
    "kernel/apparmor_restrict_unprivileged_userns": ("1", "AppArmor restricts them to programs it knows"),
}
"""Kernel setting -> the value that forbids user namespaces, and what it means."""


def may_build(status: str) -> bool:
    """Return True if a process with this text in /proc/<pid>/status can build a lab where it is."""
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            held = int(line.split()[1], 16)
            return all(held >> capability & 1 for capability in _NEEDED)
    return False


@dataclass(frozen=True, slots=True)
class Keeper:
    """A keeper by its process id, and by when that process started: ids are used again."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """Return the keeper a running process is. Raises OSError when there is no such process."""
        # The name of a program may hold blanks and brackets; field 22 of all is the 20th after it (proc(5)).
        return cls(pid, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])

    @classmethod
    def find(cls, folder: Path) -> Self | None:
        """Return the keeper of the lab in a folder; None when it has none, or not any more."""
        try:
            pid, started = (folder / RECORD).read_text().split()
            found = cls.of(int(pid))
        except (OSError, ValueError):
            return None
        return found if found.started == started else None

    def write(self, file: Path) -> None:
        """Write the record of this keeper."""
        file.write_text(f"{self.pid} {self.started}\n")

    def command(self, words: Sequence[str]) -> list[str]:
        """The words that run `words` in the keeper's namespaces, in this process's folder."""
        # Entering a mount namespace leads to its root.
        return [
            *("nsenter", f"--target={self.pid}", "--user", "--mount", "--net", "--pid", "--preserve-credentials"),
            *("env", f"--chdir={os.getcwd()}", *words),
        ]

    def end(self) -> None:
        """Kill the keeper, and with it every program of its lab. Raises TunnelError when it does not die."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        wait_for(f"end of process {self.pid}", self._is_gone)

    def _is_gone(self) -> bool:
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return True
        return state[19] != self.started or state[0] in "ZX"  # dead, even if nobody has waited for it


def start(folder: Path) -> Keeper:
    """Start the keeper of a lab. Raises TunnelError NO_PERMISSION with the reason why this machine does not allow it."""
    if not os.access(_TUN, os.R_OK | os.W_OK):
        raise _refused(f"{_TUN} cannot be opened by this user")
    folder.mkdir(parents=True, exist_ok=True)
    said = _run_keeper(folder)
    if said and said[-1] == READY and (keeper := Keeper.find(folder)):
        return keeper
    raise _refused(why_not({name: _setting(name) for name in _SWITCHES}, "; ".join(said)))


def _run_keeper(folder: Path) -> list[str]:
    """Start it, and return the lines it says until it is ready or ends."""
    words = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child"]
    words += [sys.executable, "-m", "tunnelmgr.lab.namespaces.keeper", str(folder)]
    reader, writer = os.pipe()
    with open(reader) as output:
        try:
            # A session of its own, because Ctrl-C is for the command.
            started = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, start_new_session=True)
        except OSError as error:
            raise _refused(f"unshare, of util-linux, cannot be run: {error.strerror}") from error
        finally:
            os.close(writer)
        try:
            return _lines_until_ready(output)
        except BaseException:
            started.kill()  # and with it the keeper
            raise


def _lines_until_ready(output: Iterable[str]) -> list[str]:
    said: list[str] = []
    for line in output:
        said.append(line.strip())
        if said[-1] == READY:
            break
    return said


def why_not(settings: Mapping[str, str], said: str) -> str:
    """Return why no user namespace could be used, from the kernel's settings and from what the failure said. Pure."""
    for name, (forbidding, meaning) in _SWITCHES.items():
        if settings.get(name) == forbidding:
            return f"this machine does not let users make user namespaces: {meaning} (/proc/sys/{name} is {forbidding})"
    return f"a user namespace cannot be made or used here: {said or 'no reason is given'}"


def _setting(name: str) -> str:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return ""  # this kernel has no such setting


def _refused(reason: str) -> TunnelError:
    return TunnelError(reason, hint="use sudo: root needs no user namespace", exit_code=ExitCode.NO_PERMISSION)
