"""Addresses, routes, rules and neighbours: what leads packets to the device and from it."""

from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from typing import Any

from tunnelmgr.host.constants import MAIN_TABLE, ROUTE_PROTOCOL, UNREACHABLE_METRIC
from tunnelmgr.host.device_name import is_ours
from tunnelmgr.host.items.thing import Thing


@dataclass(frozen=True, slots=True)
class Address(Thing):
    """An address, usable without duplicate detection: a tunnel has no neighbours to ask, and a LAN's prefix is ours."""

    device: str
    interface: IPv6Interface

    @property
    def needed_interface(self) -> str:
        return self.device

    @property
    def key(self) -> Hashable:
        # The kernel keeps an address once, whatever its prefix length.
        return Address, self.device, self.interface.ip

    @property
    def is_of_device(self) -> bool:
        return is_ours(self.device)

    def can_replace(self, before: Any) -> bool:
        return False  # the kernel cannot change a prefix length in place

    def add_lines(self) -> list[str]:
        return [f"ip -6 address add {self.interface} dev {self.device} nodad"]

    def remove_lines(self) -> list[str]:
        return [f"ip -6 address delete {self.interface} dev {self.device}"]


@dataclass(frozen=True, slots=True)
class Route(Thing):
    """A route into the device."""

    device: str
    prefix: IPv6Network
    metric: int
    table: int = MAIN_TABLE

    @property
    def needed_interface(self) -> str:
        return self.device

    def add_lines(self) -> list[str]:
        # Not "add": another tunnel may have a route of the same metric, and then the older one is used.
        return [f"ip -6 route append {self._text()}"]

    def remove_lines(self) -> list[str]:
        return [f"ip -6 route delete {self._text()}"]

    def _text(self) -> str:
        way = f"{_destination(self.prefix)} dev {self.device}"
        return f"{way} proto {ROUTE_PROTOCOL} metric {self.metric}{_in_table(self.table)}"


@dataclass(frozen=True, slots=True)
class Rule(Thing):
    """Which table decides over packets from `source`."""

    source: IPv6Network
    table: int
    priority: int
    suppress_prefixlength: int | None = None
    """Routes of this length and shorter do not count: 0 leaves out the default route."""

    def add_lines(self) -> list[str]:
        return [f"ip -6 rule add {self._text()}"]

    def remove_lines(self) -> list[str]:
        return [f"ip -6 rule delete {self._text()}"]

    def _text(self) -> str:
        table = "main" if self.table == MAIN_TABLE else str(self.table)
        suppress = "" if self.suppress_prefixlength is None else f" suppress_prefixlength {self.suppress_prefixlength}"
        return f"from {self.source} lookup {table}{suppress} priority {self.priority} protocol {ROUTE_PROTOCOL}"


@dataclass(frozen=True, slots=True)
class NeighbourProxy(Thing):
    """This host answers neighbour solicitations for an address behind the device (RFC 4861 section 7.2.8)."""

    device: str
    """Into which the address is routed."""
    interface: str
    """On whose link we answer."""
    address: IPv6Address

    @property
    def key(self) -> Hashable:
        return NeighbourProxy, self.interface, self.address

    def add_lines(self) -> list[str]:
        return [f"ip -6 neighbour add proxy {self.address} dev {self.interface} protocol {ROUTE_PROTOCOL}"]

    def remove_lines(self) -> list[str]:
        return [f"ip -6 neighbour delete proxy {self.address} dev {self.interface}"]


@dataclass(frozen=True, slots=True)
class Unreachable(Thing):
    """A route to nowhere: senders of packets to the prefix get "unreachable" at once."""

    prefix: IPv6Network
    metric: int = UNREACHABLE_METRIC
    table: int = MAIN_TABLE

    @property
    def is_of_device(self) -> bool:
        return False

    def add_lines(self) -> list[str]:
        return [f"ip -6 route append {self._text()}"]

    def remove_lines(self) -> list[str]:
        return [f"ip -6 route delete {self._text()}"]

    def _text(self) -> str:
        return f"unreachable {_destination(self.prefix)} proto {ROUTE_PROTOCOL} metric {self.metric}{_in_table(self.table)}"


def _destination(prefix: IPv6Network) -> str:
    return "default" if prefix.prefixlen == 0 else str(prefix)


def _in_table(table: int) -> str:
    return "" if table == MAIN_TABLE else f" table {table}"
