"""UDP (RFC 768) over IPv4 and IPv6, with its checksum."""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.bounds import require_bits
from tunnelmgr.api.packets.checksum import IpAddress, checksum_is_valid, internet_checksum, pseudo_header_sum
from tunnelmgr.api.packets.protocol import IpProtocol

UDP_HEADER_LENGTH = 8  # bytes

_HEADER = struct.Struct("!HHHH")


@dataclass(frozen=True, slots=True)
class UdpDatagram:
    """One UDP datagram. Raises WireError when a port or the length does not fit 16 bits."""

    source_port: int
    destination_port: int
    payload: bytes

    def __post_init__(self) -> None:
        require_bits("UDP source port", self.source_port, 16)
        require_bits("UDP destination port", self.destination_port, 16)
        require_bits("UDP length", UDP_HEADER_LENGTH + len(self.payload), 16)

    @classmethod
    def parse(cls, data: bytes, source: IpAddress, destination: IpAddress) -> Self:
        """Read the datagram `data` begins with, sent from IP address `source` to `destination`.

        Bytes beyond the UDP length are ignored. Raises WireError for a length that is impossible and a wrong checksum.
        """
        if len(data) < UDP_HEADER_LENGTH:
            raise WireError(f"UDP header needs {UDP_HEADER_LENGTH} bytes, got {len(data)}")
        source_port, destination_port, length, checksum = _HEADER.unpack_from(data)
        if not UDP_HEADER_LENGTH <= length <= len(data):
            raise WireError(f"UDP length {length} in {len(data)} bytes")
        if checksum == 0:
            # "Not computed": fine over IPv4 (RFC 768), not over IPv6 (RFC 8200 section 8.1).
            if not isinstance(source, IPv4Address):
                raise WireError("UDP over IPv6 without a checksum")
        elif not checksum_is_valid(data[:length], pseudo_header_sum(source, destination, IpProtocol.UDP, length)):
            raise WireError(f"UDP checksum {checksum:#06x} is wrong")
        return cls(source_port, destination_port, data[UDP_HEADER_LENGTH:length])

    def serialize(self, source: IpAddress, destination: IpAddress) -> bytes:
        """Return the datagram with its checksum for these IP addresses."""
        length = UDP_HEADER_LENGTH + len(self.payload)
        unsummed = _HEADER.pack(self.source_port, self.destination_port, length, 0) + self.payload
        # A checksum that comes out as zero travels as its other representation: zero means "not computed".
        checksum = internet_checksum(unsummed, pseudo_header_sum(source, destination, IpProtocol.UDP, length)) or 0xFFFF
        return unsummed[:6] + checksum.to_bytes(2, "big") + self.payload
