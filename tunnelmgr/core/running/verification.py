"""Proves, and goes on proving, that packets flow through one tunnel: what `proof` decides, done with timers and probes."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address
from random import Random

from tunnelmgr.core.running.probe import Prober, ProbeResult
from tunnelmgr.core.running.proof import Phase, Proof
from tunnelmgr.core.running.snapshot import Traffic


class Finding(Enum):
    """What is new."""

    PROVEN = "proven"
    """Packets flow, or nobody can tell."""
    UNANSWERED = "unanswered"
    """Nobody answers: packets do not flow yet, or not any more."""
    HELD = "held"
    """They flow again, and it is too early to rely on it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding, with what it rests on."""

    finding: Finding
    result: ProbeResult | None = None
    """None where nobody can be asked."""
    error: OSError | None = None
    """Why probes could not be sent."""
    held: float = 0.0
    """Seconds until it is relied on again."""


class Verification:
    """Runs from `begin` to `end`, as often as the tunnel comes up."""

    def __init__(
        self, device: str, prober: Prober, traffic: Callable[[], Traffic], tell: Callable[[Verdict], None], random: Random
    ) -> None:
        """`traffic` counts what passes the tunnel, `tell` hears verdicts."""
        self._loop = asyncio.get_running_loop()
        self._device = device
        self._prober = prober
        self._traffic = traffic
        self._tell = tell
        self._proof = Proof(random)
        self._source = IPv6Address(0)
        self._targets: tuple[IPv6Address, ...] = ()
        self._untold = False
        """Whether nobody heard yet that the tunnel of the last `begin` is proven."""
        self._running: asyncio.Task[None] | None = None

    def begin(self, source: IPv6Address, targets: tuple[IPv6Address, ...]) -> None:
        """The tunnel is up, with this address. Without targets it is believed."""
        self._source, self._targets, self._untold = source, targets, True
        now = self._loop.time()
        self._proof.configured(now, askable=bool(targets))
        if self._proof.phase is Phase.LOST and not targets:
            self._say(self._held(None, now))
        self._restart()

    def doubt(self, delay: float) -> None:
        """Ask in `delay` seconds: something happened after which packets may not flow any more."""
        if self._proof.phase is Phase.PROVEN:
            self._proof.doubt(self._loop.time(), delay)
            self._restart()

    def end(self) -> None:
        """The tunnel is not up any more."""
        self._proof.gone(self._loop.time())
        self._cancel()

    def _restart(self) -> None:
        self._cancel()
        self._running = asyncio.create_task(self._run())

    def _cancel(self) -> None:
        if self._running is not None:
            self._running.cancel()
            self._running = None

    async def _run(self) -> None:
        asking: asyncio.Task[ProbeResult] | None = None
        try:
            while True:
                if pace := self._proof.pace(self._loop.time()):
                    asking = asyncio.create_task(self._prober(self._device, self._source, self._targets, pace))
                elif asking is None and self._proof.phase is Phase.PROVEN and self._untold:
                    self._say(Verdict(Finding.PROVEN))  # nobody can be asked
                await self._wait(asking)
                if asking is not None and asking.done():
                    self._hear(asking)
                    asking = None
                elif self._targets:
                    self._count()
                    if asking is not None and self._proof.phase is Phase.PROVEN:
                        asking.cancel()  # traffic has answered
                        asking = None
                self._proof.handle_timeout(self._loop.time())
        finally:
            if asking is not None:
                asking.cancel()

    async def _wait(self, asking: "asyncio.Task[ProbeResult] | None") -> None:
        now = self._loop.time()
        wake_at = self._proof.next_timeout(now)
        timeout = None if wake_at is None else max(0.0, wake_at - now)
        if asking is not None:
            await asyncio.wait({asking}, timeout=timeout)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await asyncio.Event().wait()

    def _count(self) -> None:
        passed = self._traffic()
        self._proof.counted(passed.packets_sent, passed.packets_received, self._loop.time())

    def _hear(self, asked: "asyncio.Task[ProbeResult]") -> None:
        carried = self._proof.carries
        try:
            result = asked.result()
        except OSError as error:
            self._proof.unanswered(self._loop.time())
            self._say(Verdict(Finding.UNANSWERED, error=error))
            return
        passed = self._traffic()
        now = self._loop.time()
        if not result.answered:
            self._proof.unanswered(now)
            self._say(Verdict(Finding.UNANSWERED, result))
            return
        self._proof.answered(passed.packets_sent, passed.packets_received, now)
        if self._proof.carries and (self._untold or not carried):
            self._say(Verdict(Finding.PROVEN, result))
        elif not self._proof.carries:
            self._say(self._held(result, now))

    def _held(self, result: ProbeResult | None, now: float) -> Verdict:
        return Verdict(Finding.HELD, result, held=(self._proof.held_until or now) - now)

    def _say(self, verdict: Verdict) -> None:
        self._untold = self._untold and verdict.finding is not Finding.PROVEN
        self._tell(verdict)
