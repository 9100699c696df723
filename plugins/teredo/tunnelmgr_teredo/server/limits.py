"""How often strangers can make a server send (docs/protocols/teredo.md section 6.4).

An advertisement is 1.7 times the size of its solicitation, whose source is not proven: without limits a server would
reflect floods. Forwarded bubbles and released echo requests do not grow, yet hide who sent them.
"""

from ipaddress import IPv4Address

from tunnelmgr.api.limits import TokenBucket, TokenBuckets
from tunnelmgr_teredo.constants import (
    ECHOES_PER_SOURCE,
    FORWARDED_PER_DESTINATION,
    SERVER_BUDGETS_MAX,
    SOLICITATIONS_IN_ALL,
    SOLICITATIONS_NETWORK,
    SOLICITATIONS_PER_ADDRESS,
    SOLICITATIONS_PER_NETWORK,
)


class ServerLimits:
    """Each method returns whether one more may go, and counts it as gone. Their memory is bounded whoever asks."""

    def __init__(self) -> None:
        self._answers_per_address: TokenBuckets[int] = TokenBuckets(*SOLICITATIONS_PER_ADDRESS, SERVER_BUDGETS_MAX)
        self._answers_per_network: TokenBuckets[int] = TokenBuckets(*SOLICITATIONS_PER_NETWORK, SERVER_BUDGETS_MAX)
        self._answers = TokenBucket(*SOLICITATIONS_IN_ALL)
        self._forwarded: TokenBuckets[int] = TokenBuckets(*FORWARDED_PER_DESTINATION, SERVER_BUDGETS_MAX)
        self._released: TokenBuckets[int] = TokenBuckets(*ECHOES_PER_SOURCE, SERVER_BUDGETS_MAX)

    def allows_answer(self, client: IPv4Address, now: float) -> bool:
        """Count an answer to whoever claims to be at this address."""
        # The narrowest first: a flood that one address cannot have must not use up what others may.
        number = int(client)
        return (
            self._answers_per_address.take(number, now)
            and self._answers_per_network.take(number >> 32 - SOLICITATIONS_NETWORK, now)
            and self._answers.take(now)
        )

    def allows_forwarding(self, destination: IPv4Address, now: float) -> bool:
        """Count a packet of one client, or relay, to another."""
        return self._forwarded.take(int(destination), now)

    def allows_release(self, source: IPv4Address, now: float) -> bool:
        """Count a packet of a client into native IPv6."""
        return self._released.take(int(source), now)
