"""`tunnelmgr status`."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click

from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.status import Fact, PeerStatus, TunnelStatus
from tunnelmgr.cli import options, overview, render
from tunnelmgr.cli.overview import STOPPED, ProfileStatus
from tunnelmgr.cli.terminal import say
from tunnelmgr.core.choosing.method_status import MethodState, MethodStatus
from tunnelmgr.core.condition import State
from tunnelmgr.core.driving.traffic import Traffic
from tunnelmgr.core.running.snapshot import Running, Snapshot
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.daemon.health import Severity, Symptom

_WATCH_INTERVAL = 1.0  # seconds
_STATE_COLOURS = {"up": "green", "impaired": "yellow", "waiting-for-peer": "yellow", "starting": "yellow", "down": "red"}
_INBOUND = {
    "established": "closed: answers, ICMPv6 errors and echo requests pass",
    "open": "open: no firewall of ours",
}
_SHUT = "shut: the firewall was taken away, and nothing comes in until it is back"

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
    style = Style(colour=options.colour_wanted(), peers=peers)
    while True:
        runtime = Runtime.from_environment()
        found = overview.status_of_all(runtime) if profile is None else (overview.status_of(profile, runtime),)
        if watch and not as_json:
            click.clear()
        as_text = screens(found, style) or "no tunnel is up"
        say(render.envelope("status", overview.Statuses(found)) if as_json else as_text)
        if not watch:
            return ExitCode.DONE if profile is None or found[0].state == State.UP.value else ExitCode.NOT_UP
        time.sleep(_WATCH_INTERVAL)


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
        condition = snapshot.condition
        reason = condition.reason if condition.state is State.STARTING and not profile.symptoms else ""
        starting = f": {reason}" if reason else ""
        head = f"{profile.name}: {style.state(profile.state)} for {render.duration(snapshot.since)}{starting}"
    notes = [one for one in profile.symptoms if one.severity is Severity.NOTE]
    troubles = [_trouble(one) for one in profile.symptoms if one not in notes]
    rows = render.aligned([*_rows(snapshot), *_note_rows(notes), *_where(snapshot)]) if snapshot else []
    peers = ["", *_peer_lines(snapshot.running)] if snapshot and style.peers else []
    return "\n".join([head, *troubles, *rows, *peers])


def _trouble(symptom: Symptom) -> str:
    return f"  {symptom.text}{f'; {symptom.hint}' if symptom.hint else ''} [{symptom.code.value}]"


def _note_rows(notes: Iterable[Symptom]) -> Iterable[render.Row]:
    for note in notes:
        yield "note", f"{note.text} [{note.code.value}]"
        if note.hint:
            yield "note", note.hint + (":" if note.lines else "")
        yield from (("note", f"  {line}") for line in note.lines)


def _where(snapshot: Snapshot) -> Iterable[render.Row]:
    yield "profile", snapshot.file
    if snapshot.log:
        yield "log", snapshot.log


def _method(method: MethodStatus) -> str:
    return f"{method.method}, {method.described}: {_method_state(method)}"


def _method_state(method: MethodStatus) -> str:
    match method.state:
        case MethodState.RUNNING:
            return f"in use, but {method.reason}" if method.reason else "in use"
        case MethodState.READY:
            return f"in reserve: {method.reason}" if method.reason else "in reserve"
        case MethodState.REFUSED:
            return f"does not suit: {method.reason}"
        case MethodState.FAILED:
            return f"failed, and is not tried again: {method.reason}"
        case MethodState.HELD:
            return f"failed: {method.reason}; looked at again in {render.duration(method.waits or 0)}"


def _rows(snapshot: Snapshot) -> Iterable[render.Row]:
    run = snapshot.running
    protocol_state = run.tunnel.state if run else "not running"
    yield "method", f"{snapshot.method} {snapshot.role}{f', {protocol_state}' if protocol_state else ''}"
    if len(snapshot.methods) > 1:
        yield from (("methods", _method(method)) for method in snapshot.methods)
    if run:
        yield from _device_rows(run, snapshot.inbound)
        if run.verified and snapshot.condition.state is State.UP:
            yield "proof", run.verified
        yield from _tunnel_rows(run)


def _device_rows(run: Running, inbound: str) -> Iterable[render.Row]:
    yield "device", run.device + (f", MTU {run.mtu}" if run.mtu else "")
    yield from (("address", address) for address in run.addresses)
    yield from (("resolver", resolver) for resolver in run.resolvers)
    if run.addresses:
        other = f" but through {run.way_out}" if run.way_out else ""
        yield "default route", "through this tunnel" if run.default_route else f"not through this tunnel{other}"
        yield "inbound", _INBOUND.get(inbound, inbound) if run.firewall_stands or inbound == "open" else _SHUT
    # What is wrong with it stands above, among the symptoms.
    yield from ((f"LAN {share.interface}", "not served" if share.trouble else share.words) for share in run.lan)


def _tunnel_rows(run: Running) -> Iterable[render.Row]:
    for name, fact in run.tunnel.facts.items():
        if fact is not None and name not in _SHOWN_BY_US:
            yield _spoken(name), _fact(name, fact)
    if run.tunnel.peers_total:
        yield "peers", _peer_counts(run.tunnel)
    if run.addresses:
        yield "traffic", _traffic(run.traffic)
        yield "data path", run.datapath + (f" ({run.datapath_reason})" if run.datapath_reason else "")
        yield "privacy", _privacy(run.tunnel)


def _peer_counts(tunnel: TunnelStatus) -> str:
    paths = Counter(peer.path for peer in tunnel.peers)
    listed = ", ".join(f"{count} {path}" for path, count in paths.most_common())
    return f"{tunnel.peers_total} ({listed})" if len(tunnel.peers) == tunnel.peers_total else f"{tunnel.peers_total}"


def _peer_lines(run: Running | None) -> list[str]:
    if run is None or not run.tunnel.peers:
        return ["  no peers"]
    peers, total = run.tunnel.peers, run.tunnel.peers_total
    shown = f"  the {len(peers)} peers used last, of {total}"
    head = ("peer", "endpoint", "path", "heard", "sent")
    return [shown] * (len(peers) < total) + render.columns([head, *map(_peer, peers)], indent="  ")


def _peer(peer: PeerStatus) -> tuple[str, ...]:
    return (peer.address, peer.endpoint or "unknown", peer.path, _ago(peer.last_received), _ago(peer.last_sent))


def _traffic(traffic: Traffic) -> str:
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


def _privacy(tunnel: TunnelStatus) -> str:
    return "encrypted" if tunnel.facts.get("encrypted") else "not encrypted: whoever carries the packets can read them"


def _ago(seconds: float | None) -> str:
    return "never" if seconds is None else f"{render.duration(seconds)} ago"
