"""The control socket's serving end: one request a connection. Reading is for everyone, changing for root and the owner."""

import asyncio
import logging
import os
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import replace

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.plain import as_plain
from tunnelmgr.core.driving.streams import Acceptor
from tunnelmgr.daemon.constants import CLOSE_TIMEOUT, REQUEST_MAX, REQUEST_TIMEOUT, STRANGER_CONNECTIONS_MAX
from tunnelmgr.daemon.managed import Managed
from tunnelmgr.daemon.messages import Answer, Ended, Message, Refusal, Request, Word, parse, serialize
from tunnelmgr.daemon.story import Story

logger = logging.getLogger(__name__)

_UCRED = struct.Struct("3i")  # pid, uid, gid: struct ucred of socket(7)


class ControlServer:
    """Answers for one managed profile."""

    def __init__(self, managed: Managed, story: Story, log: str, listening: socket.socket) -> None:
        """Serve on a listening unix socket, which stays the caller's."""
        self._managed = managed
        self._story = story
        self._log = log
        self._strangers = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._acceptor = Acceptor(listening.dup(), self._accepted)

    async def close(self) -> None:
        """Stop serving; who waits for the end of the story gets it first, and so does who has just connected."""
        self._acceptor.accept_waiting()
        self._acceptor.close()
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=CLOSE_TIMEOUT)
            for connection in late:
                connection.cancel()

    def _accepted(self, connection: socket.socket, _: str) -> None:
        task = asyncio.create_task(self._serve(connection))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, TimeoutError):  # the client went away, or never said anything
            await self._converse(connection, _user(connection))

    async def _converse(self, connection: socket.socket, user: int) -> None:
        trusted = user in {0, os.geteuid()}
        if not trusted and self._strangers >= STRANGER_CONNECTIONS_MAX:
            return
        self._strangers += not trusted
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                line = await _read_line(connection)
            if line:
                await self._answer_while_there(line, connection, user)
        finally:
            self._strangers -= not trusted

    async def _answer_while_there(self, line: bytes, connection: socket.socket, user: int) -> None:
        """A follower that went away must not count among the connections until the next line of the story."""
        answering = asyncio.create_task(self._answer(line, connection, user))
        gone = asyncio.create_task(_readable(connection))
        await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
        answering.cancel()
        gone.cancel()
        await asyncio.gather(answering, gone, return_exceptions=True)

    async def _answer(self, line: bytes, connection: socket.socket, user: int) -> None:
        async with aclosing(self._answers(line, user)) as answers:
            async for message in answers:
                await _send(connection, serialize(message))

    async def _answers(self, line: bytes, user: int) -> AsyncGenerator[Message, None]:
        try:
            request = self._permitted(line, user)
            if request.word is not Word.FOLLOW:
                yield Answer(await self._carry_out(request))
                return
            async with aclosing(self._story.follow()) as chapters:
                async for chapter in chapters:
                    yield chapter
        except TunnelError as error:
            yield Refusal.of(error)

    def _permitted(self, line: bytes, user: int) -> Request:
        request = parse(line)
        if not isinstance(request, Request):
            raise TunnelError(f"not a request: {line[:80]!r}")
        if request.word.changes and user not in {0, os.geteuid()}:
            raise TunnelError(
                f"user {user} may not {request.word.value} {self._managed.snapshot().name}",
                hint="use sudo",
                exit_code=ExitCode.NO_PERMISSION,
            )
        return request

    async def _carry_out(self, request: Request) -> dict[str, object]:
        if request.word is Word.STATUS:
            return dict(as_plain(replace(self._managed.snapshot(), log=self._log)))
        if request.word is Word.STOP:
            self._managed.stop()
            ended = await self._end()
            if ended is not None and ended.exit_code in {ExitCode.FAILED, ExitCode.NO_PERMISSION}:  # something is left
                raise TunnelError(ended.reason, hint=ended.hint, exit_code=ended.exit_code)
            return {}
        try:
            return dict(as_plain(self._managed.command(request.name, request.arguments)))
        except TunnelError:
            raise
        except Exception as error:
            logger.exception("command %s", request.name)
            raise TunnelError(f"command {request.name} failed: {error!r}", exit_code=ExitCode.BUG) from error

    async def _end(self) -> Ended | None:
        async with aclosing(self._story.follow()) as chapters:
            async for chapter in chapters:
                if isinstance(chapter, Ended):
                    return chapter
        return None


# Not the loop's sock_recv and sock_sendall: where they fail, the exception's traceback holds the future that holds the
# exception, a cycle for each client that leaves without having read all.


async def _read_line(connection: socket.socket) -> bytes:
    """Return one line; nothing where what comes is none, or too long for a request."""
    line = b""
    while not line.endswith(b"\n") and len(line) <= REQUEST_MAX:
        await _readable(connection)
        data = connection.recv(REQUEST_MAX)
        if not data:
            return b""
        line += data
    return line if len(line) <= REQUEST_MAX else b""


async def _send(connection: socket.socket, data: bytes) -> None:
    """Send all of it."""
    while data:
        await _writable(connection)
        data = data[connection.send(data) :]


async def _readable(connection: socket.socket) -> None:
    """Return when there is something to read, be it the end."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection)


async def _writable(connection: socket.socket) -> None:
    """Return when the other side has taken so much that there is room."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(connection)


def _user(connection: socket.socket) -> int:
    """Return the numeric user id of the other side, as the kernel knows it."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[1])
