"""What every thing we put on this machine can tell of itself."""

import re
from collections.abc import Hashable
from enum import Enum
from typing import Any


class Fate(Enum):
    """What becomes of a thing that is not wanted any more."""

    REMOVED = "removed"
    """It bears our mark, so whatever there is of it is ours."""
    RESTORED = "restored"
    """A switch of the whole machine becomes what it was."""
    LEFT = "left"
    """It vanishes with the device, and does no harm until then."""


class Thing:
    """One thing, and its text in the words of `ip`, `sysctl` and `nft`. The subclasses are frozen dataclasses."""

    __slots__ = ()

    @property
    def fate(self) -> Fate:
        """What becomes of it in the end."""
        return Fate.REMOVED

    @property
    def key(self) -> Hashable:
        """What it is, apart from its value: of two things with the same key the newer replaces the older."""
        return self

    @property
    def needed_interface(self) -> str | None:
        """The interface it vanishes with; None when it stands by itself."""
        return None

    @property
    def is_of_device(self) -> bool:
        """Whether it is found by looking at the tunnel's device. The LAN's things are not, nor routes that lead nowhere: the
        journal alone tells which of them are ours, and the tunnel of this host works without them."""
        return True

    @property
    def words(self) -> str:
        """What it is for a user: its line without the verb."""
        return re.sub(r" (add|append|set|-w)\b", "", self.add_lines()[0])

    def can_replace(self, before: Any) -> bool:
        """True if it can be put in the place of `before`, which has the same key; else that has to go first."""
        return True

    def add_lines(self) -> list[str]:
        """Return the lines that put it there."""
        raise NotImplementedError

    def remove_lines(self) -> list[str]:
        """Return the lines that take it away; none where only its value can change."""
        return []

    def change_lines(self, before: Any) -> list[str]:
        """Return the lines that put it in the place of another one with the same key."""
        return [*before.remove_lines(), *self.add_lines()]
