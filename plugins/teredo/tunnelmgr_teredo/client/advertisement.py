"""Which router advertisements qualify a client (RFC 4380 section 5.2.1; the order is teredo.md section 4.4)."""

from dataclasses import dataclass
from ipaddress import IPv6Address
from itertools import islice

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.discovery import RouterAdvertisement
from tunnelmgr.api.packets.icmpv6 import parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.client.servers import Server
from tunnelmgr_teredo.constants import CLIENT_LINK_LOCAL, LINK_MTU, MTU_MAX
from tunnelmgr_teredo.drops import Drop, Refused
from tunnelmgr_teredo.native import is_native
from tunnelmgr_teredo.wire.address import GlobalUnicast, server_prefix
from tunnelmgr_teredo.wire.datagram import Payload


@dataclass(frozen=True, slots=True)
class ServerAdvertisement:
    """What a server told a client."""

    server: Server
    mapped: Endpoint
    """Where the server sees the client."""
    mtu: int
    """Of the tunnel, in bytes."""
    probe: tuple[IPv6Address, ...] = ()
    """The server's own address on native IPv6, where it tells one. It answers pings, which come back through a relay."""


def read_advertisement(payload: Payload, server: Server, unicast: GlobalUnicast) -> ServerAdvertisement:
    """Check all that can be told from the payload; nonce and signature are the solicitation's to check. Raises Refused."""
    if payload.origin is None or not unicast.has_endpoint(payload.origin.endpoint):
        raise Refused(Drop.RA_ORIGIN)
    advertisement = _router_advertisement(payload)
    # Made of the primary address, also when the secondary one answers.
    if [option.prefix for option in advertisement.prefixes] != [server_prefix(server.primary)]:
        raise Refused(Drop.RA_PREFIX)
    mtu = LINK_MTU if advertisement.mtu is None else advertisement.mtu
    if not LINK_MTU <= mtu <= MTU_MAX:
        raise Refused(Drop.RA_MTU)
    return ServerAdvertisement(server, payload.origin.endpoint, mtu, _probe(advertisement))


def _router_advertisement(payload: Payload) -> RouterAdvertisement:
    packet = IPv6Packet.parse(payload.packet)
    if packet.hop_limit != 255 or not packet.source.is_link_local or packet.destination != CLIENT_LINK_LOCAL:
        raise Refused(Drop.RA_LINK)
    try:
        message = parse_icmpv6(packet)
    except WireError:
        raise Refused(Drop.RA_CONTENT) from None
    if not isinstance(message, RouterAdvertisement):
        raise Refused(Drop.RA_CONTENT)
    return message


def _probe(advertisement: RouterAdvertisement) -> tuple[IPv6Address, ...]:
    """Return the first native host that the server says is reached through it. Nothing is routed by what it says."""
    hosts = (route.prefix.network_address for route in advertisement.routes if route.prefix.prefixlen == 128)
    return tuple(islice(filter(is_native, hosts), 1))


def is_advertisement(payload: Payload, packet: IPv6Packet) -> bool:
    """True if a datagram must be judged as an answer to a solicitation, and as nothing else."""
    return payload.authentication is not None or packet.destination == CLIENT_LINK_LOCAL
