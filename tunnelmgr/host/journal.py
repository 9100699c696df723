"""What one profile changed on this machine, written down so that whoever comes after a killed process can take it back.

One JSON object a line: a header that says where and when the changes were made, then a line for every step. Nothing
is synced to the disk: what the lines speak of lives in the kernel's memory, as the page cache does, and both outlive the
process and die with the machine. A change made before a reboot or in another network namespace is not here, and its
journal is void.
"""

import fcntl
import json
import os
from collections.abc import Callable, Mapping
from ipaddress import IPv6Interface, IPv6Network
from pathlib import Path
from typing import Any, Self

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.host.items import Address, Firewall, Item, LinkUp, Mtu, Route, Rule, Sysctl
from tunnelmgr.host.plan import Step, net


def this_place() -> str:
    """Return what identifies the running kernel and our network namespace in it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{Path('/proc/thread-self/ns/net').stat().st_ino}"


class JournalInUseError(TunnelError):
    """The journal's owner lives."""


class Journal:
    """The record of one profile, locked (`flock`) while its process, or one it forked, lives."""

    def __init__(self, path: Path, fd: int, place: str) -> None:
        """Use `take`. `fd` is open and locked, and owned by the journal from here on."""
        self.path = path
        self._fd = fd
        self._place = place
        self._elsewhere = False
        self._steps = self._read()

    @classmethod
    def take(cls, path: Path, place: str | None = None) -> Self:
        """Open and lock the journal at `path`; makes its directory. `place` is `this_place()` outside tests.

        Raises JournalInUseError when a living process holds it, TunnelError when we may not write there (77).
        """
        return cls(path, _locked(path), place or this_place())

    @property
    def elsewhere(self) -> bool:
        """Whether the journal speaks of another network namespace, where we cannot take anything back."""
        return self._elsewhere

    def record(self, step: Step) -> None:
        """Write down a step: before it is taken, where something new comes; after it, where something goes."""
        if self._elsewhere:
            self.forget()
        if not os.fstat(self._fd).st_size:
            self._write({"pid": os.getpid(), "place": self._place})
        self._write({"before": _to_json(step.before), "after": _to_json(step.after)})
        self._steps.append(step)

    def net(self) -> list[Step]:
        """Return the net change that is recorded, in order."""
        return net(self._steps)

    def forget(self) -> None:
        """Empty the journal: everything has been taken back."""
        os.ftruncate(self._fd, 0)
        self._steps.clear()
        self._elsewhere = False

    def close(self) -> None:
        """Unlock; an empty journal is removed. Closing twice is fine."""
        if self._fd < 0:
            return
        if not os.fstat(self._fd).st_size:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1

    def _write(self, line: Mapping[str, object]) -> None:
        os.write(self._fd, json.dumps(line).encode() + b"\n")

    def _read(self) -> list[Step]:
        """Read what a dead owner left; a last line it could not finish is cut off: its change was never begun."""
        content = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        whole = content[: content.rfind(b"\n") + 1]
        header, *lines = whole.splitlines() or [b"{}"]
        place = json.loads(header).get("place", "")
        self._elsewhere = place != self._place and _boot(place) == _boot(self._place)
        if _boot(place) != _boot(self._place):
            whole = b""
        os.ftruncate(self._fd, len(whole))
        steps = [json.loads(line) for line in lines] if place == self._place else []
        return [Step(_from_json(step["before"]), _from_json(step["after"])) for step in steps]


def _boot(place: str) -> str:
    return place.partition("/")[0]


def _locked(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        while True:
            # Not readable by others: whoever can open a file can lock it.
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _in_use(path, fd) from None
            if path.exists() and os.path.samestat(os.fstat(fd), path.stat()):
                return fd
            os.close(fd)  # its former owner removed the file between our open and our lock
    except PermissionError as error:
        raise TunnelError(
            f"{path}: cannot keep the journal: {error.strerror}",
            hint="run as root, or set TUNNELMGR_RUNTIME_DIR to a directory you may write to",
            exit_code=ExitCode.NO_PERMISSION,
        ) from error


def _in_use(path: Path, fd: int) -> JournalInUseError:
    with os.fdopen(fd, "rb") as file:
        header = file.readline()
    owner = f" (process {json.loads(header)['pid']})" if header.endswith(b"\n") else ""
    return JournalInUseError(f"{path.stem} is running already{owner}", hint=f"tunnelmgr down {path.stem}")


_ITEMS: Mapping[str, Callable[[list[Any]], Item]] = {
    "firewall": lambda fields: Firewall(fields[0], tuple(fields[1])),
    "sysctl": lambda fields: Sysctl(*fields),
    "mtu": lambda fields: Mtu(*fields),
    "link": lambda fields: LinkUp(*fields),
    "address": lambda fields: Address(fields[0], IPv6Interface(fields[1])),
    "route": lambda fields: Route(fields[0], IPv6Network(fields[1]), *fields[2:]),
    "rule": lambda fields: Rule(IPv6Network(fields[0]), *fields[1:]),
}


def _from_json(value: list[Any] | None) -> Item | None:
    return _ITEMS[value[0]](value[1:]) if value else None


def _to_json(item: Item | None) -> list[object] | None:
    match item:
        case Firewall(device, hooks):
            return ["firewall", device, hooks]
        case Sysctl(path, value):
            return ["sysctl", path, value]
        case Mtu(device, mtu):
            return ["mtu", device, mtu]
        case LinkUp(device):
            return ["link", device]
        case Address(device, interface):
            return ["address", device, str(interface)]
        case Route(device, prefix, metric, table):
            return ["route", device, str(prefix), metric, table]
        case Rule(source, table, priority, suppress):
            return ["rule", str(source), table, priority, suppress]
        case None:
            return None
