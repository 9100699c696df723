"""How long the client waits until it asks again (docs/protocols/tsp.md section 12)."""

from random import Random

from tunnelmgr_tsp.client.troubles import Remedy
from tunnelmgr_tsp.constants import BACKOFF_FIRST, BACKOFF_JITTER, BACKOFF_MAX

_DOUBLINGS_MAX = 16  # more than any delay needs, and no float becomes too large


class RetryPace:
    """The first retry comes at once, the others after longer and longer delays, until a tunnel carries packets (TSP-21)."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0

    def start_over(self) -> None:
        """Forget the failures: a tunnel carries packets, or the network is another one."""
        self._failures = 0

    def next_delay(self, remedy: Remedy = Remedy.RETRY) -> float:
        """Count a failure; return the seconds to wait."""
        failures, self._failures = self._failures, self._failures + 1
        if remedy in {Remedy.RETRY_SLOWLY, Remedy.OTHER_ADDRESS}:
            return BACKOFF_MAX
        if not failures:
            return 0.0
        delay = min(BACKOFF_FIRST * 2.0 ** min(failures - 1, _DOUBLINGS_MAX), BACKOFF_MAX)
        # Clients that lost the same broker must not all come back in the same second.
        return delay * self._random.uniform(1 - BACKOFF_JITTER, 1 + BACKOFF_JITTER)
