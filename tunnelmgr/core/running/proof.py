"""Whether packets are known to flow through a tunnel, and when to ask again. Pure.

    UNPROVEN --answered--> PROVEN <--answered, or anything came in-- DOUBTED --all lost--> LOST
                              |-------- nothing came in for long --------^                  |
                              ^------------- answered, and the hold-down is over -----------+

Traffic is the best proof there is, so nobody is asked while packets come in. Packets that go out and bring nothing back
raise a doubt soon, a link without traffic now and then. What was lost is given back with hysteresis.
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


class Proof:
    """The machine of one tunnel. Whoever runs it asks when `pace` says so, and tells what came of it."""

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
        """Whether packets may be sent into the tunnel. A doubt alone changes nothing."""
        return self.phase in {Phase.PROVEN, Phase.DOUBTED}

    @property
    def held_until(self) -> float | None:
        """When the tunnel may carry again at the earliest; None where nothing was lost yet."""
        return self._hold.until

    def configured(self, now: float, *, askable: bool) -> None:
        """The Tunnel says that it is ready, perhaps with another address. `askable`: whether there is somebody to ask."""
        self._askable, self._pace = askable, THOROUGH
        self._heard_at, self._counted_at, self._unanswered_since = now, now, None
        if not self.carries:
            self.phase = Phase.LOST if self._hold.holds(now) else Phase.UNPROVEN
        elif askable:
            self.phase = Phase.DOUBTED
        self._backoff.reset()
        self._ask_at = now if askable else None
        self.handle_timeout(now)

    def gone(self, now: float) -> None:
        """The Tunnel says that it does not work."""
        if self.carries:
            self._hold.failed(now)
        self.phase, self._ask_at = Phase.ABSENT, None

    def doubt(self, now: float, delay: float = 0.0) -> None:
        """Ask in `delay` seconds: something happened after which packets may not flow any more."""
        if self.phase is Phase.PROVEN and self._askable:
            self.phase, self._pace, self._ask_at = Phase.DOUBTED, BURST, now + delay

    def counted(self, sent: int, received: int, now: float) -> None:
        """Hear how many packets have passed the tunnel since it began, our own probes and their answers among them."""
        if received > self._received:
            self._heard_at, self._unanswered_since, self._silence = now, None, SILENCE
            if self.phase is Phase.DOUBTED:
                self.phase, self._ask_at = Phase.PROVEN, None
        elif sent > self._sent and self._unanswered_since is None:
            self._unanswered_since = self._counted_at  # from then on nothing has come in
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
        """A round of probes was answered; what has passed by now, the answers included."""
        if self.phase is Phase.ABSENT:
            return
        if self.phase is Phase.DOUBTED and self._unanswered_since is not None:
            # What goes out wants no answer, it seems: ask less often about it.
            self._silence = min(2 * self._silence, IDLE_INTERVAL)
        self._sent, self._received, self._unanswered_since = sent, received, None
        self._heard_at = self._counted_at = now
        if self._hold.holds(now) and not self.carries:
            self._pace, self._ask_at = BURST, min(self._hold.until or now, now + IDLE_INTERVAL)
        else:
            self._backoff.reset()
            self.phase = Phase.PROVEN

    def unanswered(self, now: float) -> None:
        """A round of probes was lost, or could not be sent."""
        if self.phase is Phase.ABSENT:
            return
        if self.carries:
            self.phase = Phase.LOST
            self._hold.failed(now)
        if self.phase is Phase.LOST:
            self._pace = BURST
        self._ask_at = now + self._backoff.next_delay()

    def handle_timeout(self, now: float) -> None:
        """Believe a tunnel whom nobody can ask, when its hold-down is over."""
        if self.phase in {Phase.UNPROVEN, Phase.LOST} and not self._askable and not self._hold.holds(now):
            self.phase = Phase.PROVEN

    def next_timeout(self, now: float) -> float | None:
        """Return when to look again: to ask, to count, or to believe."""
        if self._ask_at is not None:
            return self._ask_at
        if self.phase in {Phase.PROVEN, Phase.DOUBTED} and self._askable:
            return now + COUNT_INTERVAL
        return self._hold.until if self.phase is Phase.LOST and not self._askable else None
