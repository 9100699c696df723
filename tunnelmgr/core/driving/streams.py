"""TCP and unix connections without asyncio's transports.

Each of those is a cycle that only Python's collector frees, and a full collection stops the packets of a busy process for
most of a second. What is here is free as soon as it is closed.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from typing import Any, Final

WAITING_MAX: Final = 128  # connections that wait to be accepted while the process is busy
UNSENT_MAX: Final = 1 << 20  # bytes that wait for a peer who reads slowly; what would be more is not taken
FLUSH_TIMEOUT: Final = 5.0  # seconds that the last bytes of a closed connection may take
PAUSE: Final = 1.0  # seconds without accepting when this process has no descriptors left
_READ_MAX: Final = 65536  # bytes at once
_NO_ROOM: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}  # accept(2)


class Acceptor:
    """Hands over each connection that comes in at a listening socket, with the address of its other end."""

    def __init__(self, listening: socket.socket, accepted: Callable[[socket.socket, Any], None]) -> None:
        self.socket = listening
        self._accepted = accepted
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        self._begin()

    def accept_waiting(self) -> None:
        """Accept all connections that wait."""
        while True:
            try:
                connection, remote = self.socket.accept()
            except OSError as error:
                if error.errno in _NO_ROOM:  # they would wake the loop for ever
                    self._loop.remove_reader(self.socket)
                    self._pause = self._loop.call_later(PAUSE, self._begin)
                return
            connection.setblocking(False)
            self._accepted(connection, remote)

    def close(self) -> None:
        """Accept no more."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self.socket)
        self.socket.close()

    def _begin(self) -> None:
        self._loop.add_reader(self.socket, self.accept_waiting)


class Stream:
    """One TCP connection."""

    def __init__(
        self,
        connection: socket.socket,
        received: Callable[[bytes], None],
        ended: Callable[[OSError | None], None],
    ) -> None:
        """`ended` is called once, with the reason if it is an error, but not after `close`."""
        self._socket = connection
        self._received = received
        self._ended = ended
        self._unsent = bytearray()
        self._closing: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(connection, self._read)

    def write(self, data: bytes) -> bool:
        """Send, now or later; all of it, or nothing and False where the peer has left too much unread."""
        if self._unsent:
            if len(self._unsent) + len(data) > UNSENT_MAX:
                return False
            self._unsent += data
            return True
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return True  # reading tells of it
        if sent < len(data):
            self._unsent += data[sent:]
            self._loop.add_writer(self._socket, self._flush)
        return True

    def close(self) -> None:
        """Read no more, send what is left, and end."""
        self._loop.remove_reader(self._socket)
        if self._unsent:
            self._closing = self._loop.call_later(FLUSH_TIMEOUT, self._end)
        else:
            self._end()

    def _read(self) -> None:
        try:
            data = self._socket.recv(_READ_MAX)
        except BlockingIOError:
            return
        except OSError as error:
            self._end_by_itself(error)
            return
        if data:
            self._received(data)
        else:
            self._end_by_itself(None)

    def _flush(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()
        else:
            del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._socket)
            if self._closing is not None:
                self._end()

    def _end_by_itself(self, error: OSError | None) -> None:
        ended = self._ended
        self._end()
        ended(error)

    def _end(self) -> None:
        self._received = self._ended = _nobody  # whoever is called has us as an attribute: a cycle
        if self._closing is not None:
            self._closing.cancel()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()


def _nobody(_: object) -> None:
    """Take the place of a callback that is not needed any more."""
