"""The hooks of this plugin."""

from tunnelmgr.api.hookspecs import hookimpl
from tunnelmgr.api.transport import Transport
from tunnelmgr_fou.transport import Fou


@hookimpl
def tunnelmgr_register_transports() -> list[type[Transport]]:
    """Return the one transport of this plugin."""
    return [Fou]
