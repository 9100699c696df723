"""What attackers send to an end of a configured tunnel, by the reason it is to be dropped for."""

import sys
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address

from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.namespaces import Host

STRANGER = IPv4Address("198.51.100.66")
_SOMEBODY = IPv6Address("2001:db8:6::1")
_NOT_OURS = IPv6Address("2001:db8:77::1")
_SEND = """\
import socket, sys
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for line in sys.stdin:
    out.sendto(bytes.fromhex(line.strip()), (sys.argv[1], 0))
"""


def attacks_on(local: IPv4Address, remote: IPv4Address, inner: IPv6Address, site: IPv6Address) -> Mapping[str, list[bytes]]:
    """Return packets for the end `local` of a tunnel to `remote`, outer header included.

    `inner` is the tunnel address of that end, in a /64, and `site` an address in a prefix routed to it.
    """

    def carried(
        source: IPv6Address, destination: IPv6Address = inner, kind: int = IpProtocol.UDP, payload: bytes = bytes(8)
    ) -> bytes:
        return outer(IPv6Packet(source, destination, kind, payload).serialize())

    def outer(payload: bytes, source: IPv4Address = remote) -> bytes:
        return IPv4Packet(source, local, IpProtocol.IPV6, payload).serialize()

    def nested(levels: int) -> bytes:
        packet = IPv6Packet(_SOMEBODY, inner, IpProtocol.UDP, bytes(8)).serialize()
        for _ in range(levels):
            packet = IPv6Packet(_SOMEBODY, inner, IpProtocol.IPV6, packet).serialize()
        return packet

    routing = bytes([IpProtocol.NO_NEXT_HEADER, 0, 0, 0]) + bytes(4)  # type 0: RFC 5095
    impossible = ("::1", "ff02::1", "::ffff:192.0.2.9", "2002:a00:1::1")
    return {
        "outer-source": [outer(IPv6Packet(_SOMEBODY, inner, IpProtocol.UDP, bytes(8)).serialize(), STRANGER)],
        "source": [carried(IPv6Address(source)) for source in impossible],
        "ingress": [carried(source) for source in (inner, site, inner + 0x97)],
        "destination": [carried(_SOMEBODY, _NOT_OURS)],
        "routing-header": [carried(_SOMEBODY, kind=IpProtocol.ROUTING, payload=routing)],
        "nested": [outer(nested(5))],
        "malformed": [outer(b"\x45" + bytes(60))],
    }


def send(attacker: Host, target: IPv4Address, packets: Iterable[bytes]) -> None:
    """Send IPv4 packets as they are, whatever source they name."""
    attacker.run([sys.executable, "-c", _SEND, str(target)], stdin="\n".join(packet.hex() for packet in packets))
