"""What methods asked to be remembered between runs: one small JSON file per profile."""

import base64
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple


class _Entry(NamedTuple):
    """One value, as it stands in the file."""

    text: str
    """The value in base64."""
    until: float | None = None
    """Seconds since 1970; None for ever."""


class Memory:
    """Keeps bytes by method and key. A file that cannot be read is as good as none: nothing here is irreplaceable."""

    def __init__(self, path: Path, wall_clock: Callable[[], float] = time.time) -> None:
        """`wall_clock` tells seconds since 1970."""
        self._path = path
        self._wall_clock = wall_clock

    def recall(self, method: str) -> Mapping[str, bytes]:
        """Return everything kept for a method."""
        return {key: base64.b64decode(entry.text) for key, entry in self._read().get(method, {}).items()}

    def remember(self, method: str, key: str, value: bytes, lifetime: float | None = None) -> None:
        """Keep a value, for `lifetime` seconds or for ever, or forget the key when the value is empty. Raises OSError."""
        everything = self._read()
        entries = everything.setdefault(method, {})
        if value:
            until = None if lifetime is None else self._wall_clock() + lifetime
            entries[key] = _Entry(base64.b64encode(value).decode("ascii"), until)
        else:
            entries.pop(key, None)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Written beside and renamed, so that a crash leaves the old file or the new one. It may hold keys: mode 0600.
        beside = self._path.with_name(self._path.name + ".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(everything, file)
        beside.replace(self._path)

    def _read(self) -> dict[str, dict[str, _Entry]]:
        """Return what the file holds, by method and key, but what has had its time."""
        try:
            loaded = json.loads(self._path.read_text())
            found = {method: {key: _Entry(*entry) for key, entry in entries.items()} for method, entries in loaded.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
        now = self._wall_clock()
        return {
            method: {key: entry for key, entry in entries.items() if entry.until is None or now < entry.until}
            for method, entries in found.items()
        }
