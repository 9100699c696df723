"""The hooks a plugin may implement: with `Transport` and the Tunnel verbs, all there is to know to write one.

A plugin is a module named by two entry points of its distribution:

    [project.entry-points."tunnelmgr"]             # plugin id -> module
    fou = "tunnelmgr_fou"
    [project.entry-points."tunnelmgr.transports"]  # transport type -> the same module
    fou = "tunnelmgr_fou"

Implementations are marked with `hookimpl` and may accept fewer arguments than the specification.
"""

import pluggy

from tunnelmgr.api.events import Event
from tunnelmgr.api.transport import Transport

PROJECT = "tunnelmgr"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def tunnelmgr_register_transports() -> list[type[Transport]]:  # type: ignore[empty-body]  # a specification has no body
    """Return the transports this plugin provides.

    Called once per loaded plugin: when a profile first needs one of its types, or when `plugins` lists all. An exception
    disables this plugin and is reported to the user; other plugins go on. Two plugins claiming one type name are an error
    naming both, found in the entry points without importing either.
    """


@hookspec
def tunnelmgr_tunnel_event(profile: str, event: Event) -> None:
    """Take note of an event of a running tunnel, after the core has acted on it. Return nothing.

    Called in the profile's process for every event of loaded plugins' tunnels, effects left out, on the event loop:
    return at once. An exception is logged with the plugin's name and changes nothing.
    """
