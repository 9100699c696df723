"""One registration at a provider, and what is remembered of it from one start to the next.

Everything a request says of it identifies a registration, the key included. A profile with another key or another tunnel
starts without the past of the old one.
"""

import contextlib
from collections.abc import Mapping
from hashlib import blake2b
from ipaddress import IPv4Address
from math import inf

from tunnelmgr.api.addresses import is_behind_nat
from tunnelmgr.api.effects import Remember
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_sixinfour.constants import (
    UPDATE_ABUSE_PAUSE,
    UPDATE_INTERVAL,
    UPDATE_REFUSED_PAUSE,
    UPDATE_RETRY,
    UPDATE_TOLD_AGAIN,
)
from tunnelmgr_sixinfour.provider.settings import UpdateSettings


class Registration:
    """What came of the requests so far."""

    def __init__(self, settings: UpdateSettings, outbox: Outbox) -> None:
        self.address: IPv4Address | None = None
        """Where this end is, as the provider agreed last; None when it is not known what the provider believes."""
        self.refusal = ""
        """What it said when it refused this registration."""
        self.pause = 0.0
        """Seconds this start has to wait for its first request. The whole pause of an earlier start, of which some is over:
        the clock of a Tunnel does not tell how much, and waiting longer than needed is polite."""
        self.told_until = -inf
        """Until when silence is no reason to tell: the far end has not been heard since the provider agreed, so telling it
        again is of little use. Behind a NAT that ends, since nothing else shows that the address outside is another."""
        self._retry = UPDATE_RETRY[0]
        self._told_again = UPDATE_TOLD_AGAIN[0]
        self._outbox = outbox
        # By a digest, since the key has no business in another file.
        words = (settings.url, str(settings.tunnel), settings.username, settings.key.reveal())
        digest = blake2b("\0".join(words).encode(), digest_size=8).hexdigest()
        self._outcome_key, self._pause_key, self._unheard_key = (
            f"{name} {digest}" for name in ("outcome", "pause", "unheard")
        )

    def recall(self, memory: Mapping[str, bytes], now: float) -> None:
        """Take what earlier starts asked to be remembered."""
        outcome, _, rest = memory.get(self._outcome_key, b"").decode(errors="replace").partition(" ")
        with contextlib.suppress(ValueError):
            if self._unheard_key in memory:
                self._tell_again_in(float(memory[self._unheard_key]), now)
        with contextlib.suppress(ValueError):
            self.pause = float(memory.get(self._pause_key, b"0"))
            match outcome:
                case "at":
                    self.address = IPv4Address(rest)
                case "refused":
                    self.refusal = rest
                case "failed":
                    self._retry = float(rest)

    def asked(self) -> None:
        """A request goes out. It may take effect although its answer is never seen."""
        if self.address is not None:
            self.address = None
            self._outbox.say(Remember(self._outcome_key, b""))
        self._rest(UPDATE_INTERVAL)

    def unreached(self) -> None:
        """The request did not get there, so the provider need not be spared another."""
        self._outbox.say(Remember(self._pause_key, b""))

    def accepted(self, address: IPv4Address, now: float) -> None:
        self.address, self._retry = address, UPDATE_RETRY[0]
        self._keep(f"at {address}")
        again = self._told_again if is_behind_nat(address) else inf
        self._outbox.say(Remember(self._unheard_key, str(again).encode(), lifetime=UPDATE_TOLD_AGAIN[1]))
        self._tell_again_in(again, now)

    def refused(self, text: str) -> None:
        self._keep(f"refused {text}", UPDATE_REFUSED_PAUSE)

    def blocked(self) -> float:
        """Return how many seconds to wait."""
        return self._rest(UPDATE_ABUSE_PAUSE)

    def failed(self) -> float:
        """Return how many seconds to wait: twice as many each time."""
        pause, self._retry = self._retry, min(2 * self._retry, UPDATE_RETRY[1])
        self._keep(f"failed {self._retry}", 2 * self._retry)  # long enough for the pause and another failure
        return self._rest(pause)

    def heard(self) -> None:
        """The far end answers."""
        if self.told_until != -inf:
            self.told_until, self._told_again = -inf, UPDATE_TOLD_AGAIN[0]
            self._outbox.say(Remember(self._unheard_key, b""))

    def _tell_again_in(self, seconds: float, now: float) -> None:
        self.told_until, self._told_again = now + seconds, min(2 * seconds, UPDATE_TOLD_AGAIN[1])

    def _rest(self, seconds: float) -> float:
        self._outbox.say(Remember(self._pause_key, str(seconds).encode(), lifetime=seconds))
        return seconds

    def _keep(self, outcome: str, lifetime: float | None = None) -> None:
        self._outbox.say(Remember(self._outcome_key, outcome.encode(), lifetime))
