"""Simulated time: it stands still while anything happens, and jumps to whatever is due next."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

WAKES_MAX = 1000  # alarms at one instant before a Tunnel is held to be in a loop

Action = Callable[[], object]


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


class HostClock:
    """The monotonic clock of one host, which stands still while the host sleeps, with the one alarm its Tunnel sets."""

    def __init__(self, clock: Clock, host: str) -> None:
        self._clock = clock
        self._host = host
        self._slept = 0.0
        self._asleep_at: float | None = None
        self._alarm: Alarm | None = None
        self._rings = (-1.0, 0)  # the latest instant it went off at, and how often

    @property
    def asleep(self) -> bool:
        return self._asleep_at is not None

    def now(self) -> float:
        return self._clock.now - self._slept

    def wake_at(self, instant: float | None, action: Action) -> None:
        """Set the alarm in place of an earlier one; None sets none."""
        self._silence()
        self._alarm = None if instant is None else self._clock.at(instant + self._slept, lambda: self._ring(action))

    def fall_asleep(self) -> None:
        self._asleep_at = self._clock.now
        self._silence()

    def awake(self) -> None:
        if self._asleep_at is not None:
            self._slept += self._clock.now - self._asleep_at
        self._asleep_at = None

    def _silence(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()

    def _ring(self, action: Action) -> None:
        now = self._clock.now
        instant, count = self._rings
        self._rings = (now, count + 1 if instant == now else 0)
        if count >= WAKES_MAX:
            raise RuntimeError(f"{self._host} was woken {count} times at {now} s: its next timeout does not move on")
        action()
