"""Which dissector is asked, and what is said where none knows."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import ClassVar

import pytest

from tunnelmgr.api.dissection import Dissection, Dissector, Outer
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.checksum import internet_checksum, pseudo_header_sum
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv4 import Icmpv4Error, Icmpv4Type, icmpv4_packet
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet
from tunnelmgr.api.packets.ipv4 import IPv4Packet, IPv4Quote
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.packets.udp import UdpDatagram
from tunnelmgr.core.capture.explanation import Decoder, ExplainedPacket
from tunnelmgr.core.capture.frame import Frame, LinkType

HERE, THERE = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1")
SEGMENT = bytes(12) + b"\x50" + bytes(7)
PING = icmpv6_packet(EchoRequest(1, 2), IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")).serialize()


class Listener(Dissector):
    """Takes everything offered."""

    udp_ports: ClassVar[frozenset[int]] = frozenset({3544})
    protocol_41: ClassVar[bool] = True

    def dissect(self, payload: bytes, outer: Outer | None) -> Dissection | None:
        return Dissection("listener", "all", f"{len(payload)} bytes in {outer.kind.value if outer else 'nothing'}")


class Eavesdropper(Listener):
    """Takes everything offered too, but claims nothing."""

    udp_ports: ClassVar[frozenset[int]] = frozenset()
    protocol_41: ClassVar[bool] = False

    def dissect(self, payload: bytes, outer: Outer | None) -> Dissection | None:
        return Dissection("eavesdropper", "all", "")


def udp(payload: bytes, port: int = 9) -> bytes:
    data = UdpDatagram(4096, port, payload).serialize(HERE, THERE)
    return IPv4Packet(HERE, THERE, IpProtocol.UDP, data).serialize()


def purpose(data: bytes, dissectors: Sequence[Dissector] = ()) -> str:
    return Decoder(dissectors).packet(data).dissection.purpose


def test_the_dissector_that_claims_a_port_is_asked_first() -> None:
    decoder = Decoder((Eavesdropper(), Listener()))
    assert decoder.packet(udp(b"", 3544)).dissection.protocol == "listener"
    assert decoder.packet(udp(b"", 3545)).dissection.protocol == "eavesdropper"


def test_protocol_41_goes_to_who_claims_it() -> None:
    packet = IPv4Packet(HERE, THERE, IpProtocol.IPV6, PING).serialize()
    assert purpose(packet, (Eavesdropper(), Listener())) == f"{len(PING)} bytes in raw41"


def test_a_datagram_has_ends_with_ports() -> None:
    explained = Decoder(()).packet(udp(b"abc"))
    assert (explained.source, explained.destination) == ("192.0.2.1:4096", "198.51.100.1:9")


def test_a_checksum_that_the_network_card_would_have_filled_in_hides_nothing() -> None:
    packet = IPv4Packet.parse(udp(b"abc"))
    partial = ~internet_checksum(b"", pseudo_header_sum(HERE, THERE, IpProtocol.UDP, 11)) & 0xFFFF
    for sum_ in (bytes(2), partial.to_bytes(2, "big")):
        data = packet.payload[:6] + sum_ + packet.payload[8:]
        unfinished = IPv4Packet(HERE, THERE, IpProtocol.UDP, data).serialize()
        assert purpose(unfinished) == "UDP, 3 bytes that no transport here knows"
        assert purpose(unfinished[:10] + bytes(2) + unfinished[12:]) == "UDP, 3 bytes that no transport here knows"


def test_what_is_cut_into_segments_later_has_no_length_yet() -> None:
    whole = udp(b"abc")
    assert purpose(whole[:2] + bytes(2) + whole[4:]) == "UDP, 3 bytes that no transport here knows"
    assert purpose(whole[:24] + bytes(2) + whole[26:]) == "UDP, 3 bytes that no transport here knows"


def test_a_wrong_checksum_is_said_and_hides_nothing() -> None:
    whole = udp(b"abc")
    wrong = purpose(whole[:26] + b"\x12\x34" + whole[28:])
    assert wrong == "UDP, 3 bytes that no transport here knows (UDP checksum 1234 is wrong)"
    wrong = purpose(whole[:10] + b"\x12\x34" + whole[12:])
    assert wrong == "UDP, 3 bytes that no transport here knows (IPv4 header checksum 1234 is wrong)"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (udp(PING), "data: echo request 2, 2001:db8::1 > 2001:db8::2"),
        (IPv4Packet(HERE, THERE, IpProtocol.IPV6, PING).serialize(), "data: echo request 2, 2001:db8::1 > 2001:db8::2"),
        (IPv4Packet(HERE, THERE, IpProtocol.TCP, SEGMENT).serialize(), "TCP without data"),
        (IPv4Packet(HERE, THERE, IpProtocol.TCP, SEGMENT + b"abc").serialize(), "TCP, 3 bytes: no tunnel"),
        (IPv4Packet(HERE, THERE, IpProtocol.TCP, bytes(20)).serialize(), "malformed: TCP header of 0 bytes in 20"),
        (IPv4Packet(HERE, THERE, 132, bytes(20)).serialize(), "IPv4 protocol 132, 20 bytes: no tunnel"),
        (
            IPv4Packet(HERE, THERE, IpProtocol.UDP, bytes(8), more_fragments=True).serialize(),
            "IPv4 fragment at byte 0, 8 bytes: not put together here",
        ),
        (IPv4Packet(HERE, THERE, IpProtocol.UDP, b"x").serialize(), "malformed: UDP header needs 8 bytes, got 1"),
        (PING, "echo request 2"),
        (b"\x45", "malformed: IPv4 header needs 20 bytes, got 1"),
    ],
)
def test_what_no_dissector_knows_is_named_plainly(data: bytes, told: str) -> None:
    assert purpose(data) == told


def test_an_error_of_the_network_names_what_it_is_about() -> None:
    about = IPv4Packet.parse(udp(b"abc", 3544))
    error = Icmpv4Error(Icmpv4Type.DESTINATION_UNREACHABLE, 3, IPv4Quote.of(about))
    told = "the network answers destination unreachable (code 3) to what went to 198.51.100.1:3544"
    assert purpose(icmpv4_packet(error, THERE, HERE).serialize()) == told


def test_a_payload_is_offered_without_an_envelope() -> None:
    assert Decoder((Listener(),)).payload(PING).dissection.purpose == f"{len(PING)} bytes in nothing"
    assert Decoder(()).payload(PING) == Decoder(()).packet(PING)
    assert Decoder(()).payload(udp(b"abc")).source == str(Endpoint(HERE, 4096))


def test_a_frame_cut_by_the_capture_is_not_called_malformed() -> None:
    frame = Frame(1, None, LinkType.RAW, udp(bytes(100))[:60], 128)
    explained = Decoder((Listener(),)).frame(frame)
    assert explained.dissection.purpose == "100 bytes in udp (the capture holds 60 of 128 bytes)"
    assert (explained.source, explained.destination) == ("192.0.2.1:4096", "198.51.100.1:9")
    shorter = Decoder(()).frame(Frame(1, None, LinkType.RAW, udp(bytes(100))[:9], 128))
    assert shorter == ExplainedPacket(Dissection("link", "cut-off", "cut off: the capture holds 9 of 128 bytes"))


def test_an_address_of_6to4_names_the_site() -> None:
    found = Decoder(()).address(IPv6Address("2002:c000:201::1"))
    assert found is not None
    assert found.purpose == "6to4 site 192.0.2.1"
    assert Decoder(()).address(IPv6Address("2001:db8::1")) is None
