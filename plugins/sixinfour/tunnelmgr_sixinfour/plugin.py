"""The hooks this plugin implements."""

from tunnelmgr.api.hookspecs import hookimpl
from tunnelmgr.api.transport import Transport
from tunnelmgr_sixinfour.transport import SixInFour, SixRdTransport, SixToFourTransport


@hookimpl
def tunnelmgr_register_transports() -> list[type[Transport]]:
    return [SixInFour, SixToFourTransport, SixRdTransport]
