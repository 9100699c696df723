"""`tunnelmgr status`."""

import time
from collections.abc import Callable

import click

from tunnelmgr.api.errors import ExitCode
from tunnelmgr.cli import options, overview, render
from tunnelmgr.core.running.snapshot import State
from tunnelmgr.core.runtime import Runtime

_WATCH_INTERVAL = 1.0  # seconds


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
    style = render.Style(colour=options.colour_wanted(), peers=peers)

    def show(statuses: overview.Statuses) -> None:
        if clear:
            click.clear()
        click.echo(render.statuses(statuses.profiles, style) or "no tunnel is up")

    return show
