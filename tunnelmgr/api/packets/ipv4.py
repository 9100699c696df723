"""The IPv4 header (RFC 791 section 3.1), as a packet and as what an ICMP error quotes of one."""

import struct
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.bounds import require_bits
from tunnelmgr.api.packets.checksum import checksum_is_valid, internet_checksum
from tunnelmgr.api.packets.ecn import Ecn

IPV4_HEADER_LENGTH = 20  # bytes, without options
IPV4_OPTIONS_MAX = 40  # bytes

_HEADER = struct.Struct("!BBHHHBBH4s4s")
_RESERVED, _DONT_FRAGMENT, _MORE_FRAGMENTS = 0x8000, 0x4000, 0x2000
_END_OF_OPTIONS, _NO_OPERATION = 0, 1


@dataclass(frozen=True, slots=True)
class IPv4Packet:
    """One IPv4 packet or fragment.

    `fragment_offset` is in bytes, a multiple of 8. `options` are kept as they stand on the wire, padded to a multiple
    of 4 bytes. Raises WireError when a field does not fit the header.
    """

    source: IPv4Address
    destination: IPv4Address
    protocol: int
    payload: bytes = b""
    ttl: int = 64
    tos: int = 0
    identification: int = 0
    dont_fragment: bool = False
    more_fragments: bool = False
    fragment_offset: int = 0
    options: bytes = b""

    def __post_init__(self) -> None:
        require_bits("IPv4 protocol", self.protocol, 8)
        require_bits("IPv4 total length", self.header_length + len(self.payload), 16)
        require_bits("TTL", self.ttl, 8)
        require_bits("TOS", self.tos, 8)
        require_bits("IPv4 identification", self.identification, 16)
        require_bits("IPv4 fragment offset", self.fragment_offset, 16)
        if self.fragment_offset % 8:
            raise WireError(f"IPv4 fragment offset {self.fragment_offset} is no multiple of 8")
        _require_options(self.options)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the packet at the start of `data`; bytes beyond its total length are ignored.

        Raises WireError also for a wrong header checksum, a set reserved flag, and fragments that cannot be put
        together: not of whole 8-byte blocks, or reaching beyond 65535 bytes.
        """
        header, total_length = _header_of(data)
        if not len(header) <= total_length <= len(data):
            raise WireError(f"IPv4 total length {total_length} in {len(data)} bytes, header {len(header)}")
        if not checksum_is_valid(header):
            raise WireError(f"IPv4 header checksum {header[10:12].hex()} is wrong")
        packet = cls._from_header(header, data[len(header) : total_length])
        packet._require_sound_fragment()
        return packet

    @classmethod
    def _from_header(cls, header: bytes, payload: bytes) -> Self:
        _, tos, _, identification, fragment, ttl, protocol, _, source, destination = _HEADER.unpack_from(header)
        if fragment & _RESERVED:
            raise WireError("reserved IPv4 flag is set")
        return cls(
            IPv4Address(source),
            IPv4Address(destination),
            protocol,
            payload,
            ttl,
            tos,
            identification,
            dont_fragment=bool(fragment & _DONT_FRAGMENT),
            more_fragments=bool(fragment & _MORE_FRAGMENTS),
            fragment_offset=(fragment & 0x1FFF) * 8,
            options=header[IPV4_HEADER_LENGTH:],
        )

    def _require_sound_fragment(self) -> None:
        if self.more_fragments and len(self.payload) % 8:
            raise WireError(f"IPv4 fragment of {len(self.payload)} bytes that is not the last")
        if self.header_length + self.fragment_offset + len(self.payload) > 0xFFFF:
            raise WireError(f"IPv4 fragment at {self.fragment_offset} reaches beyond 65535 bytes")

    def serialize(self) -> bytes:
        return self._header(self.header_length + len(self.payload)) + self.payload

    def _header(self, total_length: int) -> bytes:
        flags = (_DONT_FRAGMENT if self.dont_fragment else 0) | (_MORE_FRAGMENTS if self.more_fragments else 0)
        fixed = _HEADER.pack(
            4 << 4 | self.header_length // 4,
            self.tos,
            total_length,
            self.identification,
            flags | self.fragment_offset // 8,
            self.ttl,
            self.protocol,
            0,
            self.source.packed,
            self.destination.packed,
        )
        checksum = internet_checksum(fixed + self.options)
        return fixed[:10] + checksum.to_bytes(2, "big") + fixed[12:] + self.options

    @property
    def header_length(self) -> int:
        """In bytes, options included."""
        return IPV4_HEADER_LENGTH + len(self.options)

    @property
    def is_fragment(self) -> bool:
        return self.more_fragments or self.fragment_offset > 0

    @property
    def ecn(self) -> Ecn:
        return Ecn(self.tos & 3)


@dataclass(frozen=True, slots=True)
class IPv4Quote:
    """The beginning of an IPv4 packet: the payload of `packet` stops where the quote does.

    `total_length` is what the original header says, in bytes.
    """

    packet: IPv4Packet
    total_length: int

    def __post_init__(self) -> None:
        require_bits("IPv4 total length", self.total_length, 16)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what was quoted; raises WireError only when the header is not all there, or not a possible one.

        Its checksum is not looked at: routers quote the packet as they have changed it, and NATs change the quote.
        """
        header, total_length = _header_of(data)
        return cls(IPv4Packet._from_header(header, data[len(header) : max(total_length, len(header))]), total_length)

    @classmethod
    def of(cls, packet: IPv4Packet, payload_max: int = 8) -> Self:
        """Quote the header of `packet` and up to `payload_max` bytes: RFC 792 asks for 8, RFC 1812 for more."""
        quoted = replace(packet, payload=packet.payload[:payload_max])
        return cls(quoted, packet.header_length + len(packet.payload))

    def serialize(self) -> bytes:
        return self.packet._header(self.total_length) + self.packet.payload


def _header_of(data: bytes) -> tuple[bytes, int]:
    """Return the header with its options, and the total length it states."""
    if len(data) < IPV4_HEADER_LENGTH:
        raise WireError(f"IPv4 header needs {IPV4_HEADER_LENGTH} bytes, got {len(data)}")
    if data[0] >> 4 != 4:
        raise WireError(f"IP version {data[0] >> 4}, expected 4")
    length = (data[0] & 0xF) * 4
    if not IPV4_HEADER_LENGTH <= length <= len(data):
        raise WireError(f"IPv4 header of {length} bytes in {len(data)} bytes")
    return data[:length], data[2] << 8 | data[3]


def _require_options(options: bytes) -> None:
    """Raise WireError unless the options are well-formed and fill whole words (RFC 791 section 3.1)."""
    if len(options) % 4 or len(options) > IPV4_OPTIONS_MAX:
        raise WireError(f"IPv4 options of {len(options)} bytes, must be a multiple of 4 up to {IPV4_OPTIONS_MAX}")
    position = 0
    while position < len(options) and options[position] != _END_OF_OPTIONS:
        if options[position] == _NO_OPERATION:
            position += 1
            continue
        length = options[position + 1] if position + 1 < len(options) else 0
        if length < 2 or position + length > len(options):
            raise WireError(f"IPv4 option {options[position]} of {length} bytes at byte {position} of {len(options)}")
        position += length
