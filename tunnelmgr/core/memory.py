"""What methods asked to be remembered between runs: one small JSON file per profile."""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path


class Memory:
    """Keeps bytes by method and key. A file that cannot be read is as good as none: nothing here is irreplaceable."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self, method: str) -> Mapping[str, bytes]:
        """Return everything kept for a method."""
        entries = self._read().get(method, {})
        return {key: base64.b64decode(value) for key, value in entries.items()}

    def remember(self, method: str, key: str, value: bytes) -> None:
        """Keep a value, or forget the key when the value is empty. Raises OSError."""
        everything = self._read()
        entries = everything.setdefault(method, {})
        if value:
            entries[key] = base64.b64encode(value).decode("ascii")
        else:
            entries.pop(key, None)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Written beside and renamed, so that a crash leaves the old file or the new one. It may hold keys: mode 0600.
        beside = self._path.with_name(self._path.name + ".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(everything, file)
        beside.replace(self._path)

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            loaded = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return loaded if isinstance(loaded, dict) else {}
