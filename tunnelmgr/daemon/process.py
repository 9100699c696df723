"""Runs one profile in this process: the event loop, signals, readiness and the control socket around it."""

import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Final

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.core.condition import Condition, Progress, State
from tunnelmgr.daemon.claim import Claim
from tunnelmgr.daemon.managed import Begin, Managed
from tunnelmgr.daemon.messages import Change, Ended
from tunnelmgr.daemon.readiness import Readiness
from tunnelmgr.daemon.server import ControlServer
from tunnelmgr.daemon.story import Story

logger = logging.getLogger(__name__)

YOUNG: Final = 2000  # objects made and not freed before the youngest are walked: a millisecond
MIDDLE: Final = 5  # such walks before those that survived one are walked
_NEVER: Final = 1_000_000_000
OLD_INTERVAL: Final = 60.0  # seconds between walks of all that is older
OLD_MAX: Final = 50_000  # pieces of memory more than in the beginning: walking their objects takes one to ten milliseconds

_NAMED: Final = frozenset(signal.Signals)
_ENDING: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGXCPU}
_LEFT: Final = {
    *(signal.SIGKILL, signal.SIGSTOP),  # nobody may catch these
    *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT),  # these stop and continue
    *(signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH),  # these do nothing
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS),  # bugs
}
"""Signals whose ordinary effect is right. All others would kill at once, and leave everything on the host."""


def run(begin: Begin, claim: Claim, readiness: Readiness, log: str) -> Ended:
    """Run a profile until it ends; nothing of it is left then, its claim included. `log` says where its log is."""
    _allow_many_sockets()
    try:
        return asyncio.run(_Process(begin, claim, readiness, log).run())
    finally:
        claim.release()


def _allow_many_sockets() -> None:
    """Lift the soft limit of descriptors, 1024 for the sake of select(): servers hold one for each client over TCP."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Process:
    def __init__(self, begin: Begin, claim: Claim, readiness: Readiness, log: str) -> None:
        self._begin = begin
        self._claim = claim
        self._readiness = readiness
        self._log = log
        self._story = Story()
        self._server: ControlServer | None = None
        self._tidying: asyncio.Task[None] | None = None

    async def run(self) -> Ended:
        ended = await self._managed_to_its_end()
        if ended.exit_code is not ExitCode.DONE:
            logger.error("%s: %s", self._claim.path.stem, "; ".join(filter(None, (ended.reason, ended.hint))))
        # Before the end is told: whoever waits for it may claim the profile at once.
        self._claim.release()
        self._story.tell(ended)
        if self._server:
            await self._server.close()
        return ended

    async def _managed_to_its_end(self) -> Ended:
        try:
            managed = self._begin(self._progress)
            self._server = ControlServer(managed, self._story, self._log, self._claim.socket)
            self._story.tell(Change(managed.snapshot().condition, managed.failure))
            managed.subscribe(lambda condition: self._changed(managed, condition))
            running = asyncio.create_task(managed.run())
            _obey_signals(managed, running, self._readiness)
            exit_code = await running
        except TunnelError as error:
            if error.exit_code is ExitCode.BUG:
                logger.exception("this is a bug")
            return Ended(error.exit_code, error.message, error.hint)
        except OSError as error:
            logger.exception("this host refused something")
            refused = TunnelError.of_host(error)
            return Ended(refused.exit_code, refused.message, refused.hint)
        except asyncio.CancelledError:
            return Ended(ExitCode.FAILED, "ended in a hurry", "run `tunnelmgr cleanup`")
        except Exception as error:
            logger.exception("this is a bug")
            return Ended(ExitCode.BUG, f"internal error: {error!r}", "please report it, with the log")
        if exit_code is ExitCode.DONE:
            return Ended(exit_code)
        condition = managed.snapshot().condition
        return Ended(exit_code, condition.reason, condition.hint)

    def _progress(self, progress: Progress) -> None:
        self._story.tell(progress)
        logger.info("%s: %s", self._claim.path.stem, progress.text)

    def _changed(self, managed: Managed, condition: Condition) -> None:
        self._story.tell(Change(condition, managed.failure))
        self._readiness.status(f"{condition.state.value}: {condition.reason}" if condition.reason else condition.state.value)
        if condition.state is State.UP:
            self._readiness.ready()
            if self._tidying is None:  # all is imported
                self._tidying = asyncio.create_task(keep_pauses_short())


def _obey_signals(managed: Managed, running: "asyncio.Task[ExitCode]", readiness: Readiness) -> None:
    """The first signal that ends does so in good order, the second in a hurry, the third at once. Others change nothing."""
    urgency = iter((managed.stop, running.cancel))

    def obey(number: signal.Signals) -> None:
        step: Callable[[], object] | None = next(urgency, None)
        if step is None:
            os._exit(128 + number)
        readiness.stopping()
        step()

    def stay(number: int) -> None:
        logger.info(
            "%s changes nothing: `tunnelmgr down` ends a tunnel, and `up` after it reads the profile anew",
            signal.Signals(number).name if number in _NAMED else f"signal {number}",
        )

    loop = asyncio.get_running_loop()
    for number in signal.valid_signals() - _LEFT:
        if number in _ENDING:
            loop.add_signal_handler(number, obey, number)
        elif signal.getsignal(number) is signal.SIG_DFL:
            loop.add_signal_handler(number, stay, number)


async def keep_pauses_short() -> None:
    """Keep the pauses of Python's cycle collector short, for ever: packets wait while it runs.

    A full collection walks every object there is. With a hundred thousand clients of a relay it takes most of a second,
    and Python makes one whenever their number has grown by a quarter. So what is there at the beginning is never walked. The
    younger generations find nearly all cycles and are walked often, so that each walk is short. What has survived those is
    walked only while it is little. A server of many keeps the cycles that grow old, and so nothing that strangers make
    come and go may be one: connections are none (`core.driving.streams`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, _NEVER)
    beginning = sys.getallocatedblocks()
    while True:
        await asyncio.sleep(OLD_INTERVAL)
        if sys.getallocatedblocks() - beginning <= OLD_MAX:  # counting the objects would itself take as long as a walk
            gc.collect()
