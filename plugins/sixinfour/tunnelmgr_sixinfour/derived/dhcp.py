"""DHCPINFORM and its answer (RFC 2131 section 3.4): what a network tells of itself to a host that has its address."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Self

from tunnelmgr.api.errors import WireError

CLIENT_PORT, SERVER_PORT = 68, 67
BROADCAST = IPv4Address("255.255.255.255")

_FIXED = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s4s")  # RFC 2131 section 2
_BOOTREQUEST, _BOOTREPLY = 1, 2
_MAGIC = bytes((99, 130, 83, 99))
_LENGTH_MIN = 300  # bytes; relays of BOOTP drop what is shorter (RFC 1542 section 2.1)
_PAD, _END = 0, 255
# RFC 2132 sections 9.3, 9.6, 9.7, 9.8, 9.10, 9.14
_OVERLOAD, _MESSAGE_TYPE, _SERVER, _PARAMETERS, _SIZE_MAX, _CLIENT = 52, 53, 54, 55, 57, 61
_ACK, _INFORM = 5, 8
_IN_FILE, _IN_NAME = 1, 2  # values of the overload option, or their sum


@dataclass(frozen=True, slots=True)
class Inform:
    """A question. It names no hardware: the answer goes to the address, and the identifier tells clients apart."""

    transaction: int
    """32 bits, random: only a server that sees the request can answer."""
    address: IPv4Address
    """The address of the client."""
    client: bytes
    """The identifier of the client, 1..254 bytes."""
    options: tuple[int, ...]
    """Codes of the options that are wanted."""

    def serialize(self) -> bytes:
        head = _FIXED.pack(
            *(_BOOTREQUEST, 1, 0, 0, self.transaction, 0, 0, self.address.packed),
            *(bytes(4), bytes(4), bytes(4), b"", b"", b"", _MAGIC),
        )
        options = (
            (_MESSAGE_TYPE, bytes((_INFORM,))),
            (_CLIENT, bytes(1) + self.client),  # type 0: no hardware address
            (_SIZE_MAX, (1500).to_bytes(2, "big")),
            (_PARAMETERS, bytes(self.options)),
        )
        data = head + b"".join(bytes((code, len(value))) + value for code, value in options) + bytes((_END,))
        return data.ljust(_LENGTH_MIN, bytes(1))


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer to an Inform."""

    transaction: int
    server: IPv4Address
    options: dict[int, bytes]
    """Code -> value; one that came in pieces is whole again (RFC 3396)."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read an answer. Raises WireError for anything else, a message of another kind among it."""
        if len(data) < _FIXED.size:
            raise WireError(f"a DHCP message of {len(data)} bytes")
        operation, _, _, _, transaction, *_, name, file, magic = _FIXED.unpack_from(data)
        if operation != _BOOTREPLY or magic != _MAGIC:
            raise WireError(f"no DHCP answer: operation {operation}, magic cookie {magic.hex()}")
        pieces = list(_options(data[_FIXED.size :]))
        overload = int.from_bytes(dict(pieces).get(_OVERLOAD, b""), "big")
        pieces += _options(file) if overload & _IN_FILE else ()
        pieces += _options(name) if overload & _IN_NAME else ()
        options = _joined(pieces)
        if options.get(_MESSAGE_TYPE) != bytes((_ACK,)):
            raise WireError(f"DHCP message type {options.get(_MESSAGE_TYPE, b'').hex()}, wanted {_ACK:02x}")
        server = options.get(_SERVER, b"")
        if len(server) != len(IPv4Address(0).packed):
            raise WireError(f"a DHCP server identifier of {len(server)} bytes")
        return cls(transaction, IPv4Address(server), options)


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield code and value; raises WireError when the last one is cut off."""
    at = 0
    while at < len(data) and data[at] != _END:
        if data[at] == _PAD:
            at += 1
            continue
        value = data[at + 2 : at + 2 + data[at + 1]] if at + 1 < len(data) else None
        if value is None or len(value) < data[at + 1]:
            raise WireError(f"DHCP option {data[at]} is cut off")
        yield data[at], value
        at += 2 + len(value)


def _joined(pieces: Iterable[tuple[int, bytes]]) -> dict[int, bytes]:
    whole: dict[int, bytes] = {}
    for code, value in pieces:
        whole[code] = whole.get(code, b"") + value
    return whole
