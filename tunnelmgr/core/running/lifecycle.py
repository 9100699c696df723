"""The life of one profile: claim its name, run its methods, say how it stands, leave nothing behind.

Two tasks run side by side. One runs a method until it ends, then the next. The other steers: it looks at the network and at
the clock, and stops the running method when another one shall have its turn. `Preference` makes the choice for both.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Mapping
from random import SystemRandom
from typing import Any, Final

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Event
from tunnelmgr.api.status import Fact
from tunnelmgr.core.choosing.choice import is_the_only_one
from tunnelmgr.core.choosing.preference import Leaving, Preference
from tunnelmgr.core.choosing.scout import Detect, Scout
from tunnelmgr.core.condition import BEGUN, Code, Condition, Progress, State
from tunnelmgr.core.driving.memory import Memory
from tunnelmgr.core.profiles.profile import Method, Profile
from tunnelmgr.core.running.backoff import Backoff
from tunnelmgr.core.running.lan import Lan, unique_local_prefix
from tunnelmgr.core.running.method_run import Listener, MethodRun
from tunnelmgr.core.running.probe import Prober, probe
from tunnelmgr.core.running.snapshot import Snapshot
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.host.apply import Configurator
from tunnelmgr.host.disturbance import ContestedError
from tunnelmgr.host.interface import Host
from tunnelmgr.host.journal import Journal

SETTLING: Final = 1.0  # seconds from a change of the network to a look at it: changes come in swarms
STANDING_BACK: Final = 300.0  # seconds, where others take away again and again what a tunnel needs
WATCH_AGAIN: Final = 5.0  # seconds until the network is watched again after that failed

ConditionListener = Callable[[Condition], None]


class Lifecycle:
    """Brings a profile up and keeps it up. Make and run it once, on one event loop."""

    def __init__(
        self,
        profile: Profile,
        host: Host,
        runtime: Runtime,
        on_progress: Callable[[Progress], None],
        on_event: Callable[[Event], None] = lambda _: None,
        prober: Prober = probe,
        detect: Detect | None = None,
        *,
        patient: bool = False,
    ) -> None:
        """`on_progress` hears the story of the start; `on_event` every event of the Tunnel, for plugins that listen.

        `patient`: where nothing suits or works from the beginning, wait for another network; else that ends it.

        `detect` is asked when addresses and routes do not tell which method to take, and before a method that carries is
        given up for a better one.
        """
        self._profile = profile
        self._host = host
        self._runtime = runtime
        self._on_progress = on_progress
        self._on_event = on_event
        self._prober = prober
        self._patient = patient
        self._loop = asyncio.get_running_loop()
        self._preference = Preference(profile.methods)
        self._scout = Scout(profile, host, detect, self._progress)
        self._refusals: dict[int, str] = {}
        """What the user was told of methods that do not suit."""
        self._news = asyncio.Event()
        """Something happened that may decide which method shall run."""
        self._moved_at: float | None = None
        """When the network changed first since the last look at it."""
        self._subscribers: list[ConditionListener] = []
        self._method: Method = profile.methods[0]
        self._run: MethodRun | None = None
        self._backoff = Backoff(SystemRandom())
        self._stopping = asyncio.Event()
        self._condition = BEGUN
        self._failure = ExitCode.NO_ANSWER
        self._since = self._loop.time()
        self._memory = Memory(runtime.memory(profile.name))
        unique_local = unique_local_prefix(self._memory, SystemRandom()) if profile.lan.may_translate else None
        self._lan = Lan(profile.lan, unique_local, runtime.radvd(profile.name))

    async def run(self) -> ExitCode:
        """Bring the profile up and keep it up until `stop`; return DONE.

        Raises TunnelError for what ends it: another process runs the profile, this host cannot do it, or every method
        failed for good; without patience also when nothing suits or works from the beginning. Nothing is left behind.
        """
        journal = Journal.take(self._runtime.journal(self._profile.name))
        try:
            configurator = Configurator(self._host, journal)
            await configurator.clear()
            watching = asyncio.create_task(_watch(self._host, self._network_changed, self._progress))
            try:
                await self._live(configurator)
                await configurator.clear()  # again what could not be taken back: nobody says "down" while it stays
            finally:
                watching.cancel()
        finally:
            journal.close()
            await self._host.close()
        return ExitCode.DONE

    def stop(self) -> None:
        """Make `run` take everything back and return. Doing it twice is fine."""
        self._stopping.set()
        if self._run:
            self._run.stop()

    def subscribe(self, listener: ConditionListener) -> None:
        """Call `listener` with each new condition."""
        self._subscribers.append(listener)

    def command(self, name: str, arguments: Mapping[str, Fact]) -> Mapping[str, object]:
        """Run one of the transport's own commands on the running tunnel. Raises TunnelError."""
        if self._run is None:
            raise TunnelError(f"{self._profile.name} is {self._condition.state.value}", hint="try again when it is up")
        return self._run.command(name, arguments)

    @property
    def failure(self) -> ExitCode:
        """What to end with when the profile is not up in time."""
        return self._run.failure if self._run else self._failure

    async def _live(self, configurator: Configurator) -> None:
        """Run the preferred method for as long as it is preferred, then the next."""
        await self._unless_stopped(self._look())
        while not self._stopping.is_set():
            number = self._preference.choose(self._loop.time())
            if number is not None:
                await self._try(number, configurator)
            else:
                self._nothing_suits()
                await self._unless_stopped(self._rest())

    async def _try(self, number: int, configurator: Configurator) -> None:
        """Run one method until it fails, gives way, or everything ends.

        Raises its failure when no other method follows, and this one can never work or `up` does not wait.
        """
        self._preference.began(number, self._loop.time())
        try:
            leaving = await self._run_method(self._profile.methods[number], configurator)
        except ContestedError as error:
            await self._stand_back(error)
        except TunnelError as error:
            self._note_failure(number, error)
            hopeless = _is_final(error) and self._stands_alone(number)
            if not self._follows(number) and (hopeless or not self._waits):
                raise
        else:
            if leaving is None:
                return
            if not leaving.failed:
                self._progress("leaving", f"{self._profile.methods[number].type} gives way: {leaving.reason}")
                return
            self._note_failure(number, TunnelError(leaving.reason, exit_code=self._failure))
        # All have had their turn. Without a pause, methods that fail at once would follow each other as fast as they can.
        if not self._follows(number):
            await self._unless_stopped(self._rest())

    async def _stand_back(self, error: ContestedError) -> None:
        """Leave this host to whoever does not want the tunnel there. No other method would fare better."""
        if not self._waits:
            raise error
        self._stands(Condition(State.DOWN, Code.CONTESTED, error.message, error.hint))
        await self._unless_stopped(asyncio.sleep(STANDING_BACK))
        self._stands(Condition(State.STARTING, reason="trying again"))

    @property
    def _waits(self) -> bool:
        """True if the profile waits for another network when nothing works. What has carried once may carry again."""
        return self._preference.has_carried or self._patient

    def _note_failure(self, number: int, error: TunnelError) -> None:
        self._failure = error.exit_code
        self._preference.failed(number, error, self._loop.time())
        successor = self._follows(number)
        if successor is None:
            self._stands(Condition(State.DOWN, Code.DOWN, error.message, error.hint))
        else:
            self._progress("failed", f"{self._profile.methods[number].type}: {error}; trying {successor}")

    def _follows(self, number: int) -> str | None:
        """Return the type of the other method to try at once; None where all have had their turn."""
        now = self._loop.time()
        successor = self._preference.choose(now)
        if successor in {None, number} or self._preference.is_held(successor, now):
            return None
        return self._profile.methods[successor].type

    def _stands_alone(self, number: int) -> bool:
        """True if no other method may be tried on this network."""
        return self._preference.choose(self._loop.time()) in {None, number}

    async def _run_method(self, method: Method, configurator: Configurator) -> Leaving | None:
        """Return why it gave way; None when everything shall end. Raises TunnelError when it failed."""
        self._method = method
        self._progress("starting", f"starting, {method.type}, {method.transport.describe()}")
        if self._preference.has_carried:  # before, `up` is still told why the method before this one failed
            self._stands(BEGUN)
        listener = Listener(self._heard, self._on_progress, self._on_event, resumed=self._moved)
        run = MethodRun(self._profile, method, self._host, configurator, self._memory, listener, self._prober, self._lan)
        self._run = run
        steering = asyncio.create_task(self._steer())
        steering.add_done_callback(lambda _: run.stop())
        try:
            await run.run()
            return steering.result() if steering.done() else None
        finally:
            steering.cancel()  # a method that failed by itself leaves nothing to steer
            self._failure = run.failure
            self._run = None
            self._preference.ended()

    async def _steer(self) -> Leaving:
        """Return when the running method shall give way, with the reason."""
        while True:
            self._news.clear()
            now = self._loop.time()
            if self._preference.look_due(now) or (self._moved_at is not None and now >= self._moved_at + SETTLING):
                await self._look()
                now = self._loop.time()
            if leaving := self._preference.leaving(now):
                return leaving
            await self._news_or(self._preference.next_timeout(now))

    async def _news_or(self, instant: float | None) -> None:
        """Wait for news until this instant at most, or until a changed network has settled."""
        instants = [instant, None if self._moved_at is None else self._moved_at + SETTLING]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(min((one for one in instants if one is not None), default=None)):
                await self._news.wait()

    async def _look(self) -> None:
        """Judge the methods by the network as it is."""
        self._moved_at = None
        if is_the_only_one(self._profile.methods):
            return
        survey = await self._scout.look(closer=self._preference.look_due(self._loop.time()))
        judged = self._preference.looked(survey, self._loop.time())
        refusals = {number: one.reason for number, one in enumerate(judged) if one.suits is False}
        for number, reason in refusals.items():
            if self._refusals.get(number) != reason:
                self._progress("refused", f"{self._profile.methods[number].type} does not suit: {reason}")
        self._refusals = refusals

    def _nothing_suits(self) -> None:
        """Say so, or raise it as a TunnelError where the profile does not wait for another network."""
        listed = [f"{one.method}: {one.reason}" for one in self._preference.statuses(self._loop.time())]
        network = self._host.surroundings().network
        error = TunnelError(
            f"no method of {self._profile.file} suits this network: {'; '.join(listed)}",
            hint="add a method that does, or change `when:`" if network.source else "connect it to a network",
            exit_code=ExitCode.NO_ANSWER,
        )
        if not self._waits:
            raise error
        self._stands(Condition(State.DOWN, Code.NOTHING_SUITS, error.message, error.hint))

    async def _rest(self) -> None:
        """Wait before all methods are tried again: longer each time, and no longer than until the network changes."""
        self._news.clear()
        await self._news_or(self._loop.time() + self._backoff.next_delay())
        if self._moved_at is not None:
            self._backoff.reset()
            await asyncio.sleep(SETTLING)
        await self._look()
        self._stands(Condition(State.STARTING, reason="trying again"))

    def _network_changed(self) -> None:
        """Pass a change on. It may be only that of our own device, which is no reason to judge the methods anew."""
        if self._run is not None:
            self._run.network_changed()
        if self._scout.network_is_new():
            self._moved()

    def _moved(self) -> None:
        if self._moved_at is None:
            self._moved_at = self._loop.time()
        self._news.set()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this work; cancel it as soon as everything shall end."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        elif not self._stopping.is_set():
            working.result()

    def _heard(self, condition: Condition) -> None:
        """Take what the running method says. It decides on fail-over too."""
        self._preference.stands(condition, self._loop.time())
        if condition.state is State.UP:
            self._backoff.reset()
        self._stands(condition)

    def _stands(self, condition: Condition) -> None:
        if condition.state is not self._condition.state:
            self._since = self._loop.time()
        self._condition = condition
        self._news.set()
        for listener in self._subscribers:
            listener(condition)

    def _progress(self, code: str, text: str) -> None:
        self._on_progress(Progress(code, text))

    def snapshot(self) -> Snapshot:
        """Return how the profile stands at this moment."""
        return Snapshot(
            name=self._profile.name,
            file=str(self._profile.file),
            pid=os.getpid(),
            condition=self._condition,
            since=self._loop.time() - self._since,
            method=self._method.type,
            role=self._method.role,
            methods=self._preference.statuses(self._loop.time()),
            running=self._run.running() if self._run else None,
            inbound=self._profile.firewall.inbound.value,
            log=str(self._runtime.log(self._profile.name)),
        )


async def _watch(host: Host, changed: Callable[[], None], progress: Callable[[str, str], None]) -> None:
    """Follow changes of the network, and of what is ours on this host, until cancelled."""
    while True:
        try:
            await host.watch(changed)
        except* OSError as failures:
            progress("unwatched", f"cannot watch the network: {failures.exceptions[0]}; trying again")
        await asyncio.sleep(WATCH_AGAIN)


def _is_final(error: TunnelError) -> bool:
    return error.exit_code.permanent or error.exit_code is ExitCode.BUG
