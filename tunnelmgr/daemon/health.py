"""What a user should know of a profile although nothing new happens: a table of codes, how grave each is, when it holds.

`status` shows the symptoms; nothing logs them in a loop. docs/health.md says of each code what it means and what to do. A
new code takes a line in `core.condition.Code`, a row here and a section there.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.core.condition import Code, State
from tunnelmgr.core.running.snapshot import NOT_PROVEN, Running, Snapshot
from tunnelmgr.daemon.address_selection import lines_for_ipv6_first, ranked_below_ipv4


class Severity(Enum):
    """How much a symptom matters. The gravest stands first."""

    ERROR = "error"
    """The tunnel does not work."""
    WARNING = "warning"
    """It does not work as the user expects."""
    NOTE = "note"
    """It works, and the user may want to know this."""


@dataclass(frozen=True, slots=True)
class Symptom:
    """Something that holds until it is changed."""

    code: Code
    severity: Severity
    text: str
    hint: str = ""
    """The next step; empty where there is none."""
    lines: tuple[str, ...] = ()
    """What the hint says is to be pasted."""


class _Words(NamedTuple):
    text: str
    hint: str = ""
    lines: tuple[str, ...] = ()


def _unserved(run: Running) -> Iterable[_Words]:
    return [_Words(f"LAN {share.interface}: {share.trouble}", share.hint) for share in run.lan if share.trouble]


def _unused_resolvers(run: Running) -> Iterable[_Words]:
    return [_Words(run.shortfall, run.shortfall_hint)] if run.shortfall else []


def _taken_away(run: Running) -> Iterable[_Words]:
    return [_Words(run.taken_away, run.taken_away_hint)] if run.taken_away else []


def _open_to_strangers(run: Running) -> Iterable[_Words]:
    return [_Words(run.exposure, run.exposure_hint)] if run.exposure else []


def _ranked_below_ipv4(run: Running) -> Iterable[_Words]:
    addresses = [IPv6Address(address) for address in run.addresses]
    if kind := ranked_below_ipv4(addresses) if run.default_route else None:
        yield _Words(
            f"where a name has both, programs use IPv4: RFC 6724 ranks {kind} addresses below it, and nothing is wrong",
            "for IPv6 first, put these lines into /etc/gai.conf",
            lines_for_ipv6_first(addresses),
        )


def _where(holds: Callable[[Running], bool], text: str, hint: str = "") -> Callable[[Running], Iterable[_Words]]:
    return lambda run: [_Words(text, hint)] if holds(run) else []


class Row(NamedTuple):
    """What there is to know of a code beside its name."""

    severity: Severity
    found_in: Callable[[Running], Iterable[_Words]] = lambda _: ()
    """Looks for it in what the run says of its tunnel. Most codes need none: the profile's condition bears them."""


TABLE: Final[Mapping[Code, Row]] = {
    Code.KILLED: Row(Severity.ERROR),
    Code.SILENT_PROCESS: Row(Severity.ERROR),
    Code.DOWN: Row(Severity.ERROR),
    Code.NOTHING_SUITS: Row(Severity.ERROR),
    Code.NOT_HEARD_YET: Row(Severity.WARNING),
    Code.UNPROVEN: Row(Severity.WARNING),
    Code.PACKETS_STOPPED: Row(Severity.WARNING),
    Code.PEER_SILENT: Row(Severity.WARNING),
    Code.HELD: Row(Severity.WARNING),
    Code.LAN: Row(Severity.WARNING, _unserved),
    Code.NOBODY_ASKED: Row(
        Severity.NOTE,
        _where(
            lambda run: run.verified == NOT_PROVEN,
            "nobody beyond the server was asked whether packets flow, so that their end would be noticed late",
            "name an IPv6 host that answers pings in `network.probe`",
        ),
    ),
    Code.NATIVE_IPV6: Row(
        Severity.NOTE,
        _where(
            lambda run: run.beside_native,
            "IPv6 without this tunnel has the default route; the tunnel's own addresses keep working",
        ),
    ),
    Code.IPV4_FIRST: Row(Severity.NOTE, _ranked_below_ipv4),
    Code.RESOLVERS: Row(Severity.WARNING, _unused_resolvers),
    Code.TAKEN_AWAY: Row(Severity.WARNING, _taken_away),
    Code.CONTESTED: Row(Severity.ERROR),
    Code.OPEN_TO_STRANGERS: Row(Severity.WARNING, _open_to_strangers),
    Code.OTHER_FIREWALL: Row(Severity.WARNING, lambda run: [_Words(*cut) for cut in run.cuts]),
    Code.COMPLAINT: Row(Severity.WARNING, lambda run: [_Words(one.text, one.hint) for one in run.tunnel.complaints]),
}


def _symptom(code: Code, text: str, hint: str = "", lines: tuple[str, ...] = ()) -> Symptom:
    return Symptom(code, TABLE[code].severity, text, hint, lines)


KILLED = _symptom(
    Code.KILLED,
    "its process was killed and could not take back what it changed",
    "run `tunnelmgr cleanup`, or bring it up again",
)
"""Of a profile whose socket is there and its process is not."""


def silent(error: TunnelError) -> Symptom:
    """Return the symptom of a profile whose process does not answer."""
    return _symptom(Code.SILENT_PROCESS, error.message, error.hint)


def symptoms(snapshot: Snapshot) -> tuple[Symptom, ...]:
    """Return what is to be said of a profile, the gravest first."""
    condition, run = snapshot.condition, snapshot.running
    found = []
    if condition.code is not None:
        reason = condition.reason or "no packets flow, for a reason nobody knows"
        found.append(_symptom(condition.code, reason, condition.hint))
    for code, row in TABLE.items():
        # Notes are about a tunnel that works; one that does not has other cares.
        if run is not None and (condition.state is State.UP or row.severity is not Severity.NOTE):
            found += [_symptom(code, *words) for words in row.found_in(run)]
    return tuple(sorted(found, key=lambda symptom: list(Severity).index(symptom.severity)))
