"""Teredo addresses (RFC 4380 section 4, flags as in RFC 5991) and the IPv4 addresses they may hold."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random
from typing import NamedTuple, Self

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr_teredo.constants import (
    LINK_LOCAL_PREFIX,
    NOT_GLOBAL_UNICAST,
    OBSOLETE_PREFIX,
    RANDOM_FLAGS,
    SERVER_PORT,
    TEREDO_PREFIX,
)

CONE = 0x8000  # of the flags: set by old clients behind a full cone NAT; RFC 5991 section 3.2 ends its use

_IDENTIFIER = struct.Struct("!HHI")


class InterfaceIdentifier(NamedTuple):
    """The lower half of Teredo addresses, and of the link-local addresses used with servers."""

    flags: int
    mapped: Endpoint

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read 8 bytes; every value means something."""
        flags, port, address = _IDENTIFIER.unpack(data)
        return cls(flags, Endpoint(IPv4Address(address ^ 0xFFFF_FFFF), port ^ 0xFFFF))

    def serialize(self) -> bytes:
        # Inverted so that a NAT which rewrites addresses inside payloads does not recognise ours.
        return _IDENTIFIER.pack(self.flags, self.mapped.port ^ 0xFFFF, int(self.mapped.address) ^ 0xFFFF_FFFF)

    @property
    def cone(self) -> bool:
        return bool(self.flags & CONE)


@dataclass(frozen=True, slots=True)
class TeredoAddress:
    """What an address says: which server its owner uses, and where the owner's NAT can be reached."""

    server: IPv4Address
    flags: int
    mapped: Endpoint
    prefix: IPv6Network = TEREDO_PREFIX

    @classmethod
    def parse(cls, address: IPv6Address) -> Self:
        """Raises WireError for an address outside 2001:0::/32."""
        if address not in TEREDO_PREFIX:
            raise WireError(f"not a Teredo address: {address}")
        return cls._read(address, TEREDO_PREFIX)

    @classmethod
    def decode(cls, address: IPv6Address) -> Self | None:
        """Read an address for display: those of the obsolete prefix, which nothing routes, too. None for any other."""
        prefix = next((prefix for prefix in (TEREDO_PREFIX, OBSOLETE_PREFIX) if address in prefix), None)
        return None if prefix is None else cls._read(address, prefix)

    @classmethod
    def _read(cls, address: IPv6Address, prefix: IPv6Network) -> Self:
        data = address.packed
        flags, mapped = InterfaceIdentifier.parse(data[8:])
        return cls(IPv4Address(data[4:8]), flags, mapped, prefix)

    @classmethod
    def build(cls, server: IPv4Address, mapped: Endpoint, random: Random) -> Self:
        """Make the address of a client with new random flags (RFC 5991 section 3)."""
        return cls(server, random.getrandbits(16) & RANDOM_FLAGS, mapped)

    @property
    def ipv6(self) -> IPv6Address:
        identifier = InterfaceIdentifier(self.flags, self.mapped).serialize()
        return IPv6Address(self.prefix.network_address.packed[:4] + self.server.packed + identifier)

    @property
    def server_endpoint(self) -> Endpoint:
        return Endpoint(self.server, SERVER_PORT)

    @property
    def cone(self) -> bool:
        return bool(self.flags & CONE)

    @property
    def random_bits(self) -> tuple[int, int]:
        """Random1 and Random2 of RFC 5991 section 3.1: 4 and 8 bits."""
        return self.flags >> 10 & 0xF, self.flags & 0xFF


def is_teredo(address: IPv6Address) -> bool:
    return address.packed[:4] == b"\x20\x01\x00\x00"


def link_local_identifier(address: IPv6Address) -> InterfaceIdentifier | None:
    """Read the link-local address of a client or server; None for an address outside fe80::/64."""
    return InterfaceIdentifier.parse(address.packed[8:]) if address in LINK_LOCAL_PREFIX else None


def server_link_local(server: IPv4Address) -> IPv6Address:
    """Return the link-local address a server advertises itself with (RFC 4380 section 5.3.2)."""
    identifier = InterfaceIdentifier(CONE, Endpoint(server, SERVER_PORT))
    return IPv6Address(LINK_LOCAL_PREFIX.network_address.packed[:8] + identifier.serialize())


def server_prefix(server: IPv4Address) -> IPv6Network:
    """Return the prefix a server advertises: that of the addresses of its clients."""
    return IPv6Network((int(TEREDO_PREFIX.network_address) | int(server) << 64, 64))


class GlobalUnicast:
    """Tells to which IPv4 addresses Teredo may send (RFC 4380 section 5.2.4).

    `private_deployment` names prefixes that are allowed all the same: a Teredo network of one's own, or a laboratory.
    """

    def __init__(self, private_deployment: Iterable[IPv4Network] = ()) -> None:
        self._allowed = _masks(private_deployment)
        self._refused = _masks(NOT_GLOBAL_UNICAST)
        self._broadcasts: frozenset[IPv4Address] = frozenset()

    def network_changed(self, network: Network) -> None:
        """Learn the directed broadcast addresses of the links this host is on."""
        self._broadcasts = network.broadcasts

    def __contains__(self, address: IPv4Address) -> bool:
        if address in self._broadcasts:
            return False
        bits = int(address)
        if any(bits & mask == block for block, mask in self._refused):
            return any(bits & mask == block for block, mask in self._allowed)
        return True

    def has_endpoint(self, endpoint: Endpoint) -> bool:
        return endpoint.port != 0 and endpoint.address in self

    def has_client(self, client: TeredoAddress) -> bool:
        """True if a Teredo address is one to send to: its client, and its server, where the indirect bubble goes."""
        return self.has_endpoint(client.mapped) and client.server in self


def _masks(networks: Iterable[IPv4Network]) -> tuple[tuple[int, int], ...]:
    return tuple((int(network.network_address), int(network.netmask)) for network in networks)
