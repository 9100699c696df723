"""The things we put on this machine, one class for each, with their text in the words of `ip`, `sysctl` and `nft`.

Two items with the same `key` are two values of one thing: the newer replaces the older.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from typing import ClassVar

from tunnelmgr.host.constants import MAIN_TABLE, ROUTE_PROTOCOL, UNREACHABLE_METRIC
from tunnelmgr.host.device_name import guard_table, is_ours, nft_table, sharing_table, translation_table
from tunnelmgr.host.firewall import FIREWALL_FAMILY, firewall_rules, sharing_rules, translation_rules
from tunnelmgr.host.guards import Guard, mark_of, table_lines
from tunnelmgr.host.resolvers import Resolver, ResolverHelper, handing_over, taking_back


class Fate(Enum):
    """What becomes of a thing that is not wanted any more."""

    REMOVED = "removed"
    """It bears our mark, so whatever there is of it is ours."""
    RESTORED = "restored"
    """A switch of the whole machine becomes what it was."""
    LEFT = "left"
    """It vanishes with the device, and does no harm until then."""


@dataclass(frozen=True, slots=True)
class Firewall:
    """The nft table that lets nobody begin a conversation through the device."""

    device: str
    hooks: tuple[str, ...]
    """Where it filters: "input" for this host itself, "forward" for what this host would pass on. Empty: a table of this
    name exists, and it is not as this version makes it."""

    fate: ClassVar[Fate] = Fate.REMOVED

    @property
    def key(self) -> Hashable:
        return Firewall, self.device

    def add_lines(self) -> list[str]:
        return [f"nft {line}" for line in firewall_rules(self.device, self.hooks)]

    def remove_lines(self) -> list[str]:
        return [f"nft delete table {FIREWALL_FAMILY} {nft_table(self.device)}"]


@dataclass(frozen=True, slots=True)
class Translation:
    """The nft table that gives this host's own address to what leaves it from other people's prefixes (NAPT66)."""

    device: str
    prefixes: tuple[IPv6Network, ...]

    fate: ClassVar[Fate] = Fate.REMOVED

    @property
    def key(self) -> Hashable:
        return Translation, self.device

    def add_lines(self) -> list[str]:
        return [f"nft {line}" for line in translation_rules(self.device, self.prefixes)]

    def remove_lines(self) -> list[str]:
        return [f"nft delete table {FIREWALL_FAMILY} {translation_table(self.device)}"]


@dataclass(frozen=True, slots=True)
class Sharing:
    """The nft table for what a LAN sends through the device."""

    device: str
    segment_size: int
    """Bytes TCP may put into one segment. 0: a table of this name exists, and it is not as this version makes it."""
    hidden: tuple[IPv6Network, ...] = ()
    """Prefixes of the LAN that nobody outside knows: they appear there as this host itself (NAPT66)."""

    fate: ClassVar[Fate] = Fate.REMOVED

    @property
    def key(self) -> Hashable:
        return Sharing, self.device

    def add_lines(self) -> list[str]:
        return [f"nft {line}" for line in sharing_rules(self.device, self.segment_size, self.hidden)]

    def remove_lines(self) -> list[str]:
        return [f"nft delete table {FIREWALL_FAMILY} {sharing_table(self.device)}"]


@dataclass(frozen=True, slots=True)
class Guarding:
    """An nft table beside the data path. Two are the same when their marks are."""

    device: str
    guard: Guard
    mark: str
    rules: tuple[str, ...] = field(default=(), compare=False)
    """Empty for a table that was found."""

    fate: ClassVar[Fate] = Fate.REMOVED

    @classmethod
    def by(cls, device: str, guard: Guard, rules: tuple[str, ...]) -> "Guarding":
        return cls(device, guard, mark_of(rules), rules)

    @property
    def key(self) -> Hashable:
        return Guarding, self.device, self.guard

    def add_lines(self) -> list[str]:
        return [f"nft {line}" for line in table_lines(self.device, self.guard, self.rules)]

    def remove_lines(self) -> list[str]:
        return [f"nft delete table {self.guard.family} {guard_table(self.device, self.guard.value)}"]


@dataclass(frozen=True, slots=True)
class KernelTunnel:
    """The device as one of the kernel's own: IPv6 in IPv4 to one far end, device type `sit`. It outlives its maker."""

    device: str
    local: IPv4Address
    remote: IPv4Address
    ttl: int
    """Of the outer header, 1..255. DF is set and ECN marks are copied in any case."""
    tos: int
    """DSCP of the outer header in its upper six bits; the lower two are 0."""

    fate: ClassVar[Fate] = Fate.REMOVED

    @property
    def key(self) -> Hashable:
        return KernelTunnel, self.device

    def add_lines(self) -> list[str]:
        return [f"ip link add dev {self.device} {self._text()}"]

    def change_lines(self) -> list[str]:
        """Return the lines that make another tunnel into this one, in place."""
        return [f"ip link set dev {self.device} {self._text()}"]

    def remove_lines(self) -> list[str]:
        return [f"ip link delete dev {self.device}"]

    def _text(self) -> str:
        return f"type sit local {self.local} remote {self.remote} ttl {self.ttl} tos {self.tos:#04x}"


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A switch of the kernel, named by its path below /proc/sys; below net/ipv6/conf."""

    path: str
    value: str

    @property
    def interface(self) -> str:
        """The interface it is about: "all" and "default" are the kernel's words for each and for new ones."""
        return self.path.split("/")[-2]

    @property
    def fate(self) -> Fate:
        return Fate.LEFT if is_ours(self.interface) else Fate.RESTORED

    @property
    def key(self) -> Hashable:
        return Sysctl, self.path

    def add_lines(self) -> list[str]:
        # Slashes stay: a device's name may hold dots.
        return [f"sysctl -w {self.path}={self.value}"]

    def remove_lines(self) -> list[str]:
        return []


