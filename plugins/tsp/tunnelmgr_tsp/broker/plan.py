"""The broker's address plan: from a lease's numbers to addresses and prefixes (docs/protocols/tsp.md section 18)."""

from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from tunnelmgr_tsp.constants import SLOTS_MAX

_FIRST_CLIENT = 2  # 0 is the subnet-router anycast address, 1 the server's
LINK_LENGTH = 64  # bits; RFC 4291 section 2.5.4
_CLIENTS_ON_LINK = 0x7473_7000_0000_0000  # "tsp": identifiers made of MAC addresses begin otherwise (RFC 4291 appendix A)
_CLIENTS_ON_LINK_LENGTH = 96


def link_around(address: IPv6Address) -> IPv6Network:
    """Return the /64 an address is in."""
    return IPv6Network((address, LINK_LENGTH), strict=False)


def clients_on(link: IPv6Network) -> IPv6Network:
    """Return the part of a /64 in which clients get their addresses, apart from those of its other hosts."""
    return IPv6Network((int(link.network_address) + _CLIENTS_ON_LINK, _CLIENTS_ON_LINK_LENGTH))


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """Clients are numbered in `link`; prefixes of `delegated_length` are cut out of `pool`, but not the one around `link`.

    Raises ValueError when that cannot be.
    """

    link: IPv6Network
    pool: IPv6Network
    delegated_length: int | None
    """None: nothing is delegated."""

    def __post_init__(self) -> None:
        if self.delegated_length is None:
            return
        if self.delegated_length <= self.pool.prefixlen:
            raise ValueError(f"prefixes of `delegated_length` {self.delegated_length} cannot be cut out of {self.pool}")
        if self.link.overlaps(self.pool) and not self.link.subnet_of(self._block(0)):
            raise ValueError(f"`link` {self.link} is in the way; put it at the beginning of {self.pool}, or elsewhere")

    @property
    def server(self) -> IPv6Address:
        """The one address at our end of every tunnel (TSP-23)."""
        return self.link.network_address + 1

    @property
    def slots(self) -> int:
        """Number of clients that fit."""
        return min(self.link.num_addresses - _FIRST_CLIENT, SLOTS_MAX)

    @property
    def prefix_slots(self) -> int:
        """Number of prefixes that fit."""
        if self.delegated_length is None:
            return 0
        return min((1 << self.delegated_length - self.pool.prefixlen) - self._blocks_left_out, SLOTS_MAX)

    def client(self, slot: int) -> IPv6Address:
        """Return the address of a client, from 0."""
        return self.link.network_address + _FIRST_CLIENT + slot

    def prefix(self, slot: int) -> IPv6Network:
        """Return a delegated prefix, from 0."""
        return self._block(slot + self._blocks_left_out)

    @property
    def routed(self) -> tuple[IPv6Network, ...]:
        """What goes into the tunnel device."""
        return (self.pool,) if self.link.subnet_of(self.pool) else (self.link, self.pool)

    @property
    def _blocks_left_out(self) -> int:
        return int(self.link.overlaps(self.pool))

    def _block(self, number: int) -> IPv6Network:
        length = self.delegated_length or self.pool.prefixlen
        return IPv6Network((int(self.pool.network_address) + (number << 128 - length), length))
