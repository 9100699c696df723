"""Runs radvd, which sends router advertisements: a child of this process that ends with it, however it ends.

It runs with the privileges of this process: one that gave them up would lose the kernel's promise to end with its parent
(PR_SET_PDEATHSIG of prctl(2)), and could advertise a tunnel that is gone.
"""

import asyncio
import contextlib
import ctypes
import errno
import logging
import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tunnelmgr.host.items import Advertisement
from tunnelmgr.host.linux.running import SEARCH_PATH

_log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_READY_TIMEOUT = 3.0  # seconds
_READY_INTERVAL = 0.01  # seconds between looks for its pid file
_END_TIMEOUT = 3.0  # seconds from SIGTERM to SIGKILL; it sends a last advertisement
_PAUSE_MIN, _PAUSE_MAX = 1.0, 60.0  # seconds before somebody is told that it ended by itself: it may do so at once again
_libc = ctypes.CDLL(None)  # before the fork: afterwards nothing may be loaded


class Radvd:
    """One radvd at most."""

    def __init__(self) -> None:
        self.changed: Callable[[], None] = lambda: None
        """Called a while after it ended by itself."""
        self._process: asyncio.subprocess.Process | None = None
        self._attending: asyncio.Task[None] | None = None
        self._running: Advertisement | None = None
        self.has_died = False
        """True from the moment it ended by itself until it runs again."""
        self._pause = _PAUSE_MIN
        self._last_words = ""

    @property
    def running(self) -> Advertisement | None:
        """What it advertises; None when it does not run."""
        return self._running

    async def run(self, before: Advertisement | None, after: Advertisement | None) -> None:
        """Carry out one change. Raises OSError: ENOENT when radvd is not installed."""
        if after:
            await self._advertise(after)
        elif before:
            await self._stop(before)

    async def _advertise(self, wanted: Advertisement) -> None:
        """Start it, or let it read another configuration."""
        Path(wanted.path).write_text(wanted.config)
        if self._process and self._running:
            self._process.send_signal(signal.SIGHUP)
        else:
            try:
                await self._start(wanted)
            except OSError:
                _remove_files(wanted)
                raise
        self._running, self.has_died = wanted, False

    async def _stop(self, ended: Advertisement) -> None:
        """End it, after its last advertisement, and remove its files. Fine when it does not run."""
        process, self._running, self.has_died = self._process, None, False
        if process and self._attending:
            self._attending.cancel()
            await _end(process)
        self._process = None
        _remove_files(ended)

    async def _start(self, wanted: Advertisement) -> None:
        program = shutil.which("radvd", path=SEARCH_PATH)
        if program is None:
            raise FileNotFoundError(errno.ENOENT, "radvd is missing")
        Path(wanted.pid_file).unlink(missing_ok=True)
        words = ("--nodaemon", "--config", wanted.path, "--pidfile", wanted.pid_file, "--logmethod", "stderr_clean")
        self._process = await asyncio.create_subprocess_exec(
            program,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C meant for us must not stop it
            preexec_fn=partial(_end_with, os.getpid()),
        )
        self._attending = asyncio.create_task(self._attend(self._process))
        await self._until_ready(self._process, Path(wanted.pid_file))

    async def _until_ready(self, process: asyncio.subprocess.Process, pid_file: Path) -> None:
        with contextlib.suppress(TimeoutError):  # then it is slow, and no worse for it
            async with asyncio.timeout(_READY_TIMEOUT):
                while not pid_file.exists():
                    if process.returncode is not None:
                        raise OSError(errno.EINVAL, f"radvd ended with {process.returncode}: {self._last_words}")
                    await asyncio.sleep(_READY_INTERVAL)

    async def _attend(self, process: asyncio.subprocess.Process) -> None:
        """Log what it says; when it ends by itself, say so, ever later when that happens again and again."""
        started = asyncio.get_running_loop().time()
        assert process.stderr  # noqa: S101 - it was asked for
        async for line in process.stderr:
            self._last_words = line.decode(errors="replace").strip()
            _log.info("radvd: %s", self._last_words)
        _log.warning("radvd ended with %s", await process.wait())
        self._process, self._running, self.has_died = None, None, True
        lasted = asyncio.get_running_loop().time() - started
        self._pause = _PAUSE_MIN if lasted > _PAUSE_MAX else min(2 * self._pause, _PAUSE_MAX)
        await asyncio.sleep(self._pause)
        self.changed()


def _remove_files(of: Advertisement) -> None:
    for path in (of.path, of.pid_file):
        Path(path).unlink(missing_ok=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(_END_TIMEOUT):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _end_with(parent: int) -> None:
    """Between fork and exec: be ended when the parent is, with the signal after which radvd takes its leave of the LAN."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # by then nobody hears what it logs
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before
        os._exit(0)
