"""What a network card would have filled in: a host that captures what it sends sees no checksum yet, or no length.

What is really wrong is filled in as well, so that it hides nothing, and told.
"""

from tunnelmgr.api.packets.checksum import checksum_is_valid, internet_checksum, pseudo_header_sum
from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.packets.udp import UDP_HEADER_LENGTH

_HEADER_LENGTH = 20  # bytes; of an IPv4 header without options


def completed_ipv4(data: bytes) -> tuple[bytes, str]:
    """Return an IPv4 packet with its header's length and checksum, and what was wrong. What is no header stays as it is."""
    header = (data[0] & 0x0F) * 4 if data else 0
    if not _HEADER_LENGTH <= header <= len(data):
        return data, ""
    if data[2:4] == bytes(2):  # TSO: whoever cuts it into segments writes their lengths
        data = data[:2] + min(len(data), 0xFFFF).to_bytes(2, "big") + data[4:]
        return _with_checksum(data, header), ""
    if checksum_is_valid(data[:header]):
        return data, ""
    said = data[10:12]
    return _with_checksum(data, header), f"IPv4 header checksum {said.hex()} is wrong" if any(said) else ""


def completed_udp(packet: IPv4Packet) -> tuple[bytes, str]:
    """Return the UDP datagram in a packet with its length and without a checksum, and what was wrong with that."""
    data = packet.payload
    if len(data) < UDP_HEADER_LENGTH:
        return data, ""
    length, said = int.from_bytes(data[4:6], "big"), int.from_bytes(data[6:8], "big")
    if length == 0:
        length = len(data)
        return data[:4] + length.to_bytes(2, "big") + bytes(2) + data[8:], ""
    unsummed = data[:6] + bytes(2) + data[8:]
    pseudo_header = pseudo_header_sum(packet.source, packet.destination, IpProtocol.UDP, length)
    partial = ~internet_checksum(b"", pseudo_header) & 0xFFFF  # what the card adds the rest to
    is_fine = said in {0, partial} or length > len(data) or checksum_is_valid(data[:length], pseudo_header)
    return unsummed, "" if is_fine else f"UDP checksum {said:04x} is wrong"


def _with_checksum(data: bytes, header: int) -> bytes:
    unsummed = data[:10] + bytes(2) + data[12:header]
    return unsummed[:10] + internet_checksum(unsummed).to_bytes(2, "big") + unsummed[12:] + data[header:]
