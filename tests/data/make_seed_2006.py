"""Builds seed-2006.pcap, the trace of 2006 that docs/the-six-packets.md tells, from what is known of it.

    python -m tests.data.make_seed_2006 [FILE]

Known is: the client's address and with it server, mapped port and mapped address; the relay's port; the native host;
direction and UDP payload length of every Teredo datagram; the pauses of 4 s and 34 s. All else is reconstructed, as that
page says in full: the same arguments give the same bytes, so a test can tell whether the file is this program's.
"""

import struct
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from random import Random

from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.discovery import RouterAdvertisement, RouterSolicitation
from tunnelmgr.api.packets.discovery_options import LIFETIME_INFINITE, MtuOption, OtherOption, PrefixInformation
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet
from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.packets.udp import UdpDatagram
from tunnelmgr_teredo.wire.address import TeredoAddress, server_link_local
from tunnelmgr_teredo.wire.datagram import Authentication, OriginIndication, Payload, bubble

FILE = Path(__file__).with_name("seed-2006.pcap")

# What the trace tells.
CLIENT = IPv6Address("3ffe:831f:8ac3:9ddd:0:3650:ba0c:d759")
HOST = IPv6Address("2001:1638:305:4::1")
RELAY_PORT = 51246
RETRY, REFRESH = 4.0, 34.0  # seconds

# What its address tells.
_DECODED = TeredoAddress.decode(CLIENT)
assert _DECODED is not None
MAPPED = _DECODED.mapped
SERVER = _DECODED.server_endpoint
PREFIX = IPv6Network((CLIENT.packed[:8] + bytes(8), 64))

# What it does not tell.
SECOND_SERVER = Endpoint(SERVER.address + 1, SERVER.port)
RELAY = Endpoint(IPv4Address("192.0.2.46"), RELAY_PORT)
LOCAL = Endpoint(IPv4Address("192.168.1.100"), 1046)
ROUTER = IPv4Address("192.168.1.1")
TEREDO_CONE, TEREDO = IPv6Address("fe80::8000:5445:5245:444f"), IPv6Address("fe80::5445:5245:444f")
ALL_ROUTERS = IPv6Address("ff02::2")
LINK_LAYER_ADDRESS = OtherOption(1, bytes(14))  # 16 bytes: what makes a solicitation 77 bytes long
CLIENT_MAC, ROUTER_MAC = bytes.fromhex("00005e005301"), bytes.fromhex("00005e005302")  # for documentation: RFC 7042
BEGINNING = 1_149_595_200  # 2006-06-06 12:00 UTC
ROUND_TRIP = 0.12  # seconds to the server


@dataclass(slots=True)
class Recorder:
    """Writes frames as they pass the client's network card."""

    data: bytes = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    now: float = 0.0
    identification: int = 0

    def frame(self, pause: float, destination: bytes, source: bytes, ethertype: int, packet: bytes) -> None:
        """Record a frame `pause` seconds after the one before."""
        self.now += pause
        data = destination + source + ethertype.to_bytes(2, "big") + packet
        seconds, fraction = divmod(round(self.now * 1e6), 1_000_000)
        self.data += struct.pack("<IIII", BEGINNING + seconds, fraction, len(data), len(data)) + data

    def sent(self, pause: float, remote: Endpoint, payload: bytes, local: Endpoint = LOCAL) -> None:
        """Record a datagram of the client."""
        self.frame(pause, ROUTER_MAC, CLIENT_MAC, 0x0800, self._udp(local, remote, payload, 128))

    def received(self, pause: float, remote: Endpoint, payload: bytes, local: Endpoint = LOCAL) -> None:
        """Record a datagram for the client, as its NAT has rewritten it."""
        self.frame(pause, CLIENT_MAC, ROUTER_MAC, 0x0800, self._udp(remote, local, payload, 52))

    def _udp(self, source: Endpoint, destination: Endpoint, payload: bytes, ttl: int) -> bytes:
        self.identification += 1
        data = UdpDatagram(source.port, destination.port, payload).serialize(source.address, destination.address)
        packet = IPv4Packet(
            source.address, destination.address, IpProtocol.UDP, data, ttl, identification=self.identification
        )
        return packet.serialize()


