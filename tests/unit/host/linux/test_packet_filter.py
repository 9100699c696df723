"""Which packets the kernel is told to copy, shown by running the program as the kernel would."""

import struct
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv4 import Icmpv4Error, Icmpv4Type, icmpv4_packet
from tunnelmgr.api.packets.ipv4 import IPv4Packet, IPv4Quote
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.packets.udp import UdpDatagram
from tunnelmgr.host.linux.packet_filter import ENDS_MAX, Instruction, OuterEnd, not_carried_from, packets_of

US, PEER, STRANGER = IPv4Address("192.0.2.9"), IPv4Address("198.51.100.1"), IPv4Address("203.0.113.5")
PORT = 51631
ACCEPTED = 1000
UDP = packets_of([OuterEnd(IpProtocol.UDP, US, PORT)], ACCEPTED)
UDP_ANYWHERE = packets_of([OuterEnd(IpProtocol.UDP, port=PORT)], ACCEPTED)
RAW = packets_of([OuterEnd(IpProtocol.IPV6, US, remote=PEER)], ACCEPTED)
IPV4, IPV6 = 0x0800, 0x86DD
INCOMING, OUTGOING = 0, 4


def run(program: tuple[Instruction, ...], data: bytes, packet_type: int = OUTGOING, ethertype: int = IPV4) -> int:
    """Do what the kernel does with a filter (networking/filter.txt); a load from beyond the packet refuses it."""
    a = x = at = 0
    sizes = {0x20: ("!I", 0), 0x28: ("!H", 0), 0x30: ("!B", 0), 0x40: ("!I", 1), 0x48: ("!H", 1), 0x50: ("!B", 1)}
    special = {0xFFFFF000: ethertype, 0xFFFFF004: packet_type}
    while True:
        code, if_true, if_false, k = program[at]
        at += 1
        if code == 0x06:
            return k
        if code in sizes and k in special:
            a = special[k]
        elif code in sizes:
            layout, indexed = sizes[code]
            offset = k + x * indexed
            if offset + struct.calcsize(layout) > len(data):
                return 0
            (a,) = struct.unpack_from(layout, data, offset)
        elif code == 0xB1:
            x = 4 * (data[k] & 0xF)
        elif code == 0x05:
            at += k
        else:
            taken = {0x15: a == k, 0x45: bool(a & k)}[code]
            at += if_true if taken else if_false


def udp(source: IPv4Address, source_port: int, destination: IPv4Address, port: int) -> IPv4Packet:
    data = UdpDatagram(source_port, port, b"data").serialize(source, destination)
    return IPv4Packet(source, destination, IpProtocol.UDP, data)


SENT = udp(US, PORT, PEER, 3544)
RECEIVED = udp(PEER, 3544, US, PORT)


@pytest.mark.parametrize("program", [UDP, UDP_ANYWHERE])
def test_what_we_send_and_what_is_sent_to_us_is_copied(program: tuple[Instruction, ...]) -> None:
    assert run(program, SENT.serialize(), OUTGOING) == ACCEPTED
    assert run(program, RECEIVED.serialize(), INCOMING) == ACCEPTED


@pytest.mark.parametrize(
    ("packet", "packet_type"),
    [
        (udp(US, PORT + 1, PEER, 3544), OUTGOING),
        (udp(US, 53, PEER, PORT), OUTGOING),  # somebody else's datagram to a port that happens to be like ours
        (udp(PEER, PORT, US, 53), INCOMING),
        (replace(SENT, protocol=IpProtocol.TCP), OUTGOING),
        (replace(SENT, fragment_offset=1480), OUTGOING),
        (replace(SENT, payload=b""), OUTGOING),
    ],
)
def test_what_is_not_ours_is_not_copied(packet: IPv4Packet, packet_type: int) -> None:
    assert run(UDP, packet.serialize(), packet_type) == 0
    assert run(UDP_ANYWHERE, packet.serialize(), packet_type) == 0


