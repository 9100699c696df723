"""Reads the secrets a profile names, and remembers those that stand in the profile itself."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from tunnelmgr.api.secret import SecretSource
from tunnelmgr.core.profiles.trust import distrust

SECRET_MAX = 65536  # bytes; ours


class ProfileSecrets:
    """Reads the secrets of one profile; `read` is a `SecretReader`."""

    def __init__(self, directory: Path, inline: set[str], environment: Mapping[str, str] = os.environ) -> None:
        """Look up relative file names in `directory`, the profile's; add to `inline` what stands in the profile itself."""
        self._directory = directory
        self._environment = environment
        self._inline = inline

    def read(self, source: SecretSource, name: str) -> str:
        """Return the secret. Raises ValueError when it cannot be read, or when others can read it too."""
        match source:
            case SecretSource.FILE:
                text = _read_private(self._directory / name, f"secret file {name!r}")
            case SecretSource.CREDENTIAL:
                text = self._credential(name)
            case SecretSource.ENV if name in self._environment:
                text = self._environment[name]
            case SecretSource.ENV:
                raise ValueError(f"environment variable {name!r} is not set")
            case SecretSource.INLINE:
                self._inline.add(name)
                text = name
        if not text:
            raise ValueError("the secret is empty")
        return text

    def _credential(self, name: str) -> str:
        folder = self._environment.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise ValueError(f"credential {name!r}: no $CREDENTIALS_DIRECTORY; use systemd's LoadCredential={name}")
        if "/" in name:
            raise ValueError(f"credential {name!r}: a credential's name contains no '/'")
        # systemd guards it by an access list, which makes its mode look open.
        return _read(Path(folder) / name, f"credential {name!r}")


def _read_private(path: Path, what: str) -> str:
    try:
        status = path.stat()
    except OSError as error:
        raise ValueError(f"{what} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{what} is not a file")
    if status.st_mode & 0o077:
        raise ValueError(f"{what} is open to others (mode {stat.S_IMODE(status.st_mode):04o}); chmod 600 {path}")
    if not os.geteuid() and (found := distrust(path)):
        raise ValueError(f"{found.reason}; {found.hint}")
    return _read(path, what)


def _read(path: Path, what: str) -> str:
    """Return a file's text without the newline at its end."""
    try:
        with path.open("rb") as file:
            data = file.read(SECRET_MAX + 1)
    except OSError as error:
        raise ValueError(f"{what} cannot be read: {error.strerror}") from error
    if len(data) > SECRET_MAX:
        raise ValueError(f"{what} is longer than {SECRET_MAX} bytes")
    try:
        return data.decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{what} is not UTF-8 text") from error
