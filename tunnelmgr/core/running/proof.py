"""Are packets known to flow through a tunnel, and when to ask again? A pure state machine.

    UNPROVEN --answered--> PROVEN <--answered, or anything came in-- DOUBTED --all lost--> LOST <--all lost-- HELD
                              |-------- nothing came in for long --------^                  |--answered too early--^
                              ^------- answered after the hold-down -------- HELD or LOST --+

Traffic is the best proof there is, so no probes are sent while packets come in. Packets that go out and bring nothing back
raise a doubt soon, a link without traffic now and then. A tunnel that lost packets gets the default route back only after a
hold-down, which grows with each loss: a link that comes and goes would otherwise take every connection with it each time.
"""

from enum import Enum
from random import Random
from typing import Final

from tunnelmgr.core.choosing.holddown import HoldDown
from tunnelmgr.core.running.backoff import Backoff
from tunnelmgr.core.running.probe import Pace

SILENCE: Final = 3.0  # seconds of packets going out and nothing coming in that raise a doubt
IDLE_INTERVAL: Final = 30.0  # seconds with nothing coming in that raise one when nothing goes out either
COUNT_INTERVAL: Final = 1.0  # seconds between two looks at what passed
LONGEST_PAUSE: Final = 15.0  # seconds between two rounds of probes while packets do not flow
FIRST_HOLD: Final = 5.0  # seconds after a loss during which no answer gives the default route back; doubled
LONGEST_HOLD: Final = 600.0  # seconds

THOROUGH: Final = Pace(probes=2, interval=4.0, enough=2)
"""For the first proof. The first packet of a Teredo peer waits for an echo test and its repeat."""
BURST: Final = Pace(probes=4, interval=1.0, enough=1)
"""For a doubt: all lost, in four seconds, means that nothing passes."""


class Phase(Enum):
    """What is known."""

    ABSENT = "absent"
    """The tunnel is not up: there is nothing to prove."""
    UNPROVEN = "unproven"
    PROVEN = "proven"
    DOUBTED = "doubted"
    LOST = "lost"
    HELD = "held"
    """Packets flow again after a loss, and it is too early to rely on it."""


class Proof:
    """The machine of one tunnel. Its owner sends probes when `pace` says so, and reports what came of them."""

    def __init__(self, random: Random) -> None:
        self._backoff = Backoff(random, LONGEST_PAUSE)
        self._hold = HoldDown(FIRST_HOLD, LONGEST_HOLD)
        self._pace = THOROUGH
        self._askable = False
        self._ask_at: float | None = None
        self._sent = 0
        self._received = 0
        self._counted_at = 0.0
        self._heard_at = 0.0
        self._unanswered_since: float | None = None
        self._silence = SILENCE
        self.phase = Phase.ABSENT

    @property
    def carries(self) -> bool:
        """True if this host may send its traffic into the tunnel. A doubt alone changes nothing."""
        return self.phase in {Phase.PROVEN, Phase.DOUBTED}

    @property
    def passes(self) -> bool:
        """True if packets are known to flow, relied on or not: then programs bound to the tunnel's addresses may go on."""
        return self.carries or self.phase is Phase.HELD

    def held_for(self, now: float) -> float:
        """Return the seconds until the tunnel may carry again."""
        return max(0.0, self._hold.until - now)

    def configured(self, now: float, *, askable: bool) -> None:
        """The Tunnel is ready, perhaps with another address. `askable`: there is a target that probes can be sent to."""
        self._askable, self._pace = askable, THOROUGH
        self._heard_at, self._counted_at, self._unanswered_since = now, now, None
        if self.carries:
            # It goes on carrying meanwhile: a broker that only renews a lease must not cost the default route.
            self.phase = Phase.DOUBTED if askable else Phase.PROVEN
        elif self._hold.holds(now) and not askable:
            self.phase = Phase.HELD  # no probe will ever tell more than the Tunnel itself does
        elif self.phase is not Phase.HELD:
            self.phase = Phase.LOST if self._hold.holds(now) else Phase.UNPROVEN
        self._backoff.reset()
        self._ask_at = now if askable else None
        self.handle_timeout(now)

    def gone(self, now: float) -> None:
        """The Tunnel does not work."""
        if self.carries:
            self._hold.failed(now)
        self.phase, self._ask_at = Phase.ABSENT, None

    def doubt(self, now: float, delay: float = 0.0) -> None:
        """Ask in `delay` seconds: something happened after which packets may not flow any more."""
        if self.phase is Phase.PROVEN and self._askable:
            self.phase, self._pace, self._ask_at = Phase.DOUBTED, BURST, now + delay

    def counted(self, sent: int, received: int, now: float) -> None:
        """Take how many packets have passed the tunnel since it began, our own probes and their answers among them."""
        if received > self._received:
            self._heard_at, self._unanswered_since, self._silence = now, None, SILENCE
            if self.phase is Phase.DOUBTED:
                self.phase, self._ask_at = Phase.PROVEN, None
        elif sent > self._sent and self._unanswered_since is None:
            # The packet left at some time since the last count. To take the earlier end finds a loss sooner, and costs a
            # burst of probes where it was wrong.
            self._unanswered_since = self._counted_at
        self._sent, self._received, self._counted_at = sent, received, now
        unanswered = self._unanswered_since is not None and now >= self._unanswered_since + self._silence
        if unanswered or now >= self._heard_at + IDLE_INTERVAL:
            self.doubt(now)

    def pace(self, now: float) -> Pace | None:
        """Return how to ask when it is time to; then `answered` or `unanswered` is due."""
        if self._ask_at is None or now < self._ask_at:
            return None
        self._ask_at = None
        return self._pace

    def answered(self, sent: int, received: int, now: float) -> None:
        """A round of probes was answered. `sent` and `received` count what has passed by now, the answers included."""
        if self.phase is Phase.ABSENT:
            return
        if self.phase is Phase.DOUBTED and self._unanswered_since is not None:
            # Packets flow, so what goes out wants no answer, a syslog sender's say: ask less often about it.
            self._silence = min(2 * self._silence, IDLE_INTERVAL)
        self._sent, self._received, self._unanswered_since = sent, received, None
        self._heard_at = self._counted_at = now
        if self._hold.holds(now) and not self.carries:
            # Ask again when the hold-down ends: one answer in the middle of it does not show that the link is stable.
            self.phase, self._pace = Phase.HELD, BURST
            self._ask_at = min(self._hold.until, now + IDLE_INTERVAL)
        else:
            self._backoff.reset()
            self.phase = Phase.PROVEN

    def unanswered(self, now: float) -> None:
        """A round of probes was lost, or could not be sent."""
        if self.phase is Phase.ABSENT:
            return
        if self.carries:
            self._hold.failed(now)
        if self.passes or self.phase is Phase.LOST:
            self.phase, self._pace = Phase.LOST, BURST
        self._ask_at = now + self._backoff.next_delay()

    def handle_timeout(self, now: float) -> None:
        """Rely on a tunnel without a target to probe as soon as no hold-down is left: its own word is all there is."""
        if self.phase in {Phase.UNPROVEN, Phase.HELD} and not self._askable and not self._hold.holds(now):
            self.phase = Phase.PROVEN

    def next_timeout(self, now: float) -> float | None:
        """Return when to look again: to ask, to count, or to believe."""
        if self._ask_at is not None:
            return self._ask_at
        if self.carries and self._askable:
            return now + COUNT_INTERVAL
        return self._hold.until if self.phase is Phase.HELD and not self._askable else None
