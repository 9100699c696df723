"""What methods asked to be remembered between runs: one small JSON file per profile, by method and key."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tunnelmgr.api.plain import as_plain, from_plain


@dataclass(frozen=True, slots=True)
class _Entry:
    """One value."""

    value: bytes
    until: float | None = None
    """Seconds since 1970; None for ever."""
    lifetime: float = 0.0
    """Seconds it is kept for, unless for ever."""

    def lasts(self, now: float) -> bool:
        """Whether it still counts. What has more than twice its time to go was written while the clock was wrong."""
        return self.until is None or now < self.until <= now + 2 * self.lifetime


class Memory:
    """Keeps bytes by method and key. What cannot be read is as good as not there: nothing here is irreplaceable."""

    def __init__(self, path: Path, wall_clock: Callable[[], float] = time.time) -> None:
        """`wall_clock` tells seconds since 1970."""
        self._path = path
        self._wall_clock = wall_clock

    @property
    def folder(self) -> Path:
        """Where services of the methods keep their files: beside the memory, and as long."""
        return self._path.with_suffix("")

    def recall(self, method: str) -> Mapping[str, bytes]:
        """Return everything kept for a method."""
        return {key: entry.value for key, entry in self._read().get(method, {}).items()}

    def remember(self, method: str, key: str, value: bytes, lifetime: float | None = None) -> None:
        """Keep a value, for `lifetime` seconds or for ever, or forget the key when the value is empty. Raises OSError."""
        everything = self._read()
        entries = everything.setdefault(method, {})
        if not value:
            entries.pop(key, None)
        elif lifetime is None:
            entries[key] = _Entry(value)
        else:
            entries[key] = _Entry(value, self._wall_clock() + lifetime, lifetime)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Written beside and renamed, so that a crash leaves the old file or the new one. It may hold keys: mode 0600.
        beside = self._path.with_name(self._path.name + ".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(as_plain(everything), file)
        beside.replace(self._path)

    def _read(self) -> dict[str, dict[str, _Entry]]:
        """Return what the file holds, by method and key, but what has had its time."""
        try:
            loaded = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        now = self._wall_clock()
        return {method: dict(_entries(stored, now)) for method, stored in _items(loaded)}


def _entries(stored: object, now: float) -> Iterator[tuple[str, _Entry]]:
    for key, one in _items(stored):
        with suppress(ValueError):
            entry = from_plain(_Entry, one)
            if entry.lasts(now):
                yield key, entry


def _items(loaded: object) -> Iterable[tuple[str, object]]:
    return loaded.items() if isinstance(loaded, dict) else ()
