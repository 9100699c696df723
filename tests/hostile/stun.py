"""What a STUN server may say that it should not: typed changes, and damage, of a fair answer."""

import struct
from ipaddress import IPv4Address
from itertools import cycle
from random import Random

from tests.hostile.mutations import mutated
from tests.hostile.peer import Answers, Peer
from tunnelmgr.api.network import Endpoint

CLAIMED = ("127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.168.1.5", "100.64.0.9", "203.0.113.1")  # noqa: S104
OTHERS = ("192.168.0.1", "127.0.0.1", "224.0.0.5", "192.0.2.34")
_COOKIE = 0x2112A442


def liar(random: Random) -> Peer:
    """Return one that says what can be read and must not be believed, damaged half of the time."""
    claims = cycle((IPv4Address(claim), IPv4Address(other)) for claim in CLAIMED for other in OTHERS)

    def respond(question: bytes, asker: Endpoint) -> Answers:
        mapped, other = next(claims)
        said = binding_response(question[8:20], Endpoint(mapped, 4000), Endpoint(other, 3479))
        return [(mutated(said, random) if random.random() < 0.5 else said, asker)]

    return respond


def honest(question: bytes, asker: Endpoint) -> Answers:
    """Say the truth behind lies that are no answers."""
    truth = binding_response(question[8:20], asker)
    elsewhere = Endpoint(IPv4Address("198.51.100.1"), 1)
    lies = [
        binding_response(bytes(12), elsewhere),
        truth[:24],
        truth[:19],
        b"\0\1" + truth[2:],
        truth[:4] + bytes(4) + truth[8:],
    ]
    return [(one, asker) for one in (*lies, truth)]


def binding_response(transaction: bytes, *endpoints: Endpoint) -> bytes:
    """Return a success response that tells a mapped and another address, with words that are no UTF-8."""
    body = struct.pack("!HH4s", 0x8022, 4, b"\xff\xfe\x1b\x80")
    for kind, told in zip((0x0001, 0x802C), endpoints, strict=False):
        body += struct.pack("!HHBBH4s", kind, 8, 0, 1, told.port, told.address.packed)
    return struct.pack("!HHI", 0x0101, len(body), _COOKIE) + transaction + body
