"""The accounts of a broker: lines `name:hash`. The hash, hex MD5(name:realm:password), is as good as the password."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Self

from tunnelmgr_tsp.wire.digest import DigestSecret

_LINE = re.compile(r"(?P<name>[^:\s#][^:]{0,63}):(?P<hash>[0-9a-fA-F]{32})")


def account_line(name: str, realm: str, password: str) -> str:
    """Return the line of an account."""
    return f"{name}:{DigestSecret.of(name.encode(), realm.encode(), password.encode()).hash.hex()}"


@dataclass(frozen=True, slots=True)
class Users:
    """All accounts, for one realm."""

    realm: str
    _secrets: Mapping[str, DigestSecret]

    @classmethod
    def parse(cls, text: str, realm: str) -> Self:
        """Read the lines; empty ones and those that begin with `#` are skipped. Raises ValueError, naming the line."""
        secrets: dict[str, DigestSecret] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = _LINE.fullmatch(line.strip())
            if match is None:
                raise ValueError(f"line {number} of `users` is not `name:hash`; `tunnelmgr broker account` prints one")
            if match["name"] in secrets:
                raise ValueError(f"line {number} of `users` names {match['name']!r} again")
            secrets[match["name"]] = DigestSecret(bytes.fromhex(match["hash"]))
        return cls(realm, secrets)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._secrets)

    def find(self, name: bytes) -> str | None:
        """Return the account a client means: its name in UTF-8, else in ISO 8859-1 (TSP-10)."""
        meant = (name.decode(encoding, "replace") for encoding in ("utf-8", "latin-1"))
        return next((one for one in meant if one in self._secrets), None)

    def secret(self, name: str | None, random: Random) -> DigestSecret:
        """Return what to check a proof against; an unknown name gets a random secret."""
        # The answer takes as long as for a known name, or its time would tell which names exist (section 18).
        return self._secrets.get(name or "") or DigestSecret(random.randbytes(16))

    def check(self, name: bytes, password: bytes) -> str | None:
        """Return the account when the password, in UTF-8 or ISO 8859-1, is right."""
        found = self.find(name)
        if found is None:
            return None
        for candidate in (password, password.decode("latin-1").encode()):
            tried = DigestSecret.of(found.encode(), self.realm.encode(), candidate)
            if hmac.compare_digest(tried.hash, self._secrets[found].hash):
                return found
        return None
