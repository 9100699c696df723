"""From data to words: what commands print. Pure."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from tunnelmgr.api.plain import as_plain
from tunnelmgr.api.status import Fact, PeerStatus
from tunnelmgr.cli.overview import STOPPED, ProfileStatus
from tunnelmgr.core.running.snapshot import Snapshot, Stand, Standing, State
from tunnelmgr.daemon.health import Condition, Severity

if TYPE_CHECKING:  # `status` need not pay for asyncio
    from tunnelmgr.host.cleanup import Leftover

SCHEMA_VERSION = 1
"""Raised when a change breaks readers; a new key does not."""

_STATE_COLOURS = {"up": "green", "impaired": "yellow", "waiting-for-peer": "yellow", "starting": "yellow", "down": "red"}
_INBOUND = {
    "established": "closed: answers, ICMPv6 errors and echo requests pass",
    "open": "open: no firewall of ours",
}

_SHOWN_BY_US = {"address", "encrypted"}
"""Facts of a transport that have a row of ours."""

_WRITTEN = {"nat": "NAT", "mtu": "MTU", "dont": "don't"}
"""Words in names of facts that people write in another way."""

Row = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Style:
    """How to print."""

    colour: bool = False
    peers: bool = False

    def state(self, word: str) -> str:
        """Return a state, in its colour."""
        return click.style(word, fg=_STATE_COLOURS.get(word), bold=True) if self.colour else word


def envelope(schema: str, data: object) -> str:
    """Return one JSON object on one line: `data`, and by which schema to read it."""
    return json.dumps({"schema": f"tunnelmgr.{schema}", "schema_version": SCHEMA_VERSION, "data": as_plain(data)})


def statuses(profiles: Sequence[ProfileStatus], style: Style) -> str:
    """Return the screens of several profiles: those that run first, then a line for each that does not."""
    screens = [status(profile, style) for profile in profiles if profile.state != STOPPED]
    idle = [status(profile, style) for profile in profiles if profile.state == STOPPED]
    return "\n\n".join([*screens, *(["\n".join(idle)] if idle else [])])


def status(profile: ProfileStatus, style: Style) -> str:
    """Return one profile's screen."""
    snapshot = profile.snapshot
    if snapshot is None:
        head = f"{profile.name}: {style.state(profile.state)}" + (f" ({profile.file})" if profile.file else "")
    else:
        reason = snapshot.reason if snapshot.state is State.STARTING and not profile.conditions else ""
        starting = f": {reason}" if reason else ""
        head = f"{profile.name}: {style.state(profile.state)} for {duration(snapshot.since)}{starting}"
    notes = [one for one in profile.conditions if one.severity is Severity.NOTE]
    troubles = [_trouble(one) for one in profile.conditions if one not in notes]
    rows = aligned([*_rows(snapshot), *_note_rows(notes), *_where(snapshot)]) if snapshot else []
    peers = ["", *_peer_lines(snapshot)] if snapshot and style.peers else []
    return "\n".join([head, *troubles, *rows, *peers])


def _trouble(condition: Condition) -> str:
    return f"  {condition.text}{f'; {condition.hint}' if condition.hint else ''} [{condition.code.value}]"


def _note_rows(notes: Iterable[Condition]) -> Iterable[Row]:
    for note in notes:
        yield "note", f"{note.text} [{note.code.value}]"
        if note.hint:
            yield "note", note.hint + (":" if note.lines else "")
        yield from (("note", f"  {line}") for line in note.lines)


def _where(snapshot: Snapshot) -> Iterable[Row]:
    yield "profile", snapshot.file
    if snapshot.log:
        yield "log", snapshot.log


def _standing(standing: Standing) -> str:
    return f"{standing.method}, {standing.described}: {_stand(standing)}"


def _stand(standing: Standing) -> str:
    match standing.stand:
        case Stand.RUNNING:
            return f"in use, but {standing.reason}" if standing.reason else "in use"
        case Stand.READY:
            return f"in reserve: {standing.reason}" if standing.reason else "in reserve"
        case Stand.REFUSED:
            return f"does not suit: {standing.reason}"
        case Stand.FAILED:
            return f"failed, and is not tried again: {standing.reason}"
        case Stand.HELD:
            return f"failed: {standing.reason}; looked at again in {duration(standing.waits or 0)}"


