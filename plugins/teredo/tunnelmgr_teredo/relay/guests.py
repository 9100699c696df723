"""Whose packets a far end carries: everybody's, those of some networks, or of clients that have signed not long ago.

Secure qualification (RFC 4380 section 5.2.2) alone keeps an address from strangers, not the use of a server whose address
is known: whoever makes up a Teredo address for himself needs no advertisement. A server that demands signatures therefore
remembers where they came from.
"""

from ipaddress import IPv4Network

from tunnelmgr.api.limits import Recent
from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.constants import GUEST_MEMORY, GUESTS_MAX
from tunnelmgr_teredo.drops import Drop


class Guests:
    """Clients by their mapping: those of some IPv4 prefixes, or everybody."""

    refusal = Drop.STRANGER
    """Why others are refused."""

    def __init__(self, prefixes: tuple[IPv4Network, ...] = ()) -> None:
        self._prefixes = prefixes

    def welcome(self, client: Endpoint, now: float) -> None:
        """Note a client that was answered."""

    def admits(self, client: Endpoint, now: float) -> bool:
        """True if this client's packets are carried to native IPv6 and back."""
        return not self._prefixes or any(client.address in prefix for prefix in self._prefixes)


class Signatories(Guests):
    """Of a server with secrets. Beyond GUESTS_MAX, the client welcomed longest ago is forgotten."""

    refusal = Drop.UNSIGNED

    def __init__(self, prefixes: tuple[IPv4Network, ...] = ()) -> None:
        super().__init__(prefixes)
        self._welcomed_at: Recent[Endpoint, float] = Recent(GUESTS_MAX)

    def welcome(self, client: Endpoint, now: float) -> None:
        self._welcomed_at[client] = now

    def admits(self, client: Endpoint, now: float) -> bool:
        at = self._welcomed_at.get(client)
        return super().admits(client, now) and at is not None and now - at < GUEST_MEMORY
