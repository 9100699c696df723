"""The IPv6 header (RFC 8200 section 3), as a packet, whole or as ICMP errors quote one, and as offsets into raw bytes."""

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.bounds import require_bits
from tunnelmgr.api.packets.ecn import Ecn
from tunnelmgr.api.packets.extension_headers import UpperLayer, find_upper_layer

IPV6_MINIMUM_MTU = 1280  # bytes every IPv6 link carries; RFC 8200 section 5
IPV6_HEADER_LENGTH = 40  # bytes, without extension headers

# Where the header keeps what forwarding looks at, for code that handles packets as raw bytes.
IPV6_NEXT_HEADER = 6
IPV6_HOP_LIMIT = 7
IPV6_SOURCE = slice(8, 24)
IPV6_DESTINATION = slice(24, 40)

_HEADER = struct.Struct("!IHBB16s16s")


def ipv6_length(data: bytes | memoryview) -> int:
    """Return how many bytes of `data` the IPv6 packet at its start takes, header included.

    More may follow: padding below protocol 41, trailers in Teredo (RFC 6081 section 4). Raises WireError if there is no
    whole packet.
    """
    length = IPV6_HEADER_LENGTH + _payload_length(data)
    if length > len(data):
        raise WireError(f"IPv6 packet of {length} bytes in {len(data)} bytes")
    return length


def traffic_class(packet: bytes) -> int:
    """Return the traffic class of a raw packet of two bytes at least."""
    return (packet[0] & 0x0F) << 4 | packet[1] >> 4


def with_traffic_class(packet: bytes, value: int) -> bytes:
    """Return a raw packet with another traffic class; no checksum covers it."""
    return bytes((0x60 | value >> 4, (value & 0x0F) << 4 | packet[1] & 0x0F)) + packet[2:]


def with_hop_limit(packet: bytes, value: int) -> bytes:
    """Return a raw packet with another hop limit; no checksum covers it."""
    return packet[:IPV6_HOP_LIMIT] + bytes((value,)) + packet[IPV6_HOP_LIMIT + 1 :]


@dataclass(frozen=True, slots=True)
class IPv6Packet:
    """One IPv6 packet; `payload` begins with the header `next_header` names, extension headers included.

    Jumbograms (RFC 2675) are not supported. Raises WireError when a field does not fit the header.
    """

    source: IPv6Address
    destination: IPv6Address
    next_header: int
    payload: bytes = b""
    hop_limit: int = 64
    traffic_class: int = 0
    flow_label: int = 0

    def __post_init__(self) -> None:
        require_bits("IPv6 next header", self.next_header, 8)
        require_bits("IPv6 payload length", len(self.payload), 16)
        require_bits("hop limit", self.hop_limit, 8)
        require_bits("traffic class", self.traffic_class, 8)
        require_bits("flow label", self.flow_label, 20)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the packet at the start of `data` and ignore what follows it."""
        return cls.split(data)[0]

    @classmethod
    def split(cls, data: bytes) -> tuple[Self, bytes]:
        """Read the packet at the start of `data`; return it and the bytes behind it."""
        length = ipv6_length(data)
        return cls._from_header(data, data[IPV6_HEADER_LENGTH:length]), data[length:]

    @classmethod
    def quoted(cls, data: bytes) -> Self:
        """Read the beginning of a packet, as errors quote it: the payload stops where the quote does.

        Raises WireError only when the fixed header is not all there, or is not IPv6.
        """
        return cls._from_header(data, data[IPV6_HEADER_LENGTH : IPV6_HEADER_LENGTH + _payload_length(data)])

    @classmethod
    def _from_header(cls, header: bytes, payload: bytes) -> Self:
        word, _, next_header, hop_limit, source, destination = _HEADER.unpack_from(header)
        return cls(
            IPv6Address(source),
            IPv6Address(destination),
            next_header,
            payload,
            hop_limit,
            traffic_class=word >> 20 & 0xFF,
            flow_label=word & 0xFFFFF,
        )

    def serialize(self) -> bytes:
        word = 6 << 28 | self.traffic_class << 20 | self.flow_label
        source, destination = self.source.packed, self.destination.packed
        header = _HEADER.pack(word, len(self.payload), self.next_header, self.hop_limit, source, destination)
        return header + self.payload

    def upper_layer(self) -> UpperLayer:
        """Find what is behind the extension headers; raises WireError as find_upper_layer() does."""
        return find_upper_layer(self.next_header, self.payload)

    @property
    def ecn(self) -> Ecn:
        return Ecn(self.traffic_class & 3)


def _payload_length(data: bytes | memoryview) -> int:
    if len(data) < IPV6_HEADER_LENGTH:
        raise WireError(f"IPv6 header needs {IPV6_HEADER_LENGTH} bytes, got {len(data)}")
    if data[0] >> 4 != 6:
        raise WireError(f"IP version {data[0] >> 4}, expected 6")
    return data[4] << 8 | data[5]
