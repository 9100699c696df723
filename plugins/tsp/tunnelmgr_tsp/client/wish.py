"""What the client asks a broker for."""

from dataclasses import dataclass, field

from tunnelmgr_tsp.wire.capability import Mechanism, TunnelType


@dataclass(frozen=True, slots=True)
class Wish:
    """From the profile, less what brokers turned out not to give."""

    type: TunnelType
    mechanisms: frozenset[Mechanism]
    """Those the user allows."""
    user: str | None = None
    password: str = field(default="", repr=False)
    keepalive: int = 30
    """Seconds."""
    prefix_length: int | None = None
    name_servers: tuple[str, ...] = ()
