"""Whom the client asks next: the configured brokers, then those they send us to (docs/protocols/tsp.md section 11)."""

from collections import deque
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address
from typing import NamedTuple, Self

from tunnelmgr.api.addresses import is_never_a_host
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.names import ServerName, literal_address
from tunnelmgr.api.network import Endpoint
from tunnelmgr_tsp.constants import PORT, REDIRECT_HOPS_MAX


class Broker(NamedTuple):
    """A broker as users and referrals name it: host name or IPv4 address, and port."""

    host: str
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host` or `host:port`. Raises ValueError."""
        name = ServerName.parse(text)
        return cls(name.host, name.port or PORT)

    @property
    def address(self) -> IPv4Address | None:
        """The address, where the host is one."""
        return literal_address(self.host)

    def __str__(self) -> str:
        return self.host if self.port == PORT else f"{self.host}:{self.port}"


class Candidates:
    """The brokers of one round. `trusted` are those that may be told a password; None: none is told in plain text."""

    def __init__(self, brokers: Iterable[Broker], trusted: Collection[Broker] | None) -> None:
        self._queue = deque(dict.fromkeys(brokers))
        self._trusted = trusted
        self._asked: set[Endpoint] = set()
        self._hops = 0

    def next(self) -> Broker | None:
        """Take the next one; None when all were asked."""
        return self._queue.popleft() if self._queue else None

    def claim(self, endpoint: Endpoint) -> bool:
        """Note that an endpoint is being asked; False when it was asked before in this round."""
        is_new = endpoint not in self._asked
        self._asked.add(endpoint)
        return is_new

    def ask_again(self, broker: Broker, endpoint: Endpoint) -> None:
        """Ask this one next, although it was asked before: for something else."""
        self._asked.discard(endpoint)
        self._queue.appendleft(broker)

    def refer(self, texts: Iterable[str]) -> list[Broker]:
        """Ask these next; return those that may be asked. Raises WireError with the reason when there is none."""
        named = tuple(texts)
        brokers = [broker for text in named if (broker := self._referred(text)) is not None]
        if not brokers:
            raise WireError(f"none of {len(named)} may be asked")
        # Brokers that send us to each other would keep us busy for ever (TSP-18).
        self._hops += 1
        if self._hops > REDIRECT_HOPS_MAX:
            raise WireError("too often")
        self._queue.extendleft(reversed(brokers))
        return brokers

    def _referred(self, text: str) -> Broker | None:
        try:
            broker = Broker.parse(text)
        except ValueError:
            return None
        if broker.address is not None and is_never_a_host(broker.address):
            return None
        # Nothing proves that a referral comes from our broker: a forged one must not collect the password.
        return broker if self._trusted is None or broker in self._trusted else None
