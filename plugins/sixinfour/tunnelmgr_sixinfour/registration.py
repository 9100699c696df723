"""One registration at a provider, and what is remembered of it from one start to the next.

It is told apart by all that a request says of it, the key included: whoever corrects that, or names another tunnel, starts
with none of its past.
"""

import contextlib
from collections.abc import Mapping
from hashlib import blake2b
from ipaddress import IPv4Address

from tunnelmgr.api.effects import Remember
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_sixinfour.constants import UPDATE_ABUSE_PAUSE, UPDATE_INTERVAL, UPDATE_RETRY, UPDATE_TOLD_AGAIN
from tunnelmgr_sixinfour.update_settings import UpdateSettings


class Registration:
    """What came of the requests so far."""

    def __init__(self, settings: UpdateSettings, outbox: Outbox) -> None:
        self.address: IPv4Address | None = None
        """Where this end is, as the provider agreed last; None when nobody knows what it believes."""
        self.refusal = ""
        """What it said when it refused this registration for good."""
        self.pause = 0.0
        """Seconds this start has to wait for its first request. The whole pause of an earlier start, of which some is over:
        the clock of a Tunnel does not tell how much, and whoever has to wait may as well be polite."""
        self.is_unheard = False
        """Whether the far end has not been heard since the provider agreed: telling it again is of no use."""
        self._retry = UPDATE_RETRY[0]
        self._outbox = outbox
        # By a digest, since the key has no business in another file.
        words = (settings.url, str(settings.tunnel), settings.username, settings.key.reveal())
        digest = blake2b("\0".join(words).encode(), digest_size=8).hexdigest()
        self._outcome_key, self._pause_key, self._unheard_key = (
            f"{name} {digest}" for name in ("outcome", "pause", "unheard")
        )

    def recall(self, memory: Mapping[str, bytes]) -> None:
        """Take what earlier starts asked to be remembered."""
        outcome, _, rest = memory.get(self._outcome_key, b"").decode(errors="replace").partition(" ")
        self.is_unheard = self._unheard_key in memory
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

    def accepted(self, address: IPv4Address) -> None:
        self.address, self._retry, self.is_unheard = address, UPDATE_RETRY[0], True
        self._keep(f"at {address}")
        self._outbox.say(Remember(self._unheard_key, b"yes", lifetime=UPDATE_TOLD_AGAIN))

    def refused(self, text: str) -> None:
        self.refusal = text
        self._keep(f"refused {text}")

    def blocked(self) -> float:
        """Return how many seconds to wait."""
        return self._rest(UPDATE_ABUSE_PAUSE)

    def failed(self) -> float:
        """Return how many seconds to wait: twice as many each time."""
        pause, self._retry = self._retry, min(2 * self._retry, UPDATE_RETRY[1])
        self._keep(f"failed {self._retry}")
        return self._rest(pause)

    def heard(self) -> None:
        """The far end answers."""
        if self.is_unheard:
            self.is_unheard = False
            self._outbox.say(Remember(self._unheard_key, b""))

    def _rest(self, seconds: float) -> float:
        self._outbox.say(Remember(self._pause_key, str(seconds).encode(), lifetime=seconds))
        return seconds

    def _keep(self, outcome: str) -> None:
        self._outbox.say(Remember(self._outcome_key, outcome.encode()))
