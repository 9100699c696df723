"""How long to wait before trying again."""

from random import Random
from typing import Final

FIRST_DELAY: Final = 1.0  # seconds
LONGEST_DELAY: Final = 60.0  # seconds, unless something else is wanted
JITTER: Final = 0.25  # either way, so that a thousand hosts do not come back in the same second


class Backoff:
    """Doubling delays with jitter, from one second on."""

    def __init__(self, random: Random, longest: float = LONGEST_DELAY) -> None:
        self._random = random
        self._longest = longest
        self._delay = FIRST_DELAY

    def next_delay(self) -> float:
        """Return the seconds to wait, and double the next ones."""
        delay = self._delay * self._random.uniform(1 - JITTER, 1 + JITTER)
        self._delay = min(2 * self._delay, self._longest)
        return delay

    def reset(self) -> None:
        """Begin again at the first delay: what was tried has worked."""
        self._delay = FIRST_DELAY
