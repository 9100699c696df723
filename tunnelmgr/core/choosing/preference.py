"""Which of a profile's methods shall run, when it shall give way, and when to look whether a better one works again. Pure.

The order is the profile's. A method that fails is held down, longer each time, and a better one is looked at before the one
that runs is given up: a link that comes and goes must not take every connection with it. What failed on one network is no
evidence about another.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.limits import Recent
from tunnelmgr.api.network import DefaultRoute, Network
from tunnelmgr.core.choosing.choice import Judgement, Survey, judge, judge_beside_native
from tunnelmgr.core.choosing.holddown import HoldDown
from tunnelmgr.core.choosing.method_status import MethodState, MethodStatus
from tunnelmgr.core.condition import BEGUN, Code, Condition, State
from tunnelmgr.core.profiles.profile import Method

TRIAL_TIMEOUT: Final = 15.0
"""Seconds a method may go without carrying packets before the next has its turn: more than the 12 s after which a Teredo
client knows that its server is silent."""
RETURN_TIMEOUT: Final = 6.0
"""The same where one that carried was given up for it: a wrong look must not leave the host without IPv6 for long."""
RECOVERY_TIMEOUT: Final = 8.0
"""Seconds for a method that has carried: enough to register from a new address, and to be believed again after one loss."""
FIRST_HOLD: Final = 30.0  # seconds without a second chance after the first failure; doubled for each that follows
LONGEST_HOLD: Final = 1800.0  # seconds
LOOK_INTERVAL: Final = 3600.0  # seconds between two looks whether what did not suit does now; most changes are announced
PLACES_MAX: Final = 8  # networks whose failures are remembered

_Place = tuple[IPv4Address | None, DefaultRoute | None]


@dataclass(frozen=True, slots=True)
class Leaving:
    """Why the running method shall give way."""

    reason: str
    failed: bool
    """True if it is its own fault."""


class Preference:
    """Knows all methods of one profile by their place in it, from 0."""

    def __init__(self, methods: tuple[Method, ...]) -> None:
        self._methods = methods
        self._judged: dict[int, Judgement] = {}
        """Empty before the first look: then each may be tried."""
        self._unreached: frozenset[int] = frozenset()
        self._looked_at = 0.0
        self._looked_closely_at: float | None = None
        self._holds: dict[int, HoldDown] = {}
        self._place: _Place | None = None
        self._places: Recent[_Place, dict[int, HoldDown]] = Recent(PLACES_MAX)
        self._failures: dict[int, str] = {}
        self._hopeless: set[int] = set()
        self._running: int | None = None
        self._condition = BEGUN
        """Of the running method."""
        self._troubled_since = 0.0
        self._give_up_at = 0.0
        self._reserve: int | None = None
        """The method that was given up although it carried."""
        self._patience = TRIAL_TIMEOUT
        self._carried_at: float | None = None
        """When a method, whichever, began to carry."""
        self._failed_at: dict[int, float] = {}

    # What happened.

    def looked(self, survey: Survey, now: float) -> list[Judgement]:
        """Take what a look at the network found; return how the methods are judged, in the profile's order."""
        view = judge if self._carried_at is None else judge_beside_native
        self._judged = dict(enumerate(view(method, survey.report) for method in self._methods))
        self._looked_at = now
        self._be_at(survey.report.network)
        if survey.close:
            self._looked_closely_at, self._unreached = now, survey.unreached
        for number in self._better():
            if number in self._unreached and not self.is_held(number, now):
                self._failures[number] = "its far end does not answer"
                self._hold(number).failed(now)
        return list(self._judged.values())

    def began(self, number: int, now: float) -> None:
        """A method is being tried."""
        self._running, self._condition = number, BEGUN
        self._patience = RETURN_TIMEOUT if self._reserve not in {None, number} else TRIAL_TIMEOUT
        self._troubled_since, self._give_up_at = now, now + self._patience

    def stands(self, condition: Condition, now: float) -> None:
        """The running method says whether it carries packets, and if not, why."""
        if condition.state is State.UP:
            self._carried_at = now
            if self._running is not None:
                self._failures.pop(self._running, None)
        elif self._carries:
            self._troubled_since, self._give_up_at = now, now + RECOVERY_TIMEOUT
        self._condition = condition

    def ended(self) -> None:
        """The running method has been taken down."""
        self._reserve = self._running if self._carries else None
        self._running, self._condition = None, BEGUN

    def failed(self, number: int, error: TunnelError, now: float) -> None:
        """A method failed."""
        before, self._failed_at[number] = self._failed_at.get(number), now
        self._failures[number] = error.message
        if before is not None and (self._carried_at is None or self._carried_at <= before):
            self._hold(number).failed_again(now)  # nothing carried meanwhile: the attempt cost no connection
        else:
            self._hold(number).failed(now)
        if error.exit_code.permanent:
            self._hopeless.add(number)

    # What follows from it.

    @property
    def has_carried(self) -> bool:
        """True if any method has carried packets since the start."""
        return self._carried_at is not None

    @property
    def _carries(self) -> bool:
        return self._condition.state is State.UP

    def choose(self, now: float) -> int | None:
        """Return the method to try next: where each has failed, the one that has waited longest; None where none suits."""

        def order(number: int) -> tuple[bool, float, bool, bool, int]:
            hold = self._hold(number)
            waits = hold.until if hold.holds(now) else 0.0
            return hold.holds(now), waits, number in self._unreached, self._suits(number) is None, number

        return min(self._candidates(), key=order, default=None)

    def is_held(self, number: int, now: float) -> bool:
        """True if a method has failed too recently to be tried while another carries."""
        return self._hold(number).holds(now)

    def leaving(self, now: float) -> Leaving | None:
        """Return why the running method shall give way at this moment; None when it shall go on."""
        running = self._running
        if running is None:
            return None
        others = [number for number in self._candidates() if number != running]
        free = [number for number in others if not self.is_held(number, now)]
        if self._suits(running) is False and (free or self._methods[running].when is not None):
            return Leaving("it does not suit any more", failed=False)
        if self._carries:
            better = [number for number in self._better() if number in free and self._seen_well(number)]
            found = better and f"{self._methods[better[0]].type} is to be had, which the profile prefers"
            return Leaving(found, failed=False) if found else None
        if self._condition.code is Code.PACKETS_STOPPED and free:
            return Leaving(self._condition.reason, failed=True)  # probes have shown it: there is nothing to wait for
        patience_ended = free and now >= self._give_up_at
        if patience_ended or (others and now >= max(self._give_up_at, self._troubled_since + TRIAL_TIMEOUT)):
            waited = now - self._troubled_since
            return Leaving(f"no packets flowed for {waited:.0f} s: {self._condition.reason}", failed=True)
        return None

    def look_due(self, now: float) -> bool:
        """True when it is time to look whether a better method than the one that carries would work."""
        look_at = self._look_at()
        return look_at is not None and now >= look_at

    def next_timeout(self, now: float) -> float | None:
        """Return when to ask `leaving` and `look_due` again, if nothing happens before."""
        if self._running is None:
            return None
        if self._carries:
            return self._look_at()
        deadlines = [self._give_up_at, self._troubled_since + TRIAL_TIMEOUT]
        deadlines += [self._hold(number).until for number in self._candidates()]
        return min((instant for instant in deadlines if instant > now), default=None)

    def statuses(self, now: float) -> tuple[MethodStatus, ...]:
        """Return how the methods stand, in the profile's order."""
        return tuple(self._status(number, now) for number in range(len(self._methods)))

    def _status(self, number: int, now: float) -> MethodStatus:
        method, reason, waits = self._methods[number], self._failures.get(number, ""), None
        if number == self._running:
            state, reason = MethodState.RUNNING, self._condition.reason
        elif number in self._hopeless:
            state = MethodState.FAILED
        elif self._suits(number) is False:
            state, reason = MethodState.REFUSED, self._judged[number].reason
        elif self.is_held(number, now):
            state, waits = MethodState.HELD, self._hold(number).until - now
        else:
            state, reason = MethodState.READY, self._judged[number].reason if self._judged else ""
        return MethodStatus(method.type, method.transport.describe(), state, reason, waits)

    # What is known of one method.

    def _suits(self, number: int) -> bool | None:
        return self._judged[number].suits if self._judged else True

    def _candidates(self) -> list[int]:
        return [
            number
            for number in range(len(self._methods))
            if number not in self._hopeless and self._suits(number) is not False
        ]

    def _better(self) -> list[int]:
        """Return the methods that would be preferred to the running one if they worked."""
        running = self._running
        return [] if running is None else [one for one in self._candidates() if one < running and self._suits(one)]

    def _seen_well(self, number: int) -> bool:
        """True if a close look has found nothing against a method since it was held down last."""
        looked_at = self._looked_closely_at
        return looked_at is not None and looked_at >= self._hold(number).until and number not in self._unreached

    def _look_at(self) -> float | None:
        running = self._running
        if running is None or not self._carries:
            return None
        instants = [self._hold(one).until for one in self._better() if not self._seen_well(one)]
        if any(self._suits(one) is not True for one in range(running) if one not in self._hopeless):
            instants.append(self._looked_at + LOOK_INTERVAL)
        return min(instants, default=None)

    def _hold(self, number: int) -> HoldDown:
        return self._holds.setdefault(number, HoldDown(FIRST_HOLD, LONGEST_HOLD))

    def _be_at(self, network: Network) -> None:
        place = (network.source, network.default_route)
        if place != self._place:
            self._place, self._unreached, self._looked_closely_at = place, frozenset(), None
        self._holds = self._places[place] = self._places.get(place, {})
