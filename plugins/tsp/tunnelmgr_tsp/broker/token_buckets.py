"""So many requests a second of each address, and no more; strangers cannot make the book grow."""

from collections import OrderedDict
from ipaddress import IPv4Address

from tunnelmgr_tsp.constants import ADDRESSES_COUNTED_MAX


class TokenBuckets:
    """One bucket an address, the least recently used forgotten first."""

    def __init__(self, rate: float, burst: float) -> None:
        """`rate` is tokens a second, `burst` how many fit a bucket."""
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[IPv4Address, tuple[float, float]] = OrderedDict()

    def take(self, address: IPv4Address, now: float) -> bool:
        """Take a token; False when there is none."""
        tokens, at = self._buckets.get(address, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        allowed = tokens >= 1.0
        self._buckets[address] = (tokens - allowed, now)
        self._buckets.move_to_end(address)
        if len(self._buckets) > ADDRESSES_COUNTED_MAX:
            self._buckets.popitem(last=False)
        return allowed