@dataclass(frozen=True, slots=True)
class Mtu:
    """The MTU of the device, in bytes."""

    device: str
    mtu: int

    fate: ClassVar[Fate] = Fate.LEFT

    @property
    def key(self) -> Hashable:
        return Mtu, self.device

    def add_lines(self) -> list[str]:
        return [f"ip link set dev {self.device} mtu {self.mtu}"]

    def remove_lines(self) -> list[str]:
        return []


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The device is switched on."""

    device: str

    fate: ClassVar[Fate] = Fate.LEFT

    @property
    def key(self) -> Hashable:
        return LinkUp, self.device

    def add_lines(self) -> list[str]:
        return [f"ip link set dev {self.device} up"]

    def remove_lines(self) -> list[str]:
        return [f"ip link set dev {self.device} down"]


@dataclass(frozen=True, slots=True)
class Address:
    """An address, usable at once: there is nobody on a tunnel to ask for duplicates, and on a LAN the prefix is ours."""

    device: str
    interface: IPv6Interface

    fate: ClassVar[Fate] = Fate.REMOVED

    @property
    def key(self) -> Hashable:
        # The kernel keeps an address once, whatever its prefix length.
        return Address, self.device, self.interface.ip

    def add_lines(self) -> list[str]:
        return [f"ip -6 address add {self.interface} dev {self.device} nodad"]

    def remove_lines(self) -> list[str]:
        return [f"ip -6 address delete {self.interface} dev {self.device}"]


@dataclass(frozen=True, slots=True)
class Route:
    """A route into the device."""

    device: str
    prefix: IPv6Network
    metric: int
    table: int = MAIN_TABLE

    fate: ClassVar[Fate] = Fate.REMOVED

    @property
    def key(self) -> Hashable:
        return self

    def add_lines(self) -> list[str]:
        # Not "add": another tunnel may have a route of the same metric, and then the older one is used.
        return [f"ip -6 route append {self._text()}"]

    def remove_lines(self) -> list[str]:
        return [f"ip -6 route delete {self._text()}"]

    def _text(self) -> str:
        way = f"{_destination(self.prefix)} dev {self.device}"
        return f"{way} proto {ROUTE_PROTOCOL} metric {self.metric}{_in_table(self.table)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which table decides over packets from `source`."""

    source: IPv6Network
    table: int
    priority: int
    suppress_prefixlength: int | None = None
    """Routes of this length and shorter do not count: 0 leaves out the default route."""

    fate: ClassVar[Fate] = Fate.REMOVED

    @property
    def key(self) -> Hashable:
        return self

    def add_lines(self) -> list[str]:
        return [f"ip -6 rule add {self._text()}"]

    def remove_lines(self) -> list[str]:
        return [f"ip -6 rule delete {self._text()}"]

    def _text(self) -> str:
        table = "main" if self.table == MAIN_TABLE else str(self.table)
        suppress = "" if self.suppress_prefixlength is None else f" suppress_prefixlength {self.suppress_prefixlength}"
        return f"from {self.source} lookup {table}{suppress} priority {self.priority} protocol {ROUTE_PROTOCOL}"


