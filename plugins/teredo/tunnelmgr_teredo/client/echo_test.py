"""The direct IPv6 connectivity test (RFC 4380 section 5.2.9): which relay is nearest to a native host.

An echo request travels through our server; the answer comes back through the relay nearest to the host, and proves by
its nonce that the relay can receive what is sent to the host.
"""

import hmac
from dataclasses import dataclass
from ipaddress import IPv6Address
from random import Random
from typing import Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.constants import ECHO_HOP_LIMIT, ECHO_NONCE_LENGTH, ECHO_NONCE_VALIDITY


@dataclass(slots=True, eq=False)
class EchoTest:
    """One request that went out."""

    nonce: bytes
    sent_at: float
    answered: bool = False
    """True after its reply: a copy of that is known for one."""

    @classmethod
    def draw(cls, random: Random, now: float) -> Self:
        return cls(random.randbytes(ECHO_NONCE_LENGTH), now)

    def request(self, source: IPv6Address, destination: IPv6Address, random: Random) -> bytes:
        """Return the packet to send to the server."""
        message = EchoRequest(random.getrandbits(16), random.getrandbits(16), self.nonce)
        return icmpv6_packet(message, source, destination, ECHO_HOP_LIMIT).serialize()

    def is_fresh(self, now: float) -> bool:
        """True if an answer still proves something."""
        return now - self.sent_at < ECHO_NONCE_VALIDITY


def echo_reply(packet: IPv6Packet) -> EchoReply | None:
    """Return the echo reply a packet holds, if it is one that an echo test could have caused."""
    try:
        message = parse_icmpv6(packet)
    except WireError:
        return None
    return message if isinstance(message, EchoReply) else None


def answered_by(reply: EchoReply, tests: tuple[EchoTest, ...], now: float) -> EchoTest | None:
    """Return the test a reply answers in time."""
    matching = [test for test in tests if test.is_fresh(now) and hmac.compare_digest(reply.data, test.nonce)]
    return matching[0] if matching else None


def awaits_reply(tests: tuple[EchoTest, ...], now: float) -> bool:
    """True if a reply may still come that proves something."""
    return any(test.is_fresh(now) and not test.answered for test in tests)
