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
from dataclasses import fields
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network, ip_address
from pathlib import Path
from typing import Any, Self

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.host.constants import JOURNAL_MAX
from tunnelmgr.host.guards import Guard
from tunnelmgr.host.items import (
    Address,
    Advertisement,
    Firewall,
    Guarding,
    Item,
    KernelTunnel,
    LinkUp,
    Mtu,
    NeighbourProxy,
    Resolvers,
    Route,
    Rule,
    Sharing,
    Sysctl,
    Translation,
    Unreachable,
)
from tunnelmgr.host.plan import Step, net
from tunnelmgr.host.resolvers import ResolverHelper

_OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


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
        content = os.pread(fd, os.fstat(fd).st_size, 0)
        whole = content[: content.rfind(b"\n") + 1]
        # A last line its owner could not finish is cut off: that change was never begun.
        os.ftruncate(fd, len(whole) if _boot(_place_of(whole)) == _boot(place) else 0)
        self.net()  # fails here rather than half way through a change

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
        return _place_of(self._content()) not in {"", self._place}

    def record(self, step: Step) -> None:
        """Write down a step: before it is taken, where something new comes; after it, where something goes."""
        if self.elsewhere:
            self.forget()
        elif os.fstat(self._fd).st_size > JOURNAL_MAX:
            self._begin_anew()
        if not os.fstat(self._fd).st_size:
            os.write(self._fd, self._header())
        os.write(self._fd, _line(step))

    def net(self) -> list[Step]:
        """Return the net change that is recorded, in order, with what others handed on to us."""
        return [] if self.elsewhere else net(_steps(self._content()))

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

    def close(self) -> None:
        """Unlock; an empty journal is removed. Closing twice is fine."""
        if self._fd < 0:
            return
        if not os.fstat(self._fd).st_size:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1

    def _content(self) -> bytes:
        return os.pread(self._fd, os.fstat(self._fd).st_size, 0)

    def _header(self) -> bytes:
        return json.dumps({"pid": os.getpid(), "place": self._place}).encode() + b"\n"

    def _begin_anew(self) -> None:
        """Put a short journal with the same net change in the place of a long one."""
        shorter = self.path.with_name(f"{self.path.name}.new")
        fd = os.open(shorter, _OPEN_FLAGS | os.O_TRUNC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, self._header() + b"".join(_line(step) for step in self.net()))
        shorter.rename(self.path)
        os.close(self._fd)
        self._fd = fd


def _place_of(content: bytes) -> str:
    """Return where the changes were made; nothing for an empty journal."""
    header = content.partition(b"\n")[0]
    return str(json.loads(header)["place"]) if header else ""


def _steps(content: bytes) -> list[Step]:
    lines = [json.loads(line) for line in content.splitlines()[1:]]
    return [Step(_from_json(line["before"]), _from_json(line["after"])) for line in lines]


def _line(step: Step) -> bytes:
    return json.dumps({"before": _to_json(step.before), "after": _to_json(step.after)}).encode() + b"\n"


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
                file.write(line)
                return True
    except OSError:
        pass  # it ended meanwhile
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


_ITEMS: Mapping[str, tuple[type[Item], Callable[[list[Any]], Item]]] = {
    "firewall": (Firewall, lambda fields: Firewall(fields[0], tuple(fields[1]))),
    "translation": (Translation, lambda fields: Translation(fields[0], tuple(IPv6Network(prefix) for prefix in fields[1]))),
    "sharing": (Sharing, lambda fields: Sharing(fields[0], fields[1], tuple(IPv6Network(prefix) for prefix in fields[2]))),
    "guard": (Guarding, lambda fields: Guarding(fields[0], Guard(fields[1]), fields[2], tuple(fields[3]))),
    "kernel": (
        KernelTunnel,
        lambda fields: KernelTunnel(fields[0], IPv4Address(fields[1]), IPv4Address(fields[2]), *fields[3:]),
    ),
    "sysctl": (Sysctl, lambda fields: Sysctl(*fields)),
    "mtu": (Mtu, lambda fields: Mtu(*fields)),
    "link": (LinkUp, lambda fields: LinkUp(*fields)),
    "address": (Address, lambda fields: Address(fields[0], IPv6Interface(fields[1]))),
    "route": (Route, lambda fields: Route(fields[0], IPv6Network(fields[1]), *fields[2:])),
    "unreachable": (Unreachable, lambda fields: Unreachable(IPv6Network(fields[0]), *fields[1:])),
    "rule": (Rule, lambda fields: Rule(IPv6Network(fields[0]), *fields[1:])),
    "neighbour": (NeighbourProxy, lambda fields: NeighbourProxy(fields[0], fields[1], IPv6Address(fields[2]))),
    "advertisement": (Advertisement, lambda fields: Advertisement(*fields)),
    "resolvers": (
        Resolvers,
        lambda fields: Resolvers(fields[0], ResolverHelper(fields[1]), tuple(ip_address(server) for server in fields[2])),
    ),
}
"""Each kind of item by its name in a journal, and how one is made of its fields again."""
_NAMES = {kind: name for name, (kind, _) in _ITEMS.items()}


def _from_json(value: list[Any] | None) -> Item | None:
    return _ITEMS[value[0]][1](value[1:]) if value else None


def _to_json(item: Item | None) -> list[object] | None:
    return None if item is None else [_NAMES[type(item)], *(_plain(getattr(item, field.name)) for field in fields(item))]


def _plain(value: object) -> object:
    """Return a field in the words of JSON: addresses and prefixes as text."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Enum):
        return value.value
    return value if value is None or isinstance(value, int | str) else str(value)
