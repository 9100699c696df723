"""What a STUN server and a router may say that they should not: typed changes, and damage, of fair answers."""

import struct
from collections.abc import Callable
from itertools import cycle
from random import Random

from tests.hostile.mutations import mutated
from tests.hostile.ports import STUN

CLAIMED = ("127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.168.1.5", "100.64.0.9", "203.0.113.1")  # noqa: S104
OTHERS = ("192.168.0.1", "127.0.0.1", "224.0.0.5", "192.0.2.34")
_COOKIE = 0x2112A442
_PCP_PORT, _SSDP_PORT = 5351, 1900


def peers(random: Random) -> dict[int, Callable[[bytes], bytes | None]]:
    """Return what each port says."""
    claims = cycle((claim, other) for claim in CLAIMED for other in OTHERS)
    epochs = cycle(bytes([version, 128, 0, result]) for version in (0, 2, 9) for result in (0, 1, 2, 5, 13, 255))

    def stun(question: bytes) -> bytes | None:
        answer = binding_response(question[8:20], *next(claims))
        return mutated(answer, random) if random.random() < 0.5 else answer

    def port_control(question: bytes) -> bytes | None:
        answer = next(epochs) + struct.pack("!I4s", 7, random.choice((b"\x7f\0\0\1", b"\xff" * 4, b"\xe0\0\0\1", b"\0" * 4)))
        return answer + bytes(12) if question[:1] == b"\2" else answer

    def upnp(question: bytes) -> bytes | None:
        fair = b"HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\x1b[2J\r\n\r\n"
        return mutated(fair, random)

    return {STUN: stun, _PCP_PORT: port_control, _SSDP_PORT: upnp}


def binding_response(transaction: bytes, mapped: str, other: str) -> bytes:
    """Return a success response with words that are no UTF-8."""
    body = struct.pack("!HH4s", 0x8022, 4, b"\xff\xfe\x1b\x80")
    for kind, address, port in ((0x0001, mapped, 4000), (0x802C, other, 3479)):
        body += struct.pack("!HHBBH4s", kind, 8, 0, 1, port, bytes(map(int, address.split("."))))
    return struct.pack("!HHI", 0x0101, len(body), _COOKIE) + transaction + body
