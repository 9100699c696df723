"""How to find out whether a transport's far end can be reached: one question, repeated until it is answered.

`tunnelmgr detect` asks the questions of all methods side by side, on one UDP socket. Far ends that say where they see this
socket show how the NAT on the way maps.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.network import Endpoint


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer that was understood."""

    mapped: Endpoint | None = None
    """Where the far end sees us; None where it does not say."""


@dataclass(frozen=True, slots=True)
class ReachProbe:
    """One question to one far end. Immutable: it may be asked more than once."""

    what: str
    """The far end and the way there, as shown to the user: "Teredo server teredo.example.net, UDP 3544"."""
    target: str
    """Its name or IPv4 address."""
    port: int = 0
    """0 on protocol 41."""
    kind: ChannelKind = ChannelKind.UDP
    """UDP, RAW41, or TCP_CONNECT, where being connected is the answer."""
    request: bytes = b""
    understand: Callable[[bytes], Heard | None] = lambda _: None
    """Return what a datagram says if it answers this question, None for any other. Must not raise."""
    stranger: bool = False
    """UDP: the far end is told to answer from another address than the one asked. The answer arrives only if the NAT lets
    packets in from any address. It is asked beside an ordinary question to the same target, on a socket of its own."""
    offset: int = 0
    """Is added to the address that `target` resolves to, since some servers have two addresses in a row."""
