"""What a DHCP server may say of 6rd that it should not. What is said depends on the address that asks."""

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Network
from random import Random

from tests.hostile.mutations import mutated
from tests.hostile.peer import Answers, Peer
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint

DOMAIN, RELAY = IPv6Network("2001:db8:6d00::/40"), IPv4Address("192.0.2.80")
TRUTH, HELD, PROTOCOLS, DAMAGED = (IPv4Address(f"192.168.1.{number}") for number in (2, 12, 13, 14))
"""Hears lies and the truth behind them; of a domain around what home has; of Teredo's prefix; damaged answers."""
_DAMAGED_NUMBER = 60
_REPLY, _ACK, _NAK, _OFFER = 2, 5, 6, 2
_OVERLOAD, _TYPE, _SERVER, _OPTION_6RD = 52, 53, 54, 212
_COOKIE = bytes((99, 130, 83, 99))
_QUESTION_MIN = 240  # bytes
_NO_DOMAINS = ("::/0", "2000::/3", "2000::/15", "2002::/16", "2002:cb00::/32", "fe80::/32", "ff00::/32", "64:ff9b::/40")
_NAME = 44  # where the name of the server begins, in bytes

Options = tuple[tuple[int, bytes], ...]


def peer(server: IPv4Address, random: Random) -> Peer:
    known = usual(server)

    def respond(question: bytes, asker: Endpoint) -> Answers:
        if len(question) < _QUESTION_MIN or question[0] == _REPLY:
            raise WireError("not a request")
        truth = answer(question, (*known, offer()))
        said = {
            HELD: [answer(question, (*known, offer(prefix="2001:db8::", length=32, shared=0)))],
            PROTOCOLS: [answer(question, (*known, offer(prefix="2001::", length=32, shared=0)))],
            DAMAGED: [*(mutated(truth, random) for _ in range(_DAMAGED_NUMBER)), truth],
        }.get(asker.address) or [*lies(question, known, asker.address), truth]
        return [(one, asker) for one in said]

    return respond


def usual(server: IPv4Address) -> Options:
    """Return what is in every answer."""
    return (_TYPE, bytes([_ACK])), (_SERVER, server.packed)


def answer(question: bytes, options: Options, *, operation: int = _REPLY, cookie: bytes = _COOKIE) -> bytes:
    """Return an answer with these options, and no others."""
    head = bytes([operation]) + question[1:28] + bytes(208)
    return head + cookie + b"".join(bytes((code, len(value))) + value for code, value in options) + b"\xff"


def offer(
    *relays: IPv4Address, prefix: str = str(DOMAIN.network_address), length: int = DOMAIN.prefixlen, shared: int = 24
) -> tuple[int, bytes]:
    """Return option 212, whatever it says; as it is made by itself it is true."""
    fixed = struct.pack("!BB16s", shared, length, IPv6Network(prefix, strict=False).network_address.packed)
    return _OPTION_6RD, fixed + b"".join(one.packed for one in relays or (RELAY,))


def lies(question: bytes, known: Options, asker: IPv4Address) -> Iterator[bytes]:
    """Yield answers none of which may be taken."""
    other = "2001:db8:bad0::"  # what is taken of a lie is told from the truth by its prefix
    said = offer(prefix=other)
    for text in _NO_DOMAINS:
        yield answer(question, (*known, offer(prefix=text, length=int(text.partition("/")[2]))))
    for length, shared in ((40, 33), (40, 255), (129, 24), (255, 0), (40, 0), (64, 24)):
        yield answer(question, (*known, offer(prefix=other, length=length, shared=shared)))
    for relay in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "192.168.1.255", str(asker)):  # noqa: S104
        yield answer(question, (*known, offer(IPv4Address(relay), prefix=other)))
    for damage in (said[1][:18], said[1][:-1], b"", said[1][:18] + bytes(3)):
        yield answer(question, (*known, (_OPTION_6RD, damage)))
    for kind in (_NAK, _OFFER, 0):
        yield answer(question, ((_TYPE, bytes([kind])), known[1], said))
    yield answer(question, ((_TYPE, b""), known[1], said))
    yield answer(question, (known[0], said))
    yield answer(question, (known[0], (_SERVER, b"\x7f\0\0"), said))
    yield answer(question, (*known, said), operation=1)
    yield answer(question, (*known, said), cookie=b"\0" * 4)
    overloaded = answer(question, (*known, (_OVERLOAD, b"\3"), said))
    yield overloaded[:_NAME] + bytes([_OPTION_6RD, 255]) + overloaded[_NAME + 2 :]
    another = bytes(4) + bytes([question[4] ^ 1]) + question[5:]
    yield answer(another, (*known, said))
    yield answer(question, (*known, said))[:-5]
    yield answer(question, (*known, *[(_OPTION_6RD, said[1])] * 4))
    yield b"\2" * 1200
