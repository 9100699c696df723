"""Names of brokers as users and referrals write them, and the order they are tried in."""

from collections import deque
from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import NamedTuple, Self

from tunnelmgr.api.network import Endpoint
from tunnelmgr_tsp.constants import PORT, REDIRECT_HOPS_MAX

_HOST_MAX = 253  # characters; RFC 1035 section 2.3.4


class Broker(NamedTuple):
    """Host name or IPv4 address, and port."""

    host: str
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host` or `host:port`. Raises ValueError."""
        host, colon, port = text.strip().rpartition(":")
        if not colon:
            host, port = port, str(PORT)
        if ":" in host or host.startswith("["):
            raise ValueError(f"{text!r}: a broker is asked over IPv4; write a name or an IPv4 address")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"{text!r}: {port!r} is no port; write a number from 1 to 65535")
        if not 0 < len(host) <= _HOST_MAX or not all(letter.isalnum() or letter in "-._" for letter in host):
            raise ValueError(f"{text!r} is no host name")
        return cls(host, int(port))

    @property
    def address(self) -> IPv4Address | None:
        """The address, where the host is one."""
        try:
            return IPv4Address(self.host)
        except ValueError:
            return None

    def __str__(self) -> str:
        return self.host if self.port == PORT else f"{self.host}:{self.port}"


def may_be_asked(address: IPv4Address) -> bool:
    """Whether a broker may send us to this address: none that means ourselves or many (TSP-18)."""
    return not (address.is_loopback or address.is_multicast or address.is_unspecified or address.packed[:1] >= b"\xf0")


class Candidates:
    """Whom to ask in one round of attempts: those configured, then where they send us."""

    def __init__(self, brokers: Iterable[Broker]) -> None:
        self._queue = deque(dict.fromkeys(brokers))
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

    def refer(self, brokers: Iterable[Broker]) -> bool:
        """Ask these next; False when there were too many referrals already."""
        self._hops += 1
        if self._hops > REDIRECT_HOPS_MAX:
            return False
        self._queue.extendleft(reversed(list(brokers)))
        return True
