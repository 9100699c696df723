"""What a TSP broker may say over TCP that it should not: streams that break off, go on or are no TSP."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address

from tests.hostile import tsp
from tests.hostile.streams import Talk
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.framing import StreamReader
from tunnelmgr_tsp.wire.messages import Offer

_NO_SERVERS = ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "192.168.1.2", "192.168.1.255")  # noqa: S104


def talks(broker: IPv4Address) -> Iterator[Talk]:
    """Yield the truth, then what nobody may take."""
    fair = replace(tsp.fair(broker), type=TunnelType.V6V4)
    return (partial(_converse, answer) for answer in (tsp.success(fair.serialize()), *_lies(fair)))


def _lies(fair: Offer) -> Iterator[bytes]:
    truth = tsp.success(fair.serialize())
    length = b"Content-length: "
    yield from (truth[:end] for end in (0, 1, 20, len(truth) // 2, len(truth) - 1))
    yield from (truth.replace(length, length + sign) for sign in (b"9", b"-", b"99999999999999999999", b"\x1b[2J"))
    yield length + b"16384\r\n200 OK\r\n" + b"<a>" * 5000
    yield length + b"1\r\n2" * 5000
    yield b"200 Success\r\n" * 5000
    yield b"2" * 100_000
    yield b"\0\r\n" * 20_000
    yield b"1301 elsewhere\r\n" + b"<tunnel>" * 10_000
    yield b"\x1b]0;owned\x07\r\n"
    for server in _NO_SERVERS:
        yield tsp.success(replace(fair, server_ipv4=IPv4Address(server)).serialize())
    for changes in tsp.BEYOND[:8]:
        yield tsp.success(replace(fair, **changes).serialize())


def _converse(answer: bytes, caller: socket.socket) -> None:
    """Behave until a tunnel is asked for; then say `answer`, and hang up."""
    reader = StreamReader()
    while data := caller.recv(4096):
        for asked in reader.feed(data):
            said = tsp.reaction(asked, answer)
            caller.sendall(said)
            if said == answer:
                return
