"""How a transport lets others find out whether its far end can be reached: one question, repeated until it is answered.

`tunnelmgr detect` asks the questions of all methods side by side, on one UDP socket: what the far ends say of where they
see it tells how the NAT on the way maps.
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
    """UDP: the answer comes from an address that was not asked, so that it gets in only where the NAT lets in everybody.
    Asked beside an ordinary question to the same target, on a socket that has spoken with nobody else."""
    offset: int = 0
    """Added to the address `target` resolves to: some servers have two addresses in a row."""
