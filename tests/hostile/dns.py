"""What a name server may say that it should not: answers to other questions, damaged ones, and addresses no host has."""

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address
from random import Random

from tests.hostile.mutations import mutated
from tests.hostile.peer import Answers, Peer
from tests.hostile.ports import BEHIND_LIES, HOSTILE
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint

NOWHERE, SERVER, BROKER, MANY, DAMAGED = (
    f"{name}.example.net" for name in ("nowhere", "server", "broker", "many", "damaged")
)
"""Names with addresses that no host has; with those in front of a server's or a broker's; with too many; damaged."""
_NO_HOSTS = tuple(map(IPv4Address, ("0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255")))  # noqa: S104
_ADDRESSES = {
    NOWHERE: _NO_HOSTS,
    SERVER: (*_NO_HOSTS, BEHIND_LIES),
    BROKER: (*_NO_HOSTS, HOSTILE),
    MANY: (BEHIND_LIES, *(IPv4Address("198.51.100.0") + number for number in range(80))),
    DAMAGED: (BEHIND_LIES,),
}
_HEADER = struct.Struct("!HHHHHH")  # RFC 1035 section 4.1.1
_ANSWER, _NO_SUCH_NAME = 0x8180, 0x8183
_A, _IN = 1, 1
_TO_THE_NAME = 0xC00C  # a pointer to the question's; RFC 1035 section 4.1.4


def peer(random: Random) -> Peer:
    def respond(question: bytes, asker: Endpoint) -> Answers:
        name, end = _name(question)
        addresses = _ADDRESSES.get(name, ())
        truth = answer(question, question[_HEADER.size : end + 4], addresses)
        said = [
            answer(bytes([question[0] ^ 1]) + question[1:], question[_HEADER.size : end + 4], [IPv4Address("127.0.0.1")]),
            answer(question, b"\x05other\0" + struct.pack("!HH", _A, _IN), [IPv4Address("127.0.0.1")]),
        ]
        if name == DAMAGED:
            said += [mutated(truth, random)]
        return [(one, asker) for one in (*said, truth)]

    return respond


def answer(question: bytes, asked: bytes, addresses: Iterable[IPv4Address]) -> bytes:
    """Return an answer with these addresses."""
    records = [struct.pack("!HHHIH4s", _TO_THE_NAME, _A, _IN, 0, 4, one.packed) for one in addresses]
    flags = _ANSWER if records else _NO_SUCH_NAME
    number = int.from_bytes(question[:2], "big")
    return _HEADER.pack(number, flags, 1, len(records), 0, 0) + asked + b"".join(records)


def _name(question: bytes) -> tuple[str, int]:
    """Return the name that is asked for, and where it ends."""
    labels, at = [], _HEADER.size
    while at < len(question) and question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode("ascii", errors="replace"))
        at += 1 + question[at]
    if at >= len(question):
        raise WireError("no question")
    return ".".join(labels), at + 1
