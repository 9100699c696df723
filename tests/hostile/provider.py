"""What a provider's update service (dyndns2 over HTTPS) may say that it should not: the number of the tunnel chooses."""

import re
import socket
import ssl
import time
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.hostile.mutations import mutated
from tests.hostile.streams import Talk, listen

NAME = "update.example.net"
ASKED = "updates-asked"
"""The file in which each request is kept, one a line."""


class Said(NamedTuple):
    """An answer and what must become of it: the fact `provider`."""

    answer: bytes
    standing: str


def page(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return an HTTP answer."""
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode("latin-1") + body


ACCEPTED, REFUSED, LATER = "current", "refused", "due"
ANSWERS = (
    Said(page(b"good 203.0.113.1"), ACCEPTED),
    Said(page(b"good\t203.0.113.1\n"), ACCEPTED),
    Said(page(b"nochg|203.0.113.1"), ACCEPTED),
    Said(page(b"\xef\xbb\xbfgood 203.0.113.1\r\n"), ACCEPTED),
    Said(page(b"+OK: Tunnel endpoint updated to: 203.0.113.1"), ACCEPTED),
    Said(page(b"badauth", "403 Forbidden"), REFUSED),
    Said(page(b"good 127.0.0.1"), REFUSED),
    Said(page(b"good 192.168.1.2"), REFUSED),
    Said(page(b"nochg 0.0.0.0"), REFUSED),
    Said(page(b"+OK: 224.0.0.1"), REFUSED),
    Said(page(b"!yours\r\n\x1b]0;owned\x07"), REFUSED),
    Said(page(b"\x1b[2Jgood 203.0.113.1"), LATER),
    Said(page("good\u202e 203.0.113.1".encode()), LATER),
    Said(page(b"\xff\xfeg\0o\0o\0d\0"), LATER),
    Said(page(b"good 203.0.113.1", "500 good"), LATER),
    Said(page(b"good 203.0.113.1", "302 Found", "Location: https://update.example.net/elsewhere"), LATER),
    Said(page(b"good 203.0.113.1", "301 Moved", "Location: http://127.0.0.1/elsewhere"), LATER),
    Said(page(b"good " * 20_000), LATER),
    Said(page(b"good", "200 OK", "Content-Length: 99999999999999999999"), LATER),
    Said(page(b"good", "200 OK", "Content-Length: 100"), LATER),
    Said(page(b"ffffffffffffffff\r\ngood", "200 OK", "Transfer-Encoding: chunked"), LATER),
    Said(page(b"good", "200 OK", *["X: y"] * 500), LATER),
    Said(page(b"", "100 Continue") * 2000 + b"x", LATER),
    Said(page(b""), LATER),
    Said(b"HTTP/1.1 200", LATER),
    Said(b"\0" * 70_000, LATER),
    Said(b"", LATER),
    Said(page(b"911\x9b31m"), LATER),
)
FIRST, DRIPS, FIRST_DAMAGED = 100, 900, 1000
"""Numbers of tunnels: that of the first of ANSWERS, one whose answer never ends, the first of those with damaged ones."""
DRIP_INTERVAL = 0.2  # seconds


class Doors(NamedTuple):
    """Where callers knock."""

    true: socket.socket
    plain: socket.socket
    """Without TLS."""
    mute: socket.socket
    """Never comes to the end of a TLS handshake."""
    stranger: socket.socket
    """With a certificate of somebody else's."""


def serve(doors: Doors, folder: Path, random: Random) -> None:
    """Answer for ever, in threads. The certificates are in `folder` and in its folder `stranger`."""

    def asked(caller: socket.socket) -> None:
        question = caller.recv(4096)
        with (folder / ASKED).open("a") as file:
            file.write(f"{question!r}\n")
        found = re.search(rb"hostname=(\d+)", question)
        number = int(found[1]) if found else FIRST
        if number == DRIPS:
            _drip(page(b"good "), caller)
        fair = ANSWERS[0].answer
        caller.sendall(mutated(fair, random) if number >= FIRST_DAMAGED else ANSWERS[number - FIRST].answer)

    def in_plain(caller: socket.socket) -> None:
        caller.sendall(page(b"good 203.0.113.1"))
        asked(caller)

    def over_tls(certificate: Path) -> Talk:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "server.pem", certificate / "server.key")

        def talk(caller: socket.socket) -> None:
            with context.wrap_socket(caller, server_side=True) as spoken:
                asked(spoken)

        return talk

    talks: tuple[Talk, ...] = (
        over_tls(folder),
        in_plain,
        partial(_drip, b"\x16\x03\x03\x40\0\2\0\x3f\xfc"),
        over_tls(folder / "stranger"),
    )
    for listener, talk in zip(doors, talks, strict=True):
        listen(listener, talk)


def _drip(beginning: bytes, caller: socket.socket) -> None:
    """Say an octet now and then, for ever."""
    caller.sendall(beginning)
    while True:
        caller.sendall(b"o")
        time.sleep(DRIP_INTERVAL)
