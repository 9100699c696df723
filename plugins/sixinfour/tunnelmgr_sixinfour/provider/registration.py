"""What is remembered of one registration at a provider from one start to the next.

Everything a request says of it identifies a registration, the key included. A profile with another key or another tunnel
starts without the past of the old one.
"""

from collections.abc import Mapping
from hashlib import blake2b

from tunnelmgr.api.effects import Remember
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_sixinfour.provider.settings import UpdateSettings


class Registration:
    """Keeps texts by name: `outcome` of the latest request, `pause` before the next, `unheard` after an agreement."""

    def __init__(self, settings: UpdateSettings, outbox: Outbox) -> None:
        # By a digest, since the key has no business in another file.
        words = (settings.url, str(settings.tunnel), settings.username, settings.key.reveal())
        self._digest = blake2b("\0".join(words).encode(), digest_size=8).hexdigest()
        self._outbox = outbox

    def recall(self, memory: Mapping[str, bytes], name: str) -> str:
        """Return what is remembered by a name, nothing being the empty text."""
        return memory.get(f"{name} {self._digest}", b"").decode(errors="replace")

    def keep(self, name: str, text: str, lifetime: float | None = None) -> None:
        """Remember a text for `lifetime` seconds; the empty one is forgotten."""
        self._outbox.say(Remember(f"{name} {self._digest}", text.encode(), lifetime))
