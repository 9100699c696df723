"""What a Teredo server and a relay may say that they should not, in one burst with the truth behind it.

What is believed of a burst shows: only the truth makes the address that the test expects, and answers a ping.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from random import Random
from typing import Any

from tests.hostile.mutations import mutated
from tests.hostile.peer import Answers, Peer
from tests.hostile.ports import TEREDO, TEREDO_RELAY
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.discovery import NeighbourAdvertisement, RouterAdvertisement, RouterSolicitation
from tunnelmgr.api.packets.discovery_options import (
    LIFETIME_INFINITE,
    DiscoveryOption,
    MtuOption,
    PrefixInformation,
    RouteInformation,
)
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.packets.udp import UdpDatagram
from tunnelmgr_teredo.constants import CLIENT_LINK_LOCAL
from tunnelmgr_teredo.wire.address import TeredoAddress, server_link_local, server_prefix
from tunnelmgr_teredo.wire.datagram import Authentication, OriginIndication, Payload, bubble

NATIVE = IPv6Address("2001:db8:6::1")
"""A host of the IPv6 internet that the relay speaks for."""
DAMAGED = 30  # versions of one answer
_INSIDE = ("0.0.0.0", "10.1.2.3", "127.0.0.1", "169.254.1.1", "192.168.1.1", "224.0.0.1", "255.255.255.255")  # noqa: S104
_NO_SOURCES = ("::", "::1", "fe80::1", "ff02::1", "::ffff:192.0.2.1", "fc00::1", "64:ff9b::1")


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What a server tells; as it is made it is true."""

    nonce: bytes
    mapped: Endpoint | None
    source: IPv6Address
    prefixes: tuple[IPv6Network, ...]
    destination: IPv6Address = CLIENT_LINK_LOCAL
    hop_limit: int = 255
    mtu: int = 1280
    probes: tuple[IPv6Network, ...] = ()
    """Routes to hosts, one of which a client may ping as a proof."""

    def serialize(self) -> bytes:
        options: tuple[DiscoveryOption, ...] = (MtuOption(self.mtu),)
        options += tuple(PrefixInformation(one, False, True, LIFETIME_INFINITE, LIFETIME_INFINITE) for one in self.prefixes)
        options += tuple(RouteInformation(one, LIFETIME_INFINITE) for one in self.probes)
        message = RouterAdvertisement(router_lifetime=1800, retransmit_timer=2000, options=options)
        packet = icmpv6_packet(message, self.source, self.destination, self.hop_limit).serialize()
        origin = OriginIndication(self.mapped) if self.mapped is not None else None
        return Payload(packet, Authentication(self.nonce), origin).serialize()


LIES: tuple[dict[str, Any], ...] = (
    {"nonce": bytes(8)},
    {"mapped": None},
    {"mapped": Endpoint(IPv4Address("203.0.113.1"), 0)},
    *({"mapped": Endpoint(IPv4Address(text), 4000)} for text in _INSIDE),
    {"prefixes": ()},
    *({"prefixes": (IPv6Network(text),)} for text in ("::/64", "fe80::/64", "2001:db8:1::/64", "2002:102:304::/64")),
    *({"prefixes": (IPv6Network(text),)} for text in ("2001::/32", "2001:0:7f00:1::/64", "2001:0:c0a8:101::/64")),
    {"prefixes": tuple(IPv6Network(f"2001:db8:{number:x}::/64") for number in range(30))},
    *({"mtu": mtu} for mtu in (0, 68, 1279, 0x1_0000, 0xFFFF_FFFF)),
    *({"source": IPv6Address(text)} for text in ("::", "2001:db8::1", "ff02::2")),
    *({"destination": IPv6Address(text)} for text in ("2001:db8::1", "::1")),
    {"hop_limit": 64},
)
"""Changes of an advertisement for which nobody may take it."""


