"""What people read when a test has failed."""

from tests.scripted_tunnel import listener, send
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.simulated import Internet
from tunnelmgr.lab.simulated.clock import Clock
from tunnelmgr.lab.simulated.ladder import RUNGS_MAX, Ladder, describe_inner
from tunnelmgr.lab.vocabulary import Link, NatKind

ADDRESS = "2001:db8::1"


def echo() -> bytes:
    host = Internet().ipv6_host(ADDRESS)
    return icmpv6_packet(EchoRequest(1, 5, b""), host.address, host.address).serialize()


def test_the_ladder_shows_who_sent_what_to_whom_when_and_why_it_went_no_further() -> None:
    internet = Internet()
    alice = internet.add(listener(), behind=NatKind.SYMMETRIC_SEQUENTIAL, name="alice", link=Link(delay=0.02))
    bob = internet.add(listener(), address="192.0.2.2", name="bob")
    internet.run(seconds=0.001)
    send(alice, echo(), "192.0.2.2:4000")
    internet.run(seconds=0.02)
    send(bob, b"\x01\x02", "203.0.113.1:1")
    internet.run(seconds=1)
    inner = f"{ADDRESS} > {ADDRESS} echo request 5"
    assert str(internet.ladder).splitlines()[-4:] == [
        f"       1.000 ms  alice            -> UDP 192.168.1.2:4000 > 192.0.2.2:4000 | {inner}",
        f"      21.000 ms  bob              <- UDP 203.0.113.1:40000 > 192.0.2.2:4000 | {inner}",
        "      21.000 ms  bob              -> UDP 192.0.2.2:4000 > 203.0.113.1:1 | 2 bytes 0102",
        "      41.000 ms  alice's NAT      x  UDP 192.0.2.2:4000 > 203.0.113.1:1 | 2 bytes 0102  [no mapping on port 1]",
    ]


def test_what_stands_before_and_behind_the_inner_packet_is_counted() -> None:
    assert describe_inner(bytes(8) + echo()) == f"8 bytes, {ADDRESS} > {ADDRESS} echo request 5"
    assert describe_inner(echo() + bytes(4)) == f"{ADDRESS} > {ADDRESS} echo request 5, 4 bytes behind"


def test_a_packet_without_content_is_called_a_bubble_and_broken_ones_are_described_all_the_same() -> None:
    address = IPv6Packet.parse(echo()).source
    bubble = IPv6Packet(address, address, IpProtocol.NO_NEXT_HEADER).serialize()
    assert describe_inner(bubble) == f"{ADDRESS} > {ADDRESS} nothing (bubble)"
    assert "malformed" in describe_inner(echo()[:-1] + b"\xff")
    assert describe_inner(b"") == "no payload"


def test_the_ladder_forgets_what_is_long_ago() -> None:
    ladder = Ladder(Clock())
    for number in range(RUNGS_MAX + 1):
        ladder.said("host", f"something, {number}")
    assert len(str(ladder).splitlines()) == RUNGS_MAX