def test_the_same_port_at_another_address_of_this_host_is_not_ours() -> None:
    packet = udp(STRANGER, PORT, PEER, 3544).serialize()
    assert run(UDP, packet) == 0
    assert run(UDP_ANYWHERE, packet) == ACCEPTED


def test_options_do_not_hide_the_ports() -> None:
    assert run(UDP, replace(SENT, options=b"\x94\x04\0\0").serialize()) == ACCEPTED


def test_other_protocols_of_the_link_are_refused_before_their_bytes_are_read() -> None:
    assert run(UDP, SENT.serialize(), ethertype=IPV6) == 0
    assert run(UDP, b"", ethertype=0x0806) == 0


def test_protocol_41_is_ours_between_the_two_ends_only() -> None:
    packet = IPv4Packet(US, PEER, IpProtocol.IPV6, bytes(40))
    assert run(RAW, packet.serialize(), OUTGOING) == ACCEPTED
    assert run(RAW, replace(packet, source=PEER, destination=US).serialize(), INCOMING) == ACCEPTED
    assert run(RAW, replace(packet, destination=STRANGER).serialize(), OUTGOING) == 0


def error_about(packet: IPv4Packet, kind: Icmpv4Type = Icmpv4Type.DESTINATION_UNREACHABLE) -> bytes:
    return icmpv4_packet(Icmpv4Error(kind, 1, IPv4Quote.of(packet)), STRANGER, US).serialize()


@pytest.mark.parametrize("kind", [Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4Type.TIME_EXCEEDED])
def test_errors_about_our_packets_are_copied(kind: Icmpv4Type) -> None:
    assert run(UDP, error_about(SENT, kind), INCOMING) == ACCEPTED
    assert run(RAW, error_about(IPv4Packet(US, PEER, IpProtocol.IPV6, bytes(40)), kind), INCOMING) == ACCEPTED


def test_errors_about_others_and_pings_are_not() -> None:
    assert run(UDP, error_about(udp(US, 53, PEER, 3544)), INCOMING) == 0
    assert run(RAW, error_about(SENT), INCOMING) == 0
    assert run(UDP, icmpv4_packet(EchoRequest(1, 1), STRANGER, US).serialize(), INCOMING) == 0


def test_of_many_ends_each_is_seen_and_the_program_stays_within_the_kernels_limit() -> None:
    ends = [OuterEnd(IpProtocol.UDP, US, PORT + index, PEER) for index in range(ENDS_MAX)]
    program = packets_of(ends, ACCEPTED)
    assert len(program) <= 4096
    assert all(run(program, udp(US, end.port, PEER, 9).serialize()) == ACCEPTED for end in ends)
    assert run(program, udp(US, PORT + ENDS_MAX, PEER, 9).serialize()) == 0


def arriving(source: IPv4Address, next_header: int, kind: int = 0, options: bytes = b"") -> bytes:
    inside = b"\x60\0\0\0\0\x08" + bytes([next_header, 64]) + bytes(32) + bytes([kind]) + bytes(7)
    return IPv4Packet(source, US, IpProtocol.IPV6, inside, options=options).serialize()


def test_beside_a_kernel_tunnel_strangers_and_echo_replies_are_heard_and_the_rest_is_left_to_it() -> None:
    program = not_carried_from(PEER)
    assert run(program, arriving(STRANGER, IpProtocol.TCP))
    assert run(program, arriving(STRANGER, IpProtocol.TCP)[:24])
    assert run(program, arriving(PEER, IpProtocol.ICMPV6, 129))
    assert run(program, arriving(PEER, IpProtocol.ICMPV6, 129, options=b"\x94\x04\0\0"))
    assert not run(program, arriving(PEER, IpProtocol.ICMPV6, 128))
    assert not run(program, arriving(PEER, IpProtocol.TCP, 129))
    assert not run(program, arriving(PEER, IpProtocol.ICMPV6)[:40])
