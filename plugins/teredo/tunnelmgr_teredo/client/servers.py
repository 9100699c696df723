"""The servers a client may use, and the order it tries them in."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from tunnelmgr.api.names import literal_address
from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.constants import SERVER_PORT


@dataclass(frozen=True, slots=True)
class ConfiguredServer:
    """A server as the user gave it: a name, or an IPv4 address."""

    name: str
    secondary: IPv4Address | None = None
    """None: the address after the primary one, as Windows and Miredo assume."""

    @property
    def literal(self) -> IPv4Address | None:
        return literal_address(self.name)

    def at(self, primary: IPv4Address) -> "Server":
        """Return the server, its name resolved."""
        return Server(self.name, primary, self.secondary if self.secondary is not None else primary + 1)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Server:
    """A server with its two addresses."""

    name: str
    primary: IPv4Address
    secondary: IPv4Address

    @property
    def primary_endpoint(self) -> Endpoint:
        return Endpoint(self.primary, SERVER_PORT)

    @property
    def secondary_endpoint(self) -> Endpoint:
        return Endpoint(self.secondary, SERVER_PORT)

    def __str__(self) -> str:
        return self.name if self.name == str(self.primary) else f"{self.name} ({self.primary})"


class ServerOrder:
    """Goes through the servers in the user's order, the one that worked last in front."""

    def __init__(self, names: Sequence[ConfiguredServer]) -> None:
        self._names = tuple(names)
        self._last_good: str | None = None
        self._untried: list[ConfiguredServer | Server] = []

    def remember(self, name: str) -> None:
        """Take the server that worked in an earlier run."""
        self._last_good = name

    def settle(self, name: str) -> bool:
        """Note the server that works: all others may be tried again. Return True if it is not the one that worked before."""
        further = [server for server in self._untried if isinstance(server, Server) and server.name == name]
        self._untried = [*further, *(server for server in self._names if server.name != name)]
        changed, self._last_good = name != self._last_good, name
        return changed

    def begin(self) -> ConfiguredServer:
        """Start over; return the first server to try."""
        first, *others = sorted(self._names, key=lambda server: server.name != self._last_good)
        self._untried = [*others]
        return first

    def resolved(self, server: ConfiguredServer, addresses: Sequence[IPv4Address]) -> Server:
        """Return the server at the first address of its name, which has one at least; the others are the next to try.

        Some names have both addresses of one server: a second one is asked as a first one last.
        """
        servers = [server.at(address) for address in dict.fromkeys(addresses)]
        seconds = {one.secondary for one in servers}
        first, *others = sorted(servers, key=lambda one: one.primary in seconds)
        self._untried[:0] = others
        return first

    def next(self) -> ConfiguredServer | Server | None:
        """Return the next server to try, None when all have been tried since `begin` or `settle`."""
        return self._untried.pop(0) if self._untried else None
