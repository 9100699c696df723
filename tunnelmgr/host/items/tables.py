"""The nft tables of one tunnel: one class, whatever they are for."""

import hashlib
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from tunnelmgr.host.device_name import nft_table
from tunnelmgr.host.items.thing import Thing


class Purpose(StrEnum):
    """What a table is for; the value is the end of its name."""

    INBOUND = ""
    """Strangers may not begin a conversation through the device."""
    EXIT = "exit"
    """A far end gives its own address to what leaves it from its clients' prefixes (NAPT66)."""
    LAN = "lan"
    """What a LAN sends through the device is made to fit, and translated where nobody outside knows its prefix."""
    ERRORS = "errors"
    """The kernel's errors about what a raw socket takes stay here."""
    OUTER = "outer"
    """What a kernel tunnel writes unasked into the outer header is cleared."""
    PATHS = "paths"
    """Out of a kernel tunnel comes what its paths authorise; the rest is counted by reason."""

    @property
    def keeps_out(self) -> bool:
        """True if something comes in that may not as soon as the table is missing."""
        return self in {Purpose.INBOUND, Purpose.PATHS}

    @property
    def family(self) -> str:
        """The address family. Never inet: a rule that asks for a connection's state makes the kernel track all connections
        of the rule's families, and the outer IPv4 datagrams of a busy relay would fill the table of connections."""
        return "ip" if self in {Purpose.ERRORS, Purpose.OUTER} else "ip6"


@dataclass(frozen=True, slots=True)
class Table(Thing):
    """One nft table. Two are the same when their marks are."""

    device: str
    purpose: Purpose
    mark: str
    """The comment of each rule. Empty: there is such a table, but somebody changed it."""
    rules: tuple[str, ...] = field(default=(), compare=False)
    """What is added to the table, as "chain input { ... }", "rule input ..." or "counter NAME", in this order. Empty for a
    table that another process made."""

    @classmethod
    def of(cls, device: str, purpose: Purpose, rules: Sequence[str]) -> Self:
        """Return the table that consists of these rules."""
        return cls(device, purpose, _mark_of(rules), tuple(rules))

    @property
    def key(self) -> Hashable:
        return Table, self.device, self.purpose

    @property
    def name(self) -> str:
        """Family and name, as nft wants them."""
        return f"{self.purpose.family} {nft_table(self.device, self.purpose)}"

    @property
    def is_of_device(self) -> bool:
        return self.purpose is not Purpose.LAN

    def add_lines(self) -> list[str]:
        if not self.rules:
            return []  # back to one whose rules are not known: what is there is better than none
        # Whatever was in a table of this name is dropped.
        return [f"nft {word} table {self.name}" for word in ("add", "delete", "add")] + [*map(self._line, self.rules)]

    def remove_lines(self) -> list[str]:
        return [f"nft delete table {self.name}"]

    def change_lines(self, before: Any) -> list[str]:
        if not self.rules or not before.mark or self.purpose is not Purpose.PATHS:
            return self.add_lines()
        # In place, so that what was dropped goes on being counted.
        return [f"nft flush table {self.name}", *(self._line(rule) for rule in self.rules if rule.startswith("rule "))]

    def _line(self, rule: str) -> str:
        kind, _, rest = rule.partition(" ")
        return f"nft add {kind} {self.name} {rest}" + (f' comment "{self.mark}"' if kind == "rule" else "")


def mark_in(listing: str) -> str:
    """Return the mark of the table that nft lists so; empty unless all its rules are there that were made."""
    found = re.findall(r'comment "(tunnelmgr [0-9a-f]{8}/(\d+))"', listing)
    return found[0][0] if len(set(found)) == 1 and len(found) == int(found[0][1]) else ""


def _mark_of(rules: Sequence[str]) -> str:
    """Return a digest of the rules, and how many have it as their comment."""
    marked = sum(rule.startswith("rule ") for rule in rules)
    return f"tunnelmgr {hashlib.sha256(chr(10).join(rules).encode()).hexdigest()[:8]}/{marked}"
