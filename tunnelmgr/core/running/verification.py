"""Proves, and goes on proving, that packets flow through one tunnel: what `proof` decides, done with timers and probes."""

import asyncio
import contextlib
from collections.abc import Callable
from ipaddress import IPv6Address
from random import Random

from tunnelmgr.core.driving.traffic import Traffic
from tunnelmgr.core.running.probe import Prober, ProbeResult
from tunnelmgr.core.running.proof import Phase, Proof


class Verification:
    """Runs from `begin` to `end`, as often as the tunnel comes up."""

    def __init__(
        self, device: str, prober: Prober, traffic: Callable[[], Traffic], on_news: Callable[[], None], random: Random
    ) -> None:
        """`traffic` counts what passes the tunnel. `on_news`: `proof` or `latest` say something worth telling."""
        self._loop = asyncio.get_running_loop()
        self._device = device
        self._prober = prober
        self._traffic = traffic
        self._on_news = on_news
        self.proof = Proof(random)
        self.latest: ProbeResult | OSError | None = None
        """What came of the last round of probes, or why they could not be sent; None before, and without targets."""
        self._source = IPv6Address(0)
        self._targets: tuple[IPv6Address, ...] = ()
        self._untold = False
        """True until the tunnel of the last `begin` is proven and told to be."""
        self._running: asyncio.Task[None] | None = None

    def begin(self, source: IPv6Address, targets: tuple[IPv6Address, ...]) -> None:
        """The tunnel is up, with this address. Without targets it is believed."""
        self._source, self._targets, self._untold = source, targets, True
        self.proof.configured(self._loop.time(), askable=bool(targets))
        if not (targets and self.proof.carries):  # what carries is as well proven as before
            self.latest = None
        if self.proof.phase is Phase.HELD and not targets:
            self._tell()
        self._restart()

    def doubt(self, delay: float) -> None:
        """Ask in `delay` seconds: something happened after which packets may not flow any more."""
        if self.proof.phase is Phase.PROVEN:
            self.proof.doubt(self._loop.time(), delay)
            self._restart()

    def end(self) -> None:
        """The tunnel is not up any more."""
        self.proof.gone(self._loop.time())
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
                if pace := self.proof.pace(self._loop.time()):
                    asking = asyncio.create_task(self._prober(self._device, self._source, self._targets, pace))
                elif asking is None and self.proof.phase is Phase.PROVEN and self._untold:
                    self._tell()  # without probes: no target, or traffic has answered
                await self._wait(asking)
                if asking is not None and asking.done():
                    self._take(asking)
                    asking = None
                elif self._targets:
                    self._count()
                    if asking is not None and self.proof.phase is Phase.PROVEN:
                        asking.cancel()  # traffic has answered
                        asking = None
                self.proof.handle_timeout(self._loop.time())
        finally:
            if asking is not None:
                asking.cancel()

    async def _wait(self, asking: "asyncio.Task[ProbeResult] | None") -> None:
        now = self._loop.time()
        wake_at = self.proof.next_timeout(now)
        timeout = None if wake_at is None else max(0.0, wake_at - now)
        if asking is not None:
            await asyncio.wait({asking}, timeout=timeout)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await asyncio.Event().wait()

    def _count(self) -> None:
        passed = self._traffic()
        self.proof.counted(passed.packets_sent, passed.packets_received, self._loop.time())

    def _take(self, asked: "asyncio.Task[ProbeResult]") -> None:
        """Tell the proof what a round of probes brought.

        An answer is news only if it changes what the tunnel may be used for. A loss always is: it may have another reason.
        """
        before = self.proof.passes, self.proof.carries
        try:
            self.latest = asked.result()
        except OSError as error:
            self.latest = error
        passed, now = self._traffic(), self._loop.time()
        if isinstance(self.latest, OSError) or not self.latest.answered:
            self.proof.unanswered(now)
            self._tell()
            return
        self.proof.answered(passed.packets_sent, passed.packets_received, now)
        if before != (self.proof.passes, self.proof.carries) or (self._untold and self.proof.carries):
            self._tell()

    def _tell(self) -> None:
        self._untold = self._untold and not self.proof.carries
        self._on_news()