@dataclass(frozen=True, slots=True)
class NeighbourProxy:
    """This host answers neighbour solicitations for an address behind the device (RFC 4861 section 7.2.8)."""

    device: str
    """Into which the address is routed."""
    interface: str
    """On whose link we answer."""
    address: IPv6Address

    fate: ClassVar[Fate] = Fate.REMOVED

    @property
    def key(self) -> Hashable:
        return NeighbourProxy, self.interface, self.address

    def add_lines(self) -> list[str]:
        return [f"ip -6 neighbour add proxy {self.address} dev {self.interface} protocol {ROUTE_PROTOCOL}"]

    def remove_lines(self) -> list[str]:
        return [f"ip -6 neighbour delete proxy {self.address} dev {self.interface}"]


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Where packets end that must not be routed further: whoever sends them is told at once."""

    prefix: IPv6Network
    metric: int = UNREACHABLE_METRIC
    table: int = MAIN_TABLE

    fate: ClassVar[Fate] = Fate.REMOVED

    @property
    def key(self) -> Hashable:
        return self

    def add_lines(self) -> list[str]:
        return [f"ip -6 route append {self._text()}"]

    def remove_lines(self) -> list[str]:
        return [f"ip -6 route delete {self._text()}"]

    def _text(self) -> str:
        return f"unreachable {_destination(self.prefix)} proto {ROUTE_PROTOCOL} metric {self.metric}{_in_table(self.table)}"


@dataclass(frozen=True, slots=True)
class Advertisement:
    """A radvd of our own that tells the LAN of a tunnel about routers and prefixes. It dies with this process."""

    device: str
    path: str
    """Of its configuration; absolute."""
    config: str
    """As `advertising.radvd_config` makes it."""

    fate: ClassVar[Fate] = Fate.REMOVED

    @property
    def key(self) -> Hashable:
        return Advertisement, self.device

    @property
    def pid_file(self) -> str:
        return f"{self.path}.pid"

    def add_lines(self) -> list[str]:
        written = [f"cat > {self.path} <<'END'", *self.config.splitlines(), "END"]
        return [*written, f"radvd --config {self.path} --pidfile {self.pid_file}"]

    def remove_lines(self) -> list[str]:
        return [f"kill $(cat {self.pid_file})", f"rm {self.path}"]


@dataclass(frozen=True, slots=True)
class Resolvers:
    """Whom the programs of this host ask for names. Nobody can be asked what it is: the journal alone knows ours."""

    device: str
    helper: ResolverHelper
    servers: tuple[Resolver, ...]

    fate: ClassVar[Fate] = Fate.REMOVED

    @property
    def key(self) -> Hashable:
        return Resolvers, self.device

    def add_lines(self) -> list[str]:
        return [command.line() for command in handing_over(self.helper, self.device, self.servers)]

    def remove_lines(self) -> list[str]:
        return [command.line() for command in taking_back(self.helper, self.device)]


Item = (
    Firewall
    | Translation
    | Sharing
    | Guarding
    | KernelTunnel
    | Sysctl
    | Mtu
    | LinkUp
    | Address
    | Route
    | Unreachable
    | Rule
    | NeighbourProxy
    | Advertisement
    | Resolvers
)


def _destination(prefix: IPv6Network) -> str:
    return "default" if prefix.prefixlen == 0 else str(prefix)


def _in_table(table: int) -> str:
    return "" if table == MAIN_TABLE else f" table {table}"
