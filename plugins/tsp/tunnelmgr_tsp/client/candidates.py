"""Whom the client asks next: the configured brokers, then those they send us to."""

from collections import deque
from collections.abc import Iterable

from tunnelmgr.api.network import Endpoint
from tunnelmgr_tsp.constants import REDIRECT_HOPS_MAX
from tunnelmgr_tsp.wire.brokers import Broker


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
