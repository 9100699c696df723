"""The life of one profile: claim its name, run its methods, say how it stands, leave nothing behind."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from random import SystemRandom
from typing import Final

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Event
from tunnelmgr.api.network import Network
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.status import Fact, TunnelStatus
from tunnelmgr.core.backoff import Backoff
from tunnelmgr.core.choice import choose, judge, report_on
from tunnelmgr.core.lan import Lan, unique_local_prefix
from tunnelmgr.core.memory import Memory
from tunnelmgr.core.probe import Prober, probe
from tunnelmgr.core.profile import DatapathWish, Method, Profile
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.core.session import Listener, NotInTimeError, Session, has_default_route
from tunnelmgr.core.snapshot import Progress, Snapshot, State, Traffic
from tunnelmgr.host.apply import Configurator
from tunnelmgr.host.interface import Host
from tunnelmgr.host.journal import Journal

ONLY_PLAIN: Final = "this version carries packets by the plain path only"

TRIAL_TIMEOUT: Final = 15.0
"""Seconds a method of several may go without carrying packets before the next has its turn: more than the 12 s after which
a Teredo client knows that its server is silent."""

StateListener = Callable[[State, str], None]
Detect = Callable[[Profile, Network], Awaitable[NetworkReport]]
"""Asks whom the profile names what kind of network this is: `tunnelmgr.detect.running.report`, or what stands in for it."""


class Lifecycle:
    """Brings a profile up and keeps it up. Made and run once, on one event loop."""

    def __init__(
        self,
        profile: Profile,
        host: Host,
        runtime: Runtime,
        on_progress: Callable[[Progress], None],
        on_event: Callable[[Event], None] = lambda _: None,
        prober: Prober = probe,
        trial_timeout: float = TRIAL_TIMEOUT,
        detect: Detect | None = None,
    ) -> None:
        """`on_progress` hears the story of the start; `on_event` every event of the Tunnel, for plugins that listen.

        `detect` is asked when the profile's conditions want to know what addresses and routes do not tell.
        """
        self._profile = profile
        self._host = host
        self._runtime = runtime
        self._on_progress = on_progress
        self._on_event = on_event
        self._prober = prober
        self._trial_timeout = trial_timeout
        self._detect = detect
        self._subscribers: list[StateListener] = []
        self._method: Method = profile.methods[0]
        self._session: Session | None = None
        self._backoff = Backoff(SystemRandom())
        self._stopping = asyncio.Event()
        self._state = State.STARTING
        self._reason = "no answer yet"
        self._hint = ""
        self._since = asyncio.get_running_loop().time()
        self._been_up = False
        self._memory = Memory(runtime.memory(profile.name))
        unique_local = unique_local_prefix(self._memory, SystemRandom()) if profile.lan.may_translate else None
        self._lan = Lan(profile.lan, unique_local, runtime.radvd(profile.name))

    async def run(self) -> ExitCode:
        """Bring the profile up and keep it up until `stop`; return DONE.

        Raises TunnelError for what ends it: another process runs the profile, this host cannot do it, or every method
        failed for good. Nothing is left behind either way. A host that fails after the tunnel was up is tried again.
        """
        _require_available(self._profile)
        journal = Journal.take(self._runtime.journal(self._profile.name))
        try:
            configurator = Configurator(self._host, journal)
            await configurator.recover()
            while not self._stopping.is_set():
                await self._try_methods(configurator)
        finally:
            journal.close()
            await self._host.close()
        return ExitCode.DONE

    def stop(self) -> None:
        """Make `run` take everything back and return. Doing it twice is fine."""
        self._stopping.set()
        if self._session:
            self._session.stop()

    def subscribe(self, listener: StateListener) -> None:
        """Call `listener` with each new state and its reason."""
        self._subscribers.append(listener)

    def command(self, name: str, arguments: Mapping[str, Fact]) -> Mapping[str, object]:
        """Run one of the transport's own commands on the running tunnel. Raises TunnelError."""
        if self._session is None:
            raise TunnelError(f"{self._profile.name} is {self._state.value}", hint="try again when it is up")
        return self._session.command(name, arguments)

    @property
    def failure(self) -> ExitCode:
        """What to end with when the profile is not up in time."""
        return self._session.failure if self._session else ExitCode.NO_ANSWER

    async def _try_methods(self, configurator: Configurator) -> None:
        """Run the methods that may suit this network, in order, each as long as packets flow; then wait, or give up.

        Raises the last failure when no method can work here, or none did before the first time the profile was up.
        """
        methods = await self._suitable()
        if self._stopping.is_set():
            return
        patience = self._trial_timeout if len(methods) > 1 else None
        for number, method in enumerate(methods, 1):
            try:
                await self._run_method(method, configurator, patience)
            except TunnelError as error:
                if number < len(methods):
                    self._progress("failed", f"{method.type}: {error}; trying {methods[number].type}")
                elif not isinstance(error, NotInTimeError) and (not self._been_up or _is_final(error)):
                    raise
                else:
                    self._set_state(State.DOWN, error.message, error.hint)
                    await self._pause()
            if self._stopping.is_set():
                return

    async def _suitable(self) -> list[Method]:
        """Return the methods to try. One that stands alone and without a condition is what the user wants, here too."""
        if len(self._profile.methods) == 1 and self._profile.methods[0].when is None:
            return list(self._profile.methods)
        chosen, refused = choose(self._profile.methods, await self._report())
        for judgement in refused:
            self._progress("refused", f"{judgement.method.type} does not suit: {judgement.reason}")
        if not chosen:
            reasons = "; ".join(f"{judgement.method.type}: {judgement.reason}" for judgement in refused)
            raise TunnelError(
                f"no method of {self._profile.file} suits this network: {reasons}",
                hint="add a method that does, or change `when:`",
                exit_code=ExitCode.NO_ANSWER,
            )
        return [judgement.method for judgement in chosen]

    async def _report(self) -> NetworkReport:
        """Return what this host knows of its network; only when that does not answer every condition, look closer."""
        network = self._host.network()
        known = report_on(network)
        if self._detect is None or all(judge(method, known).suits is not None for method in self._profile.methods):
            return known
        self._progress("detecting", "looking at the network, since `when:` asks what this host does not know by itself")
        looking = asyncio.ensure_future(self._detect(self._profile, network))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({looking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return known if self._stopping.is_set() else await looking
        finally:
            for task in (looking, stopping):
                task.cancel()
            await asyncio.gather(looking, stopping, return_exceptions=True)

    async def _run_method(self, method: Method, configurator: Configurator, patience: float | None) -> None:
        self._method = method
        listener = Listener(self._set_state, self._on_progress, self._on_event)
        self._progress("starting", f"starting, {method.type}, {method.transport.describe()}")
        self._session = Session(
            self._profile, method, self._host, configurator, self._memory, listener, self._prober, self._lan, patience
        )
        try:
            await self._session.run()
        finally:
            self._session = None

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._backoff.next_delay()):
                await self._stopping.wait()
        except TimeoutError:
            self._set_state(State.STARTING, "trying again", "")

    def _set_state(self, state: State, reason: str, hint: str) -> None:
        if state is not self._state:
            self._since = asyncio.get_running_loop().time()
        self._state, self._reason, self._hint = state, reason, hint
        if state is State.UP:
            self._been_up = True
            self._backoff.reset()
        for listener in self._subscribers:
            listener(state, reason)

    def _progress(self, code: str, text: str) -> None:
        self._on_progress(Progress(code, text))

    def snapshot(self) -> Snapshot:
        """Return how the profile stands at this moment."""
        session = self._session
        status = session.status() if session else TunnelStatus("not running")
        device = session.device if session else None
        return Snapshot(
            name=self._profile.name,
            file=str(self._profile.file),
            pid=os.getpid(),
            state=self._state,
            reason=self._reason,
            hint=self._hint,
            method=self._method.type,
            role=self._method.role,
            device=self._profile.device if session else None,
            since=asyncio.get_running_loop().time() - self._since,
            addresses=tuple(str(interface.ip) for interface in device.addresses) if device else (),
            mtu=device.mtu if device else None,
            default_route=device is not None and has_default_route(device),
            inbound=self._profile.firewall.inbound.value,
            verified=session.verified if session else "",
            datapath="plain",
            datapath_reason=ONLY_PLAIN,
            protocol_state=status.state,
            facts=status.facts,
            peers=status.peers,
            peers_total=status.peers_total,
            counters=status.counters,
            traffic=session.traffic() if session else Traffic(),
            sockets=session.outer_sockets() if session else (),
            lan=session.lan if session else (),
            log=str(self._runtime.log(self._profile.name)),
        )


def _is_final(error: TunnelError) -> bool:
    return error.exit_code.permanent or error.exit_code is ExitCode.BUG


def _require_available(profile: Profile) -> None:
    """Refuse what a profile may ask and this version cannot do, rather than leave it out silently."""
    if profile.datapath not in {DatapathWish.AUTO, DatapathWish.PLAIN}:
        raise TunnelError(
            f"{profile.file}: datapath {profile.datapath.value} is not to be had: {ONLY_PLAIN}",
            hint="write `datapath: auto`, which takes the fastest there is",
            exit_code=ExitCode.INVALID,
        )
