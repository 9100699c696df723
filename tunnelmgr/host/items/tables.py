"""The nft tables, one class for each kind."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from typing import ClassVar

from tunnelmgr.host.device_name import guard_table, nft_table, sharing_table, translation_table
from tunnelmgr.host.firewall import FIREWALL_FAMILY, firewall_rules, sharing_rules, translation_rules
from tunnelmgr.host.guards import Guard, mark_of, table_lines
from tunnelmgr.host.items.fate import Fate


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
