"""The hooks of this plugin."""

from tunnelmgr.api.hookspecs import hookimpl
from tunnelmgr.api.transport import Transport
from tunnelmgr_tsp.transport import Tsp


@hookimpl
def tunnelmgr_register_transports() -> list[type[Transport]]:
    """Return the one transport of this plugin."""
    return [Tsp]
