"""When bubbles may be sent (RFC 4380 section 5.2.6), per peer and per IPv4 host they would hit."""

from ipaddress import IPv4Address

from tunnelmgr.api.limits import TokenBuckets
from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.constants import (
    BUBBLE_INTERVAL,
    BUBBLE_WINDOW,
    BUBBLES_MAX,
    BUDGETS_MAX,
    DIRECT_BUDGET,
    SERVER_BUDGET,
    SERVER_PORT,
)


class RoundLimit:
    """BUBBLES_MAX rounds at most in a BUBBLE_WINDOW without a direct answer, and a BUBBLE_INTERVAL between two of them.

    A direct and an indirect bubble make one round; so does an echo test (section 5.2.9).
    """

    __slots__ = ("_rounds",)

    def __init__(self) -> None:
        self._rounds: tuple[float, ...] = ()

    def earliest(self, now: float, sent_at: float | None) -> float | None:
        """Return when the next round may be: `now` or later, None while BUBBLES_MAX have gone without an answer."""
        self._rounds = tuple(at for at in self._rounds if now - at < BUBBLE_WINDOW)
        if len(self._rounds) >= BUBBLES_MAX:
            return None
        last = max((*self._rounds, *(() if sent_at is None else (sent_at,))), default=None)
        return now if last is None else max(now, last + BUBBLE_INTERVAL)

    @property
    def unanswered(self) -> int:
        """Rounds that count at the moment."""
        return len(self._rounds)

    def count(self, now: float) -> None:
        """Note a round."""
        self._rounds = (*self._rounds, now)

    def answered(self) -> None:
        """Note a direct answer."""
        self._rounds = ()


class BubbleBudget:
    """How many bubbles one IPv4 host may get from us: thousands of Teredo addresses can name the same one."""

    def __init__(self, servers: tuple[float, float] = SERVER_BUDGET) -> None:
        """Limit direct bubbles, and those to one server: burst, then per second."""
        self._direct: TokenBuckets[IPv4Address] = TokenBuckets(*DIRECT_BUDGET, BUDGETS_MAX)
        self._servers: TokenBuckets[IPv4Address] = TokenBuckets(*servers, BUDGETS_MAX)

    def allows(self, remote: Endpoint, now: float) -> bool:
        """True if one may be sent now; it counts as sent."""
        buckets = self._servers if remote.port == SERVER_PORT else self._direct
        return buckets.take(remote.address, now)
