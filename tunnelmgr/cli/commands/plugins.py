"""`tunnelmgr plugins`."""

from collections.abc import Iterable
from dataclasses import dataclass

import click

from tunnelmgr.cli import options, render
from tunnelmgr.cli.terminal import say
from tunnelmgr.core.plugins import PluginInfo, PluginRegistry


@dataclass(frozen=True, slots=True)
class Plugins:
    """What `plugins` shows."""

    plugins: tuple[PluginInfo, ...]


@click.command()
@options.as_json
def plugins(*, as_json: bool) -> None:
    """List the methods installed, and what became of each plugin."""
    found = Plugins(PluginRegistry.from_environment().list())
    say(render.envelope("plugins", found) if as_json else "\n".join(render.columns(list(_rows(found)))))


def _rows(found: Plugins) -> Iterable[tuple[str, ...]]:
    yield "type", "roles", "plugin", "summary"
    for plugin in found.plugins:
        origin = f"{plugin.distribution} {plugin.version}".strip() or plugin.module
        for transport in plugin.transports:
            summary = transport.summary or f"{plugin.state.value}: {plugin.reason}"
            yield transport.type, " ".join(transport.roles) or "?", f"{plugin.name} ({origin})", summary
        if not plugin.transports:
            yield "-", "-", f"{plugin.name} ({origin})", f"{plugin.state.value}: {plugin.reason}"
