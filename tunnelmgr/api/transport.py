"""A transport: one way to carry IPv6 over IPv4, with all its roles. What a plugin registers."""

import errno
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from tunnelmgr.api.tunnel import Tunnel

if TYPE_CHECKING:  # pydantic is slow to import, and `tunnelmgr plugins` need not pay for it
    from tunnelmgr.api.dissection import Dissector
    from tunnelmgr.api.hostconfig import HostConfig
    from tunnelmgr.api.reach import ReachProbe
    from tunnelmgr.api.report import NetworkReport
    from tunnelmgr.api.settings import Settings

API_VERSION = 1
"""Raised when a change breaks plugins. A plugin module may say `TUNNELMGR_API = 1`; another number disables it."""


class Fit(Enum):
    """How well a method suits a network."""

    GOOD = "good"
    POSSIBLE = "possible"
    """It may work, and something better may exist."""
    UNSUITABLE = "unsuitable"


@dataclass(frozen=True, slots=True)
class Suitability:
    """A transport's judgement of a network, with its reason in one sentence without a full stop."""

    fit: Fit
    reason: str


class Service(Protocol):
    """A plain blocking object behind `Ask`: the only place where a transport touches files or databases."""

    def handle(self, request: object) -> object:
        """Answer one request; what it raises becomes Failed CRASHED with the exception's text, a TunnelError's alone."""

    def close(self) -> None:
        """Release files and connections."""


def make_private(file: Path) -> None:
    """Create a file of a service that only this process's user can read, and so lock, or make sure that it is one.

    Raises OSError whose text names what is wrong: a link, somebody else's file, one that is open to others.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        if status.st_uid != os.geteuid():
            raise OSError(errno.EPERM, f"it belongs to user {status.st_uid}")
        if status.st_mode & 0o077:
            raise OSError(errno.EPERM, f"it is open to others (mode {stat.S_IMODE(status.st_mode):04o}); chmod 600")
    finally:
        os.close(descriptor)


class Transport(Protocol):
    """One transport, bound to the settings of one profile. Subclass it: optional parts have defaults."""

    type_name: ClassVar[str]
    """The word after `type:` in a profile."""
    summary: ClassVar[str]
    """One line for `tunnelmgr plugins`."""
    roles: ClassVar[Mapping[str, "type[Settings]"]]
    """Role -> model of its settings; the first role is the default one."""

    def __init__(self, role: str, settings: "Settings") -> None:
        """Bind to validated settings: an instance of `roles[role]`."""

    def describe(self) -> str:
        """Return what the user chose, in a few words: "server 192.0.2.1". No secrets."""

    def suits(self, report: "NetworkReport") -> Suitability:
        """Judge whether this method may be used on the network reported."""

    def tunnel(self, random: Random) -> Tunnel:
        """Make a Tunnel. `random` is the only source of randomness it may use; it is a cryptographic one outside tests."""

    def expected(self) -> "HostConfig | None":
        """Return what its Tunnel will ask of this host, where that is known before the far end has spoken.

        None stands for one address and a way to the whole internet, as most methods bring.
        """
        return None

    def mtu_max(self) -> int:
        """Return the largest MTU, in bytes, that these settings let its tunnel have."""
        return 65535

    def may_delegate(self) -> bool:
        """Return False if it never brings a prefix for a LAN with these settings, whatever the far end says."""
        return True

    def with_prefix(self, length: int) -> Self:
        """Return this transport, or one that asks its far end for a prefix of `length` bits or shorter: a LAN needs it.

        Called where the profile shares a prefix. What the user's settings ask for comes first.
        """
        return self

    def services(self) -> Mapping[str, Callable[[Path], Service]]:
        """Return the services its Tunnel asks for, by name; each factory is called in the thread that serves it.

        It gets the folder of this profile for files that outlive the process; nobody else can look into that.
        """
        return {}

    def probes(self, random: Random) -> "Sequence[ReachProbe]":
        """Return the questions that show whether its far ends can be reached from here; none if it has no far end to ask."""
        return ()

    @classmethod
    def dissectors(cls) -> "Sequence[Dissector]":
        """Return new dissectors, for one capture: what `decode` and `trace` explain this transport's packets with."""
        return ()
