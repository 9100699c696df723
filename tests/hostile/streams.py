"""Callers of TCP ports, each answered in a thread of its own, for ever."""

import contextlib
import socket
import threading
from collections.abc import Callable

Talk = Callable[[socket.socket], None]
"""What is done with one connection. Its end ends it."""


def listen(listener: socket.socket, talk: Talk) -> None:
    """Answer whoever calls, until the listener is shut down."""
    threading.Thread(target=_accept, args=(listener, talk), daemon=True).start()


def _accept(listener: socket.socket, talk: Talk) -> None:
    def answer(caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError):
            talk(caller)

    with contextlib.suppress(OSError):  # at its end
        while True:
            threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