def _rows(snapshot: Snapshot) -> Iterable[Row]:
    protocol = f", {snapshot.protocol_state}" if snapshot.protocol_state else ""
    yield "method", f"{snapshot.method} {snapshot.role}{protocol}"
    if len(snapshot.methods) > 1:
        yield from (("methods", _standing(standing)) for standing in snapshot.methods)
    if snapshot.device:
        yield "device", snapshot.device + (f", MTU {snapshot.mtu}" if snapshot.mtu else "")
    yield from (("address", address) for address in snapshot.addresses)
    yield from (("resolver", resolver) for resolver in snapshot.resolvers)
    if snapshot.addresses:
        yield "default route", "through this tunnel" if snapshot.default_route else "not through this tunnel"
        yield "inbound", _INBOUND.get(snapshot.inbound, snapshot.inbound)
    # What is wrong with it stands above, among the conditions.
    yield from ((f"LAN {link.interface}", "not served" if link.trouble else link.words) for link in snapshot.lan)
    if snapshot.verified and snapshot.state is State.UP:
        yield "proof", snapshot.verified
    for name, fact in snapshot.facts.items():
        if fact is not None and name not in _SHOWN_BY_US:
            yield _spoken(name), _fact(name, fact)
    if snapshot.peers_total:
        yield "peers", _peer_counts(snapshot)
    if snapshot.addresses:
        yield "traffic", _traffic(snapshot)
        yield "data path", snapshot.datapath + (f" ({snapshot.datapath_reason})" if snapshot.datapath_reason else "")
        yield "privacy", _privacy(snapshot)


def aligned(rows: Iterable[Row]) -> list[str]:
    """Return rows as lines, the texts below each other; a label is not repeated."""
    listed = list(rows)
    width = max((len(label) for label, _ in listed), default=0)
    shown: list[str] = []
    previous = ""
    for label, text in listed:
        shown.append(f"  {'' if label == previous else label:<{width}}  {text}")
        previous = label
    return shown


def _peer_counts(snapshot: Snapshot) -> str:
    paths = Counter(peer.path for peer in snapshot.peers)
    listed = ", ".join(f"{count} {path}" for path, count in paths.most_common())
    return f"{snapshot.peers_total} ({listed})" if len(snapshot.peers) == snapshot.peers_total else f"{snapshot.peers_total}"


def _peer_lines(snapshot: Snapshot) -> list[str]:
    if not snapshot.peers:
        return ["  no peers"]
    shown = f"  the {len(snapshot.peers)} peers used last, of {snapshot.peers_total}"
    head = ("peer", "endpoint", "path", "heard", "sent")
    return [shown] * (len(snapshot.peers) < snapshot.peers_total) + columns([head, *map(_peer, snapshot.peers)], indent="  ")


def _peer(peer: PeerStatus) -> tuple[str, ...]:
    return (peer.address, peer.endpoint or "unknown", peer.path, _ago(peer.last_received), _ago(peer.last_sent))


def columns(rows: Sequence[tuple[str, ...]], indent: str = "") -> list[str]:
    """Return rows as lines whose cells stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [indent + line.rstrip() for line in lines]


def _traffic(snapshot: Snapshot) -> str:
    traffic = snapshot.traffic
    return (
        f"received {size(traffic.bytes_received)} in {traffic.packets_received} packets, "
        f"sent {size(traffic.bytes_sent)} in {traffic.packets_sent}"
    )


def _spoken(name: str) -> str:
    words = name.removesuffix("_s").removesuffix("_bytes").split("_")
    return " ".join(_WRITTEN.get(word, word) for word in words)


def _fact(name: str, fact: Fact) -> str:
    match fact:
        case bool():
            return "yes" if fact else "no"
        case int() | float() if name.endswith("_s"):
            return f"{fact * 1000:.0f} ms" if fact < 1 else f"{fact:.3g} s" if fact < 100 else f"{fact:.0f} s"
    return str(fact)


def _privacy(snapshot: Snapshot) -> str:
    return "encrypted" if snapshot.facts.get("encrypted") else "not encrypted: whoever carries the packets can read them"


def _ago(seconds: float | None) -> str:
    return "never" if seconds is None else f"{duration(seconds)} ago"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: "12 s", "3 min", "2 h 13 min", "4 d 2 h"."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    if minutes:
        return f"{minutes} min"
    return f"{int(seconds)} s"


def size(number: int) -> str:
    """Return a number of bytes with a binary unit and three digits at most."""
    value, units = float(number), iter(("B", "KiB", "MiB", "GiB"))
    for unit in units:
        if value < 1000:
            return f"{number} B" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} TiB"


def changes(leftovers: "Iterable[Leftover]") -> str:
    """Return what was changed on this host, as a user would type it."""
    return "\n".join(f"[#] {line}" for leftover in leftovers for line in leftover.lines)
