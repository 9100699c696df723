"""What a broker can do: its answer to VERSION (docs/protocols/tsp.md section 5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Self

from tunnelmgr.api.errors import WireError
from tunnelmgr_tsp.wire.framing import CRLF, quoted


class Mechanism(Enum):
    """A way to authenticate, strongest first."""

    DIGEST_MD5 = "DIGEST-MD5"
    PLAIN = "PLAIN"
    ANONYMOUS = "ANONYMOUS"


class TunnelType(Enum):
    """How packets travel; `V6ANYV4` leaves the choice to the broker."""

    V6ANYV4 = "v6anyv4"
    V6V4 = "v6v4"
    """IPv6 in IPv4, protocol 41 (RFC 4213)."""
    V6UDPV4 = "v6udpv4"
    """IPv6 in UDP, on the very socket of the signalling."""
    V4V6 = "v4v6"


@dataclass(frozen=True, slots=True)
class Capability:
    """The tunnels and mechanisms offered; what we do not know is left out."""

    tunnels: frozenset[TunnelType]
    mechanisms: frozenset[Mechanism]

    @classmethod
    def parse(cls, message: bytes) -> Self:
        """Read the line, letter case aside."""
        words = message.decode("latin-1").split()
        if not words or words[0].upper() != "CAPABILITY":
            raise WireError(f"expected CAPABILITY, got {quoted(message[:60])}")
        values = [word.upper().partition("=") for word in words[1:]]
        tunnels = {value for key, _, value in values if key == "TUNNEL"}
        mechanisms = {value for key, _, value in values if key == "AUTH"}
        return cls(
            frozenset(one for one in TunnelType if one.name in tunnels),
            frozenset(one for one in Mechanism if one.value in mechanisms),
        )

    def serialize(self) -> bytes:
        words = [f"TUNNEL={one.name}" for one in TunnelType if one in self.tunnels]
        words += [f"AUTH={name}" for name in sorted(one.value for one in self.mechanisms)]
        return " ".join(["CAPABILITY", *words]).encode() + CRLF

    def offers(self, wanted: TunnelType) -> bool:
        """True if a tunnel of this type may be asked for: v6anyv4 is never advertised."""
        if wanted is TunnelType.V6ANYV4:
            return bool(self.tunnels & {TunnelType.V6V4, TunnelType.V6UDPV4})
        return wanted in self.tunnels

    def strongest(self, allowed: Iterable[Mechanism]) -> Mechanism | None:
        """Return the strongest mechanism both sides have; None when there is none."""
        common = self.mechanisms & set(allowed)
        return next((one for one in Mechanism if one in common), None)