def seed() -> bytes:
    """Return the file."""
    record, random = Recorder(), Random(2006)
    _arrive(record)
    _qualify(record, random)
    _look_up(record, 11.7, b"\4host\7example\3net\0", 28, HOST.packed)
    _six_packets_and_two_more(record, random)
    return record.data


def _arrive(record: Recorder) -> None:
    """Find the router, then the server: frames 1 to 4."""
    asked = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + CLIENT_MAC + LOCAL.address.packed + bytes(6) + ROUTER.packed
    told = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + ROUTER_MAC + ROUTER.packed + CLIENT_MAC + LOCAL.address.packed
    record.frame(0, b"\xff" * 6, CLIENT_MAC, 0x0806, asked)
    record.frame(0.0004, CLIENT_MAC, ROUTER_MAC, 0x0806, told)
    _look_up(record, 0.0002, b"\6teredo\7example\3net\0", 1, SERVER.address.packed)


def _look_up(record: Recorder, pause: float, name: bytes, kind: int, answer: bytes) -> None:
    """Ask a name server, and hear its answer."""
    resolver, local = Endpoint(ROUTER, 53), Endpoint(LOCAL.address, 1025)
    question = name + struct.pack("!HH", kind, 1)
    record.sent(pause, resolver, struct.pack("!6H", kind, 0x0100, 1, 0, 0, 0) + question, local)
    resource = struct.pack("!HHHIH", 0xC00C, kind, 1, 3600, len(answer)) + answer
    record.received(0.04, resolver, struct.pack("!6H", kind, 0x8180, 1, 1, 0, 0) + question + resource, local)


def _qualify(record: Recorder, random: Random) -> None:
    """Ask three times as a client behind a full cone NAT, then as one behind another: frames 5 to 13."""
    for pause in (0.002, RETRY, RETRY):
        record.sent(pause, SERVER, _solicitation(TEREDO_CONE, random.randbytes(8)))
    for pause, server in ((RETRY, SERVER), (0.01, SECOND_SERVER), (REFRESH, SERVER)):
        nonce = random.randbytes(8)
        record.sent(pause, server, _solicitation(TEREDO, nonce))
        record.received(ROUND_TRIP, server, _advertisement(nonce))


def _solicitation(source: IPv6Address, nonce: bytes) -> bytes:
    packet = icmpv6_packet(RouterSolicitation((LINK_LAYER_ADDRESS,)), source, ALL_ROUTERS)
    return Payload(packet.serialize(), Authentication(nonce)).serialize()


def _advertisement(nonce: bytes) -> bytes:
    prefix = PrefixInformation(PREFIX, False, True, LIFETIME_INFINITE, LIFETIME_INFINITE)
    message = RouterAdvertisement(retransmit_timer=2000, options=(prefix, MtuOption(1280)))
    packet = icmpv6_packet(message, server_link_local(SERVER.address), TEREDO).serialize()
    return Payload(packet, Authentication(nonce), OriginIndication(MAPPED)).serialize()


def _six_packets_and_two_more(record: Recorder, random: Random) -> None:
    """Find the relay of the host, then ping the host through it: frames 16 to 23."""
    test = EchoRequest(0xBEEF, 1, random.randbytes(16))
    record.sent(0.001, SERVER, _echo(test))
    indirect = Payload(bubble(HOST, CLIENT), origin=OriginIndication(RELAY))
    record.received(0.183, SERVER, indirect.serialize())
    record.sent(0.0003, RELAY, bubble(CLIENT, HOST))
    record.received(0.097, RELAY, _echo(test.reply()))
    for number, pause in ((1, 0.0003), (2, 0.9)):
        ping = EchoRequest(0x0200, number, b"abcdefgh")
        record.sent(pause, RELAY, _echo(ping))
        record.received(0.098, RELAY, _echo(ping.reply()))


def _echo(message: EchoRequest | EchoReply) -> bytes:
    ends = (CLIENT, HOST) if isinstance(message, EchoRequest) else (HOST, CLIENT)
    return icmpv6_packet(message, *ends, hop_limit=128 if isinstance(message, EchoRequest) else 64).serialize()


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else FILE).write_bytes(seed())
