"""Asks the process that runs a profile, over its control socket. Plain blocking sockets, so that `status` starts fast."""

import socket
import struct
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.status import Fact
from tunnelmgr.core.condition import Progress
from tunnelmgr.core.running.snapshot import Snapshot
from tunnelmgr.daemon.constants import REQUEST_TIMEOUT, STOP_TIMEOUT
from tunnelmgr.daemon.messages import Answer, Change, Chapter, Ended, Refusal, Request, Word, parse, serialize


class NotRunningError(TunnelError):
    """No process runs this profile."""


def running(runtime_dir: Path) -> list["ControlClient"]:
    """Return a client for each control socket found, by name; some may prove stale when asked.

    Raises TunnelError where this user may not look: that a tunnel is down would be no more than a guess.
    """
    try:
        paths = [path for path in runtime_dir.iterdir() if path.suffix == ".sock"]
    except FileNotFoundError:
        return []  # nothing has been up since the boot
    except PermissionError as error:
        raise TunnelError(
            f"{runtime_dir}: {error.strerror}; which tunnels are up is told there",
            hint=f"use sudo, or as root: chmod 755 {runtime_dir}",
            exit_code=ExitCode.NO_PERMISSION,
        ) from error
    return [ControlClient(path) for path in sorted(paths)]


class ControlClient:
    """The way to one profile's process. Each question is a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.stem

    def status(self) -> Snapshot:
        """Return how the profile stands. Raises NotRunningError, or TunnelError when the process does not answer."""
        return self._ask(Request(Word.STATUS), REQUEST_TIMEOUT).snapshot()

    def command(self, name: str, arguments: Mapping[str, Fact]) -> Mapping[str, Any]:
        """Run one of the transport's own commands in the process. Raises TunnelError, as the transport does."""
        return self._ask(Request(Word.COMMAND, name, arguments), REQUEST_TIMEOUT).data

    def stop(self) -> None:
        """Ask the process to end and wait until everything is taken back. Raises TunnelError when refused or too slow."""
        self._ask(Request(Word.STOP), STOP_TIMEOUT)

    def follow(self, timeout: float) -> Generator[Chapter, None, None]:
        """Yield the story: the lines so far, the present state, then news. Ends after `Ended`, or `timeout` seconds."""
        with self.connect(timeout) as connection:
            yield from self.story(connection, timeout)

    def story(self, connection: socket.socket, timeout: float) -> Generator[Chapter, None, None]:
        """Do the same on a connection made before: it hears all of the story, even when the process ends soon.

        When the process dies without a word, it has `Ended` with BUG.
        """
        deadline = time.monotonic() + timeout
        _send(connection, Request(Word.FOLLOW))
        for line in _lines(connection, deadline):
            message = parse(line)
            if isinstance(message, Refusal):
                raise message.as_error()
            if isinstance(message, Progress | Change | Ended):
                yield message
            if isinstance(message, Ended):
                return
        if time.monotonic() < deadline:
            yield Ended(ExitCode.BUG, f"the process of {self.name} died", "its log may say why")

    def _ask(self, request: Request, timeout: float) -> Answer:
        with self.connect(timeout) as connection:
            _send(connection, request)
            for line in _lines(connection, time.monotonic() + timeout):
                match parse(line):
                    case Answer() as answer:
                        return answer
                    case Refusal() as refusal:
                        raise refusal.as_error()
        raise TunnelError(
            f"the process of {self.name} did not answer {request.word.value!r} (waited {timeout:g} s at most)",
            hint="try again; if it hangs, kill it and run `tunnelmgr cleanup`",
        )

    def connect(self, timeout: float) -> socket.socket:
        """Return a connection, on which one question can be asked. Raises TunnelError."""
        connection = socket.socket(socket.AF_UNIX)
        # Not settimeout(), which makes the socket non-blocking: connect would not wait for room in the backlog.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(timeout) + 1, 0))
        try:
            connection.connect(str(self.path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            connection.close()
            raise NotRunningError(
                f"{self.name} is not running", hint=f"bring it up: tunnelmgr up {self.name}", exit_code=ExitCode.NOT_UP
            ) from error
        except OSError as error:
            connection.close()
            raise TunnelError(
                f"cannot reach the process of {self.name} at {self.path}: {error.strerror or error}"
            ) from error
        return connection


def _send(connection: socket.socket, request: Request) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it died, or does not serve us: reading will tell
        connection.sendall(serialize(request))


def _lines(connection: socket.socket, deadline: float) -> Iterator[bytes]:
    """Yield whole lines until the other side closes or the deadline passes."""
    pending = b""
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            data = connection.recv(65536)
        except (TimeoutError, ConnectionResetError):
            return
        if not data:
            return
        *lines, pending = (pending + data).split(b"\n")
        yield from lines
