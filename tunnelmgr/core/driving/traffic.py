"""What the driver tells of the packets it carries: how many there were, and on which sockets they travel."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes and packets through the tunnel device since the tunnel came up, both ways, all paths together."""

    packets_received: int = 0
    bytes_received: int = 0
    packets_sent: int = 0
    bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class OuterSocket:
    """A socket the tunnel's datagrams travel on."""

    kind: str
    """"udp" or "raw41"."""
    address: str
    """Local; "0.0.0.0" for all of this host."""
    port: int
    """0 for protocol 41."""
    remote: str | None = None
    """The only address it talks to, where there is only one."""
