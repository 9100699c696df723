"""What a TSP broker may say that it should not: typed changes of one fair offer."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from random import Random
from typing import Any

from tests.hostile.mutations import mutated
from tests.hostile.peer import Answers, Peer
from tests.hostile.ports import HELD, MUTANTS, MUTANTS_NUMBER, PART, REFUSED
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.datagrams import ControlMessage
from tunnelmgr_tsp.wire.framing import Reply, Status
from tunnelmgr_tsp.wire.messages import KeepaliveWish, Offer

CAPABILITY = b"CAPABILITY TUNNEL=V6V4 TUNNEL=V6UDPV4 AUTH=ANONYMOUS\r\n"
EVIL_TEXT = "\x1b]0;owned\x07\x9b2J\r\nroot# \u202etoober\u2066"
SERVER, CLIENT, ELSEWHERE = IPv6Address("2001:db8:1::1"), IPv6Address("2001:db8:1::2"), IPv6Address("2001:db8:66::66")
SEEN = IPv4Address("203.0.113.1")  # the outside of the test's NAT


def fair(broker: IPv4Address) -> Offer:
    """Return an offer that anybody would take."""
    return Offer(TunnelType.V6UDPV4, broker, SERVER, SEEN, CLIENT, 1440, keepalive=KeepaliveWish(30, SERVER))


def _prefix(text: str) -> dict[str, Any]:
    return {"prefix": IPv6Network(text)}


BEYOND: tuple[dict[str, Any], ...] = (
    *map(_prefix, ("::/0", "2000::/3", "2000::/8", "2001::/32", "2002::/16", "fc00::/7", "fe80::/64", "ff00::/64")),
    *map(_prefix, ("2001:db8:77::/48", "2001:db8:9::/56", "2001:db8:9::/80", "::ffff:0:0/96")),
    *({"client_ipv6": IPv6Address(text)} for text in ("::", "::1", "fe80::1", "ff02::1", "::ffff:192.0.2.1", "64:ff9b::1")),
    *({"server_ipv6": IPv6Address(text)} for text in ("::1", "fe80::1", "ff02::2")),
    {"client_ipv6": SERVER},
    {"type": TunnelType.V4V6},
    {"type": TunnelType.V6V4, "server_ipv4": IPv4Address("127.0.0.1")},
    {"type": TunnelType.V6V4, "server_ipv4": IPv4Address("255.255.255.255")},
)
"""Changes for which nobody may take the offer."""
HELD_ELSEWHERE: tuple[dict[str, Any], ...] = (
    {"client_ipv6": IPv6Address("2001:db8:77::5"), "server_ipv6": ELSEWHERE},
    {"client_ipv6": IPv6Address("2001:db8:77::9"), "server_ipv6": ELSEWHERE},
    *map(_prefix, ("2001:db8:77::/48", "2001:db8:99::/48")),
)
"""Changes that name what the test's host has elsewhere: 2001:db8:77::5/64, and a route to 2001:db8:99:5::/64."""
TAKEN_IN_PART: tuple[dict[str, Any], ...] = (
    {},
    {"keepalive": KeepaliveWish(1, IPv6Address("2001:4860:4860::8888")), "name": "a" * 1000},
    {"keepalive": KeepaliveWish(10**9, IPv6Address("ff02::1")), "lifetime": 0, "client_ipv4": IPv4Address("127.0.0.1")},
    {
        "dns": (
            *map(IPv6Address, ("::1", "fe80::1", "ff02::1", "2001:db8:1::53")),
            *map(IPv4Address, ("127.0.0.1", "169.254.169.254", "224.0.0.1")),
        )
    },
)
"""Changes of what a client does without, the first being none: it takes the rest, and nothing of these reaches its host."""


def answers(broker: IPv4Address) -> Iterator[bytes]:
    """Yield answers to a request for a tunnel, none of which may be taken."""
    for changes in BEYOND:
        yield success(replace(fair(broker), **changes).serialize())
    written = fair(broker).serialize()
    address = CLIENT.exploded.encode()
    for scope in (b"%eth0", b"%$(reboot)", b"%\x0aoptions", b"%;reboot", b"%" + b"x" * 900):
        yield success(written.replace(address, b"fe80::1" + scope))
        yield success(written.replace(address, address + scope))
    for damage in (b"", b"<tunnel/>", written[: len(written) // 2], b"\xff" * 64, b"<a>" * 5000, written * 40):
        yield success(damage)
    yield success(b'<!DOCTYPE a [<!ENTITY b "cc">]>' + written.replace(address, b"&b;"))
    yield Reply(Status(200, EVIL_TEXT.replace("\r\n", " "))).serialize()
    for code in (300, 310, 500, 506, 999, 1301, 65000):
        yield Reply(Status(code, EVIL_TEXT.replace("\r\n", " "))).serialize()
    yield b"Content-length: 99999\r\n200 OK\r\n"
    yield b"\0" * 512


def success(document: bytes) -> bytes:
    """Return an answer with a document."""
    return Reply(Status(200, "Success"), document).serialize()


def offer(broker: IPv4Address, changes: dict[str, Any]) -> bytes:
    """Return an answer with a changed offer."""
    return success(replace(fair(broker), **changes).serialize())


def peers(address: IPv4Address, random: Random) -> dict[int, Peer]:
    """Return what each port says."""
    said = {REFUSED + number: answer for number, answer in enumerate(answers(address))}
    said |= {HELD + number: offer(address, changes) for number, changes in enumerate(HELD_ELSEWHERE)}
    said |= {PART + number: offer(address, changes) for number, changes in enumerate(TAKEN_IN_PART)}
    said |= {MUTANTS + number: mutated(offer(address, {}), random) for number in range(MUTANTS_NUMBER)}
    return {port: partial(_respond, answer) for port, answer in said.items()}


def _respond(answer: bytes, datagram: bytes, asker: Endpoint) -> Answers:
    """Behave until a tunnel is asked for, and then say `answer`."""
    if len(datagram) < 8 or datagram[0] >> 4 != 0xF:
        raise WireError("not a message of a client")
    asked = ControlMessage.parse(datagram)
    return [(replace(asked, text=reaction(asked.text, answer)).serialize(), asker)]


def reaction(asked: bytes, answer: bytes) -> bytes:
    """Return what is said to a message; to a request for a tunnel it is `answer`."""
    if b"VERSION" in asked:
        return CAPABILITY
    if b"AUTHENTICATE" in asked:
        return b"200 Success\r\n"
    return answer if b'"create"' in asked else b""
