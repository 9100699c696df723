"""Which inner packets may pass where no path of the data plane carries them: fragments, options, and what nobody expects."""

from collections.abc import Iterable
from ipaddress import IPv6Address, IPv6Network

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets import IpProtocol, IPv6Packet
from tunnelmgr.api.packets.ipv6 import ipv6_length

_NEVER = tuple(map(IPv6Network, ("::/8", "fe80::/10", "ff00::/8")))
_NEIGHBOUR_DISCOVERY = range(133, 138)  # RFC 4861: valid on a link only


def is_within(address: IPv6Address, networks: Iterable[IPv6Network]) -> bool:
    """Whether an address is in any of the networks."""
    return any(address in network for network in networks)


def parse_inner(data: bytes) -> tuple[IPv6Packet, bytes]:
    """Return the packet in a datagram, parsed and raw.

    Raises WireError when there is none, when it is neighbour discovery, or when an address of it belongs on a link.
    """
    packet = IPv6Packet.parse(data)
    if is_within(packet.source, _NEVER) or is_within(packet.destination, _NEVER):
        raise WireError(f"from {packet.source} to {packet.destination}")
    if packet.next_header == IpProtocol.ICMPV6 and packet.payload and packet.payload[0] in _NEIGHBOUR_DISCOVERY:
        raise WireError("neighbour discovery")
    return packet, data[: ipv6_length(data)]
