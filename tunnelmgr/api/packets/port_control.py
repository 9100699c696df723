"""How a host asks its own router about the router's NAT: NAT-PMP (RFC 6886) and PCP (RFC 6887), on the same port.

Only what shows that they are there, and the router's address outside: mappings are asked for with other messages.
"""

import struct
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.bounds import known_code, require_bits

PORT_CONTROL_PORT = 5351  # UDP; RFC 6886 section 3, RFC 6887 section 19.1

_NAT_PMP_VERSION = 0
_PCP_VERSION = 2
_ANNOUNCE = 0  # PCP opcode; RFC 6887 section 14.1
_RESPONSE = 0x80  # in the octet of the operation, in both protocols
_EXTERNAL_ADDRESS = struct.Struct("!BBHI4s")
_PCP_REQUEST = struct.Struct("!BBHI16s")
_PCP_RESPONSE = struct.Struct("!BBBBII12x")
_PCP_LENGTH_MAX = 1100  # bytes; RFC 6887 section 7


class NatPmpResult(Enum):
    """What became of a request (RFC 6886 section 3.5)."""

    SUCCESS = 0
    UNSUPPORTED_VERSION = 1
    NOT_AUTHORISED = 2
    NETWORK_FAILURE = 3
    OUT_OF_RESOURCES = 4
    UNSUPPORTED_OPCODE = 5


class PcpResult(Enum):
    """What became of a request (RFC 6887 section 7.4)."""

    SUCCESS = 0
    UNSUPP_VERSION = 1
    NOT_AUTHORIZED = 2
    MALFORMED_REQUEST = 3
    UNSUPP_OPCODE = 4
    UNSUPP_OPTION = 5
    MALFORMED_OPTION = 6
    NETWORK_FAILURE = 7
    NO_RESOURCES = 8
    UNSUPP_PROTOCOL = 9
    USER_EX_QUOTA = 10
    CANNOT_PROVIDE_EXTERNAL = 11
    ADDRESS_MISMATCH = 12
    EXCESSIVE_REMOTE_PEERS = 13


@dataclass(frozen=True, slots=True)
class ExternalAddressRequest:
    """Asks the router for its address outside (RFC 6886 section 3.2)."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        if data != b"\0\0":
            raise WireError(f"not a request for the external address: {data[:8].hex()}")
        return cls()

    def serialize(self) -> bytes:
        return b"\0\0"


@dataclass(frozen=True, slots=True)
class ExternalAddressResponse:
    """The router's address outside, or why it has none."""

    result: NatPmpResult
    epoch: int
    """Seconds since the router's mappings began."""
    address: IPv4Address
    """0.0.0.0 where the result is no success."""

    def __post_init__(self) -> None:
        require_bits("epoch", self.epoch, 32)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        if len(data) != _EXTERNAL_ADDRESS.size:
            raise WireError(f"not {_EXTERNAL_ADDRESS.size} bytes of NAT-PMP: {len(data)}")
        version, operation, code, epoch, address = _EXTERNAL_ADDRESS.unpack(data)
        if (version, operation) != (_NAT_PMP_VERSION, _RESPONSE):
            raise WireError(f"not an answer with the external address: version {version}, operation {operation}")
        return cls(known_code(NatPmpResult, code), epoch, IPv4Address(address))

    def serialize(self) -> bytes:
        return _EXTERNAL_ADDRESS.pack(_NAT_PMP_VERSION, _RESPONSE, self.result.value, self.epoch, self.address.packed)


@dataclass(frozen=True, slots=True)
class AnnounceRequest:
    """Asks a PCP server for nothing but a sign of life (RFC 6887 section 14.1)."""

    client: IPv4Address
    """Our own address: a NAT between us and the server shows by its differing."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        if len(data) != _PCP_REQUEST.size:
            raise WireError(f"not {_PCP_REQUEST.size} bytes of PCP: {len(data)}")
        version, operation, _, _, address = _PCP_REQUEST.unpack(data)
        client = IPv6Address(address).ipv4_mapped
        if (version, operation) != (_PCP_VERSION, _ANNOUNCE) or client is None:
            raise WireError(f"not an IPv4 host's ANNOUNCE request: {data[:8].hex()}")
        return cls(client)

    def serialize(self) -> bytes:
        return _PCP_REQUEST.pack(_PCP_VERSION, _ANNOUNCE, 0, 0, IPv6Address(f"::ffff:{self.client}").packed)


@dataclass(frozen=True, slots=True)
class AnnounceResponse:
    """A PCP server's sign of life."""

    result: PcpResult
    lifetime: int
    """Seconds for which a failure lasts; 0 with success."""
    epoch: int
    """Seconds since the server's state began."""

    def __post_init__(self) -> None:
        require_bits("lifetime", self.lifetime, 32)
        require_bits("epoch", self.epoch, 32)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Options after the header are no concern of ours (RFC 6887 section 7.3)."""
        if not _PCP_RESPONSE.size <= len(data) <= _PCP_LENGTH_MAX or len(data) % 4:
            raise WireError(f"no length of a PCP message: {len(data)}")
        version, operation, _, code, lifetime, epoch = _PCP_RESPONSE.unpack_from(data)
        if (version, operation) != (_PCP_VERSION, _RESPONSE | _ANNOUNCE):
            raise WireError(f"not an answer to ANNOUNCE: version {version}, operation {operation}")
        return cls(known_code(PcpResult, code), lifetime, epoch)

    def serialize(self) -> bytes:
        return _PCP_RESPONSE.pack(_PCP_VERSION, _RESPONSE | _ANNOUNCE, 0, self.result.value, self.lifetime, self.epoch)
