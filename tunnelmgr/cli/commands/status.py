"""`tunnelmgr status`."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import click

from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.status import Fact, PeerStatus
from tunnelmgr.cli import options, overview, render
from tunnelmgr.cli.overview import STOPPED, ProfileStatus
from tunnelmgr.core.running.snapshot import Snapshot, Stand, Standing, State
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.daemon.health import Condition, Severity

_WATCH_INTERVAL = 1.0  # seconds
_STATE_COLOURS = {"up": "green", "impaired": "yellow", "waiting-for-peer": "yellow", "starting": "yellow", "down": "red"}
_INBOUND = {
    "established": "closed: answers, ICMPv6 errors and echo requests pass",
    "open": "open: no firewall of ours",
}

_SHOWN_BY_US = {"address", "encrypted"}
"""Facts of a transport that have a row of ours."""

_WRITTEN = {"nat": "NAT", "mtu": "MTU", "dont": "don't"}
"""Words in names of facts that people write in another way."""


@dataclass(frozen=True, slots=True)
class Style:
    """How to print."""

    colour: bool = False
    peers: bool = False

    def state(self, word: str) -> str:
        """Return a state, in its colour."""
        return click.style(word, fg=_STATE_COLOURS.get(word), bold=True) if self.colour else word


@click.command()
@options.profile_if_any
@options.as_json
@click.option("--peers", is_flag=True, help="List whom packets are exchanged with, and how they travel.")
@click.option("--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
def status(profile: str | None, *, as_json: bool, peers: bool, watch: bool) -> ExitCode:
    """Show how tunnels stand.

    All of them without PROFILE. Exits 3 when PROFILE is not up.
    """
    show = _show_json if as_json else _shower(peers=peers, clear=watch)
    while True:
        exit_code = _status(profile, show)
        if not watch:
            return exit_code
        time.sleep(_WATCH_INTERVAL)


def _status(profile: str | None, show: Callable[[overview.Statuses], None]) -> ExitCode:
    runtime = Runtime.from_environment()
    if profile is None:
        show(overview.Statuses(overview.status_of_all(runtime)))
        return ExitCode.DONE
    found = overview.status_of(profile, runtime)
    show(overview.Statuses((found,)))
    return ExitCode.DONE if found.state == State.UP.value else ExitCode.NOT_UP


def _show_json(statuses: overview.Statuses) -> None:
    click.echo(render.envelope("status", statuses))


def _shower(*, peers: bool, clear: bool) -> Callable[[overview.Statuses], None]:
    style = Style(colour=options.colour_wanted(), peers=peers)

    def show(found: overview.Statuses) -> None:
        if clear:
            click.clear()
        click.echo(screens(found.profiles, style) or "no tunnel is up")

    return show


def screens(profiles: Sequence[ProfileStatus], style: Style) -> str:
    """Return the screens of several profiles: those that run first, then a line for each that does not."""
    running = [profile_screen(profile, style) for profile in profiles if profile.state != STOPPED]
    idle = [profile_screen(profile, style) for profile in profiles if profile.state == STOPPED]
    return "\n\n".join([*running, *(["\n".join(idle)] if idle else [])])


def profile_screen(profile: ProfileStatus, style: Style) -> str:
    """Return one profile's screen."""
    snapshot = profile.snapshot
    if snapshot is None:
        head = f"{profile.name}: {style.state(profile.state)}" + (f" ({profile.file})" if profile.file else "")
    else:
        reason = snapshot.reason if snapshot.state is State.STARTING and not profile.conditions else ""
        starting = f": {reason}" if reason else ""
        head = f"{profile.name}: {style.state(profile.state)} for {render.duration(snapshot.since)}{starting}"
    notes = [one for one in profile.conditions if one.severity is Severity.NOTE]
    troubles = [_trouble(one) for one in profile.conditions if one not in notes]
    rows = render.aligned([*_rows(snapshot), *_note_rows(notes), *_where(snapshot)]) if snapshot else []
    peers = ["", *_peer_lines(snapshot)] if snapshot and style.peers else []
    return "\n".join([head, *troubles, *rows, *peers])


def _trouble(condition: Condition) -> str:
    return f"  {condition.text}{f'; {condition.hint}' if condition.hint else ''} [{condition.code.value}]"


def _note_rows(notes: Iterable[Condition]) -> Iterable[render.Row]:
    for note in notes:
        yield "note", f"{note.text} [{note.code.value}]"
        if note.hint:
            yield "note", note.hint + (":" if note.lines else "")
        yield from (("note", f"  {line}") for line in note.lines)


def _where(snapshot: Snapshot) -> Iterable[render.Row]:
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
            return f"failed: {standing.reason}; looked at again in {render.duration(standing.waits or 0)}"


def _rows(snapshot: Snapshot) -> Iterable[render.Row]:
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


def _peer_counts(snapshot: Snapshot) -> str:
    paths = Counter(peer.path for peer in snapshot.peers)
    listed = ", ".join(f"{count} {path}" for path, count in paths.most_common())
    return f"{snapshot.peers_total} ({listed})" if len(snapshot.peers) == snapshot.peers_total else f"{snapshot.peers_total}"


def _peer_lines(snapshot: Snapshot) -> list[str]:
    if not snapshot.peers:
        return ["  no peers"]
    shown = f"  the {len(snapshot.peers)} peers used last, of {snapshot.peers_total}"
    head = ("peer", "endpoint", "path", "heard", "sent")
    return [shown] * (len(snapshot.peers) < snapshot.peers_total) + render.columns(
        [head, *map(_peer, snapshot.peers)], indent="  "
    )


def _peer(peer: PeerStatus) -> tuple[str, ...]:
    return (peer.address, peer.endpoint or "unknown", peer.path, _ago(peer.last_received), _ago(peer.last_sent))


def _traffic(snapshot: Snapshot) -> str:
    traffic = snapshot.traffic
    return (
        f"received {render.size(traffic.bytes_received)} in {traffic.packets_received} packets, "
        f"sent {render.size(traffic.bytes_sent)} in {traffic.packets_sent}"
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
    return "never" if seconds is None else f"{render.duration(seconds)} ago"
