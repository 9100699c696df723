"""How long not to trust again what has just failed: longer each time it fails soon after the last. Pure.

A link that fails every few seconds would otherwise be taken and given up all day, and take every connection with it.
"""

import math


class HoldDown:
    """Doubling times of distrust for one thing: a tunnel's default route, or a method on one network."""

    def __init__(self, first: float, longest: float) -> None:
        """Distrust for `first` seconds after the first failure, for twice as long after each further one, up to `longest`.

        What has then worked for `longest` seconds without failing is as good as new.
        """
        self._first = first
        self._longest = longest
        self._next = first
        self._lasted = first
        self.until = -math.inf
        """The instant from which on it may be trusted again; long ago when it has never failed."""

    def failed(self, now: float) -> float:
        """Note a failure; return the instant from which on it may be trusted again."""
        if now >= self.until + self._longest:
            self._next = self._first
        self.until, self._lasted = now + self._next, self._next
        self._next = min(2 * self._next, self._longest)
        return self.until

    def failed_again(self, now: float) -> None:
        """Note a failure that cost no connection: distrust it for as long as the last time."""
        self.until = now + self._lasted

    def holds(self, now: float) -> bool:
        """True while it is not to be trusted."""
        return now < self.until
