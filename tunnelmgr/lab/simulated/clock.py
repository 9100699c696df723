"""Simulated time: it stands still while anything happens, and jumps to whatever is due next."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

Action = Callable[[], None]


@dataclass(order=True, slots=True)
class Alarm:
    """Something that will happen. Alarms of the same instant go off in the order they were set."""

    at: float  # seconds on the simulated clock
    number: int
    action: Action | None = field(compare=False)

    def cancel(self) -> None:
        self.action = None


class Clock:
    """Seconds since the internet began."""

    def __init__(self) -> None:
        self.now = 0.0
        self._alarms: list[Alarm] = []
        self._number = 0

    def at(self, instant: float, action: Action) -> Alarm:
        """Call `action` at `instant`, or as soon as possible if that has passed: never before this call returns."""
        self._number += 1
        alarm = Alarm(max(instant, self.now), self._number, action)
        heapq.heappush(self._alarms, alarm)
        return alarm

    def after(self, delay: float, action: Action) -> Alarm:
        """Call `action` `delay` seconds from now."""
        return self.at(self.now + delay, action)

    def run_until(self, instant: float, condition: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass up to and including `instant`, or until `condition` holds; tell whether it does."""
        while not condition():
            if not self._step(instant):
                self.now = max(self.now, instant)
                return condition()
        return True

    def _step(self, limit: float) -> bool:
        """Let the next alarm go off; False when none is due by `limit`."""
        while self._alarms and self._alarms[0].at <= limit:
            alarm = heapq.heappop(self._alarms)
            if alarm.action is not None:
                self.now = alarm.at
                alarm.action()
                return True
        return False
