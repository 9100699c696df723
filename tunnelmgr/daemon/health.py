"""Lasting conditions of a profile: what a user should know although nothing new happens.

`status` tells them; nothing logs them in a loop. docs/health.md says of each code what it means and what to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.core.running.snapshot import NOT_PROVEN, Snapshot, State, Trouble
from tunnelmgr.daemon.address_selection import lines_for_ipv6_first, ranked_below_ipv4


class Severity(Enum):
    """How much a condition matters. The gravest stands first."""

    ERROR = "error"
    """The tunnel does not work."""
    WARNING = "warning"
    """It does not work as the user expects."""
    NOTE = "note"
    """It works, and the user may want to know this."""


class Code(Enum):
    """The names of all conditions: stable, for scripts and for docs/health.md."""

    KILLED = "TM-H001"
    SILENT_PROCESS = "TM-H002"
    DOWN = "TM-H003"
    NOTHING_SUITS = "TM-H004"
    NOT_HEARD_YET = "TM-H005"
    UNPROVEN = "TM-H006"
    PACKETS_STOPPED = "TM-H007"
    PEER_SILENT = "TM-H008"
    HELD = "TM-H009"
    LAN = "TM-H010"
    NOBODY_ASKED = "TM-H011"
    NATIVE_IPV6 = "TM-H012"
    IPV4_FIRST = "TM-H013"
    RESOLVERS = "TM-H014"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that holds until it is changed."""

    code: Code
    severity: Severity
    text: str
    hint: str = ""
    """The next step; empty where there is none."""
    lines: tuple[str, ...] = ()
    """What the hint says is to be pasted."""


KILLED = Condition(
    Code.KILLED,
    Severity.ERROR,
    "its process was killed and could not take back what it changed",
    "run `tunnelmgr cleanup`, or bring it up again",
)
"""Of a profile whose socket is there and its process is not."""


def silent(error: TunnelError) -> Condition:
    """Return the condition of a profile whose process does not answer."""
    return Condition(Code.SILENT_PROCESS, Severity.ERROR, error.message, error.hint)


def conditions(snapshot: Snapshot) -> tuple[Condition, ...]:
    """Return the conditions that hold, the gravest first."""
    found = [*_troubles(snapshot), *_of_the_lan(snapshot), *_of_resolvers(snapshot), *_notes(snapshot)]
    return tuple(sorted(found, key=lambda condition: list(Severity).index(condition.severity)))


_TROUBLES = {
    Trouble.NOTHING_SUITS: Code.NOTHING_SUITS,
    Trouble.UNPROVEN: Code.UNPROVEN,
    Trouble.LOST: Code.PACKETS_STOPPED,
    Trouble.SILENT: Code.PEER_SILENT,
    Trouble.HELD: Code.HELD,
}
_UNNAMED = {State.DOWN: Code.DOWN, State.WAITING_FOR_PEER: Code.NOT_HEARD_YET, State.IMPAIRED: Code.PACKETS_STOPPED}


def _troubles(snapshot: Snapshot) -> Iterator[Condition]:
    """Yield why the profile is not up, unless it has only just begun."""
    code = _UNNAMED.get(snapshot.state) if snapshot.trouble is None else _TROUBLES[snapshot.trouble]
    if snapshot.state is State.WAITING_FOR_PEER:
        code = Code.NOT_HEARD_YET
    if snapshot.state is not State.UP and code is not None:
        severity = Severity.ERROR if snapshot.state is State.DOWN else Severity.WARNING
        yield Condition(code, severity, snapshot.reason or "no packets flow, for a reason nobody knows", snapshot.hint)


def _of_the_lan(snapshot: Snapshot) -> Iterator[Condition]:
    for link in snapshot.lan:
        if link.trouble:
            yield Condition(Code.LAN, Severity.WARNING, f"LAN {link.interface}: {link.trouble}", link.hint)


def _of_resolvers(snapshot: Snapshot) -> Iterator[Condition]:
    if snapshot.shortfall:
        yield Condition(Code.RESOLVERS, Severity.WARNING, snapshot.shortfall, snapshot.shortfall_hint)


def _notes(snapshot: Snapshot) -> Iterator[Condition]:
    if snapshot.state is not State.UP:
        return
    if snapshot.verified == NOT_PROVEN:
        yield Condition(
            Code.NOBODY_ASKED,
            Severity.NOTE,
            "nobody beyond the server was asked whether packets flow, so that their end would be noticed late",
            "name an IPv6 host that answers pings in `network.probe`",
        )
    if snapshot.beside_native:
        yield Condition(
            Code.NATIVE_IPV6,
            Severity.NOTE,
            "IPv6 without this tunnel has the default route; the tunnel's own addresses keep working",
        )
    addresses = [IPv6Address(address) for address in snapshot.addresses]
    kind = ranked_below_ipv4(addresses) if snapshot.default_route else None
    if kind:
        yield Condition(
            Code.IPV4_FIRST,
            Severity.NOTE,
            f"where a name has both, programs use IPv4: RFC 6724 ranks {kind} addresses below it, and nothing is wrong",
            "for IPv6 first, put these lines into /etc/gai.conf",
            lines_for_ipv6_first(addresses),
        )
