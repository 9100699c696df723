"""A program that runs a profile with nothing in it: `python -m tests.process.fake_profile HOW SOCKET ENDING [TIMEOUT]`.

HOW is `foreground`, `detached` or `keep`; ENDING says what becomes of it: `up`, `silent`, `refused`, `crash`, `dies` or
`stubborn`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.status import Fact, TunnelStatus
from tunnelmgr.core.condition import BEGUN, UP, Code, Condition, Progress, State
from tunnelmgr.core.running.snapshot import Running, Snapshot
from tunnelmgr.daemon import process
from tunnelmgr.daemon.claim import claim
from tunnelmgr.daemon.detach import up_detached
from tunnelmgr.daemon.logs import log_to_stderr
from tunnelmgr.daemon.readiness import Readiness


class FakeLifecycle:
    """Tells a story and then stays until it is stopped."""

    def __init__(self, name: str, ending: str, on_progress: Callable[[Progress], None]) -> None:
        self._name = name
        self._ending = ending
        self._progress = on_progress
        self._listeners: list[Callable[[Condition], None]] = []
        self._stopping = asyncio.Event()
        self._condition = BEGUN
        self.failure = ExitCode.NO_ANSWER

    async def run(self) -> ExitCode:
        self._progress(Progress("starting", "starting, fake"))
        match self._ending:
            case "up":
                self._progress(Progress("up", "tm-home 2001:db8::1"))
                self._become(UP)
            case "silent":
                self._become(Condition(State.DOWN, Code.DOWN, "no answer from 192.0.2.1:3544 (3 tries)"))
            case "refused":
                raise TunnelError("192.0.2.1 refused", hint="ask its owner", exit_code=ExitCode.REFUSED)
            case "crash":
                raise RuntimeError("a bug")
            case "dies":
                os.kill(os.getpid(), signal.SIGKILL)
        await self._stopping.wait()
        if self._ending == "stubborn":
            await asyncio.sleep(3600)
        return ExitCode.DONE

    def stop(self) -> None:
        self._stopping.set()

    def subscribe(self, callback: Callable[[Condition], None]) -> None:
        self._listeners.append(callback)

    def command(self, name: str, arguments: Mapping[str, Fact]) -> Mapping[str, object]:
        if name == "crash":
            raise RuntimeError("a bug in a plugin")
        return {"name": name, **arguments}

    def snapshot(self) -> Snapshot:
        return Snapshot(
            name=self._name,
            file=f"/profiles/{self._name}.yaml",
            pid=os.getpid(),
            condition=self._condition,
            method="fake",
            role="client",
            since=1.5,
            running=Running("tm-home", TunnelStatus("fake"), addresses=("2001:db8::1",)),
        )

    def _become(self, condition: Condition) -> None:
        self._condition = condition
        for listener in self._listeners:
            listener(condition)


def main() -> int:
    how, path, ending, *timeout = sys.argv[1:]
    held = claim(Path(path))
    begin = partial(FakeLifecycle, Path(path).stem, ending)
    run = partial(process.run, begin, held, Readiness.from_environment(), "the log")
    if how == "foreground":
        log_to_stderr()
        return run().exit_code
    try:
        up_detached(held, run, timeout=float(timeout[0]), keep=how == "keep", log="the log", tell=tell)
    except TunnelError as error:
        print(error)
        return error.exit_code
    return 0


def tell(line: str) -> None:
    print(line, flush=True)  # into a pipe, where Python holds lines back


if __name__ == "__main__":
    sys.exit(main())
