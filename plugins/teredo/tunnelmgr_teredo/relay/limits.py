"""How much native hosts can make a relay remember and send (RFC 4380 section 7.3.5; teredo.md section 7.4)."""

from tunnelmgr.api.limits import TokenBucket, TokenBuckets
from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.client.bubbles import BubbleBudget
from tunnelmgr_teredo.constants import (
    RELAY_NETWORK_SHARE,
    RELAY_NETWORKS_MAX,
    RELAY_NEWCOMERS_IN_ALL,
    RELAY_NEWCOMERS_PER_NETWORK,
    RELAY_SERVER_BUDGET,
)


class RelayLimits:
    """Each method returns whether one more may be, and counts it."""

    def __init__(self, network_share: float = RELAY_NETWORK_SHARE) -> None:
        """Leave one native network this share of the peer list; a host-specific relay is all for one network."""
        self.network_share = network_share
        self._per_network: TokenBuckets[int] = TokenBuckets(*RELAY_NEWCOMERS_PER_NETWORK, RELAY_NETWORKS_MAX)
        self._in_all = TokenBucket(*RELAY_NEWCOMERS_IN_ALL)
        self._bubbles = BubbleBudget(RELAY_SERVER_BUDGET)

    def allows_newcomer(self, network: int, now: float) -> bool:
        """Count a client that is entered on behalf of this native network."""
        return self._per_network.take(network, now) and self._in_all.take(now)

    def allows_bubble(self, remote: Endpoint, now: float) -> bool:
        """Count a bubble to a server or client."""
        return self._bubbles.allows(remote, now)
