"""Pings: each answered once, by the one asked."""

from ipaddress import IPv6Address

import pytest

from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.lab.simulated.echo import Pinger

ALICE, BOB, EVE = (IPv6Address(f"2001:db8::{name}") for name in ("a", "b", "e"))


def reply_to(request: bytes, source: IPv6Address = BOB) -> IPv6Packet:
    message = parse_icmpv6(IPv6Packet.parse(request))
    assert isinstance(message, EchoRequest)
    return icmpv6_packet(message.reply(), source, ALICE)


def test_an_answer_counts_once_and_shows_its_round_trip() -> None:
    pinger = Pinger()
    ping, request = pinger.ask(ALICE, BOB, 56, now=1.0)
    pinger.take(reply_to(request), now=1.25)
    pinger.take(reply_to(request), now=9.0)
    assert (pinger.answered, ping.round_trip) == (1, 0.25)


def test_an_answer_of_somebody_else_counts_nothing() -> None:
    pinger = Pinger()
    ping, request = pinger.ask(ALICE, BOB, 56, now=1.0)
    pinger.take(reply_to(request, source=EVE), now=2.0)
    assert (ping.answered, ping.round_trip) == (False, None)


def test_an_echo_of_another_program_counts_nothing() -> None:
    pinger = Pinger()
    pinger.ask(ALICE, BOB, 56, now=1.0)
    pinger.take(icmpv6_packet(EchoReply(1, 1), BOB, ALICE), now=2.0)
    assert pinger.answered == 0


def test_a_request_is_answered_with_its_own_data() -> None:
    reply = Pinger().take(icmpv6_packet(EchoRequest(3, 4, b"data"), BOB, ALICE), now=0.0)
    assert reply is not None
    packet = IPv6Packet.parse(reply)
    assert (packet.source, packet.destination, parse_icmpv6(packet)) == (ALICE, BOB, EchoReply(3, 4, b"data"))


@pytest.mark.parametrize("payload", [b"", bytes(8)], ids=["empty", "broken"])
def test_what_is_no_echo_is_not_answered(payload: bytes) -> None:
    assert Pinger().take(IPv6Packet(BOB, ALICE, 58, payload), now=0.0) is None
