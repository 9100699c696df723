"""Connections as the driver and the control socket hold them."""

import asyncio
import errno
import gc
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tunnelmgr.core.driving import streams
from tunnelmgr.core.driving.streams import UNSENT_MAX, Acceptor, Stream


@contextmanager
def left_for_the_collector() -> Iterator[list[object]]:
    """What only the cycle collector frees of what the with block made; known at its end."""
    found: list[object] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found += gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


class End:
    """One end of a connection, and what it heard."""

    def __init__(self, connection: socket.socket) -> None:
        self.data = b""
        self.ends: list[OSError | None] = []
        self.stream = Stream(connection, self._received, self.ends.append)

    def _received(self, data: bytes) -> None:
        self.data += data


async def listening(accepted: Any) -> tuple[Acceptor, socket.socket]:
    made = socket.create_server(("127.0.0.1", 0))
    return Acceptor(made, accepted), made


async def connected(made: socket.socket) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, made.getsockname())
    return client


async def until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


def test_what_one_end_writes_the_other_hears_and_the_end_too() -> None:
    async def story() -> None:
        ends: list[End] = []
        listener, made = await listening(lambda connection, _: ends.append(End(connection)))
        ends.append(End(await connected(made)))
        await until(lambda: len(ends) == 2)
        client, server = ends
        assert client.stream.write(b"hello")
        await until(lambda: server.data == b"hello")
        server.stream.write(b"and good-bye")
        server.stream.close()
        await until(lambda: client.ends)
        assert (client.data, client.ends, server.ends) == (b"and good-bye", [None], [])
        listener.close()

    asyncio.run(story())


def test_who_does_not_read_costs_no_more_than_so_much_and_the_end_comes_after_it_all() -> None:
    async def story() -> None:
        near, far = socket.socketpair()
        near.setblocking(False)
        end, piece, taken = End(near), bytes(65536), 0
        while end.stream.write(piece):
            taken += len(piece)
        assert UNSENT_MAX - len(piece) < len(end.stream._unsent) <= UNSENT_MAX
        end.stream.close()
        far.setblocking(False)
        heard = 0
        while data := await asyncio.get_running_loop().sock_recv(far, 1 << 20):
            heard += len(data)
        assert heard == taken
        far.close()

    asyncio.run(story())


def test_a_reset_is_told_with_its_reason() -> None:
    async def story() -> None:
        ends: list[End] = []
        listener, made = await listening(lambda connection, _: ends.append(End(connection)))
        client = await connected(made)
        await until(lambda: ends)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        await until(lambda: ends[0].ends)
        assert [error and error.errno for error in ends[0].ends] == [errno.ECONNRESET]
        listener.close()

    asyncio.run(story())


class Exhausted(socket.socket):
    """A listening socket of a process that has no descriptors left."""

    tries = 0
    ended = False

    def accept(self) -> Any:
        self.tries += 1
        if not self.ended:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_without_descriptors_the_process_rests_and_accepts_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PAUSE", 0.05)

    async def story() -> None:
        accepted: list[socket.socket] = []
        exhausted = Exhausted(fileno=socket.create_server(("127.0.0.1", 0)).detach())
        listener = Acceptor(exhausted, lambda connection, _: accepted.append(connection))
        client = await connected(exhausted)
        await asyncio.sleep(0.3)
        assert not accepted
        assert 1 <= exhausted.tries <= 8, "it does not spin"
        exhausted.ended = True
        await until(lambda: accepted)
        listener.close()
        for one in (client, *accepted):
            one.close()

    asyncio.run(story())


@pytest.mark.parametrize("first_to_go", ["client", "server"])
def test_a_connection_leaves_nothing_for_the_collector(first_to_go: str) -> None:
    async def story() -> int:
        async def one() -> None:
            ends: list[End] = []
            listener, made = await listening(lambda connection, _: ends.append(End(connection)))
            client = await connected(made)
            await until(lambda: ends)
            client.send(b"hello")
            await until(lambda: ends[0].data)
            ends[0].stream.write(b"hello")
            if first_to_go == "server":
                ends[0].stream.close()
            client.close()
            await until(lambda: ends[0].ends or first_to_go == "server")
            listener.close()

        await one()
        with left_for_the_collector() as found:
            for _ in range(10):
                await one()
        return sum(isinstance(thing, socket.socket | Stream | Acceptor) for thing in found)

    assert asyncio.run(story()) == 0