def true_advertisement(server: IPv4Address, nonce: bytes, mapped: Endpoint) -> Advertisement:
    """Return what an honest server says."""
    probes = ("ff02::1/128", "fe80::1/128", "::1/128", "2001:0:c000:224::1/128", "2000::/3", "::/0")  # for no host to ping
    told = tuple(map(IPv6Network, probes))
    return Advertisement(nonce, mapped, server_link_local(server), (server_prefix(server),), probes=told)


def peers(honest: IPv4Address, damaged: IPv4Address, random: Random) -> dict[Endpoint, Peer]:
    """Return two servers, each with its relay: one that lies before it says the truth, one that damages it."""

    return _with_relay(honest, 0, random) | _with_relay(damaged, DAMAGED, random)


def _with_relay(address: IPv4Address, versions: int, random: Random) -> dict[Endpoint, Peer]:
    """Return a server and a relay on one host, who say so many damaged versions of the truth before it."""
    server, relay = Endpoint(address, TEREDO), Endpoint(address, TEREDO_RELAY)

    def damaged(truth: bytes) -> list[bytes]:
        return [mutated(truth, random) for _ in range(versions)]

    def serve(question: bytes, asker: Endpoint) -> Answers:
        asked = Payload.parse(question)
        message = parse_icmpv6(IPv6Packet.parse(asked.packet))
        if isinstance(message, RouterSolicitation) and asked.authentication is not None:
            truth = true_advertisement(address, asked.authentication.nonce, asker)
            said = [replace(truth, **lie).serialize() for lie in LIES] + damaged(truth.serialize())
            return [(one, asker) for one in (*said, truth.serialize())]
        return [(question, relay)] if isinstance(message, EchoRequest) else []

    def carry(question: bytes, asker: Endpoint) -> Answers:
        packet = IPv6Packet.parse(Payload.parse(question).packet)
        message = parse_icmpv6(packet)
        if not isinstance(message, EchoRequest):
            return []
        client = TeredoAddress.parse(packet.source).mapped
        truth = icmpv6_packet(message.reply(), packet.destination, packet.source, 64).serialize()
        said = [*lies_of_a_relay(message, packet.destination, packet.source), *damaged(truth)]
        return [(one, client) for one in (*said, truth)]

    return {server: serve, relay: carry}


def lies_of_a_relay(asked: EchoRequest, host: IPv6Address, client: IPv6Address) -> Iterator[bytes]:
    """Yield packets none of which may come out of the tunnel."""
    guess = EchoReply(asked.identifier, asked.sequence, bytes(len(asked.data)))
    for text in _NO_SOURCES:
        yield icmpv6_packet(guess, IPv6Address(text), client, 64).serialize()
        yield _data(IPv6Address(text), client)
    yield _data(client, client)
    for text in ("ff02::1", "::1", "fe80::1", "2001:db8:77::5", "2001:0:c000:221::1"):
        yield _data(host, IPv6Address(text))
    prefix = PrefixInformation(IPv6Network("2001:db8:bad::/64"), True, True, LIFETIME_INFINITE, LIFETIME_INFINITE)
    for source in (host, IPv6Address("fe80::1")):
        yield icmpv6_packet(RouterAdvertisement(router_lifetime=9000, options=(prefix,)), source, client).serialize()
        yield icmpv6_packet(NeighbourAdvertisement(client, False, True, True), source, client).serialize()
    yield IPv6Packet(host, client, IpProtocol.ICMPV6, b"\x89\0\0\0" + bytes(36), 255).serialize()
    yield IPv6Packet(host, client, 43, b"\x3b\x02\x00\x01" + bytes(20), 64).serialize()
    for inside in _INSIDE:
        peer = TeredoAddress(IPv4Address("192.0.2.33"), 0, Endpoint(IPv4Address(inside), 53)).ipv6
        yield bubble(peer, client)
        yield Payload(
            bubble(IPv6Address("fe80::1"), client), None, OriginIndication(Endpoint(IPv4Address(inside), 53))
        ).serialize()


def _data(source: IPv6Address, destination: IPv6Address) -> bytes:
    datagram = UdpDatagram(53, 40101, b"\x1b[2J").serialize(source, destination)
    return IPv6Packet(source, destination, IpProtocol.UDP, datagram).serialize()
