"""The direct IPv6 connectivity test (RFC 4380 section 5.2.9): which relay is nearest to a native host.

An echo request travels through our server; the answer comes back through the relay nearest to the host, and proves by
its nonce that the relay can receive what is sent to the host.
"""

import hmac
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from random import Random
from typing import Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.constants import CONTACT_ROUNDS, ECHO_HOP_LIMIT, ECHO_NONCE_LENGTH, ECHO_NONCE_VALIDITY


@dataclass(frozen=True, slots=True)
class EchoTest:
    """One request that went out."""

    nonce: bytes
    sent_at: float
    answered: bool = False

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


def with_test(tests: tuple[EchoTest, ...], test: EchoTest) -> tuple[EchoTest, ...]:
    """Return the tests that may still be answered: a reply that takes longer than the next test is as good."""
    return (*tests, test)[-CONTACT_ROUNDS:]


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


def with_answer(tests: tuple[EchoTest, ...], answered: EchoTest) -> tuple[EchoTest, ...]:
    """Return the same tests, one of them answered: a copy of its reply is known for one."""
    return tuple(replace(test, answered=True) if test is answered else test for test in tests)


def awaits_reply(tests: tuple[EchoTest, ...], now: float) -> bool:
    """True if a reply may still come that proves something."""
    return any(test.is_fresh(now) and not test.answered for test in tests)
