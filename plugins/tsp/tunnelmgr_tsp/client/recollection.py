"""What a client remembers from one start to the next: its last broker, and the network where protocol 41 did not pass.

Either decides only what is asked first.
"""

import contextlib
from collections.abc import Mapping

from tunnelmgr.api.effects import Remember
from tunnelmgr.api.network import Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_tsp.client.candidates import Broker
from tunnelmgr_tsp.client.settings import TspClientSettings
from tunnelmgr_tsp.constants import BLOCKED_REMEMBERED

_GOOD_BROKER = "broker"
_BLOCKED = "protocol-41-blocked"


class Recollection:
    """Read once at the start; written when something changes."""

    def __init__(self, settings: TspClientSettings, outbox: Outbox) -> None:
        self.good_broker: Broker | None = None
        """The broker of the last tunnel. Another one would give other addresses."""
        self._configured = " ".join(settings.broker)
        self._outbox = outbox
        self._blocked = b""

    def recall(self, memory: Mapping[str, bytes]) -> None:
        """Take what was remembered. The last good broker counts unless the profile was changed since."""
        self._blocked = memory.get(_BLOCKED, b"")
        configured, _, text = memory.get(_GOOD_BROKER, b"").decode("utf-8", "replace").partition("\n")
        if configured == self._configured:
            with contextlib.suppress(ValueError):
                self.good_broker = Broker.parse(text)

    def note_broker(self, broker: Broker) -> None:
        """Remember the broker of a tunnel."""
        if broker != self.good_broker:
            self.good_broker = broker
            self._outbox.say(Remember(_GOOD_BROKER, f"{self._configured}\n{broker}".encode()))

    def lacks_protocol41(self, network: Network) -> bool:
        """True if protocol 41 did not pass on this network before: it is the network that blocks it (section 9)."""
        return self._blocked == _name_of(network)

    def note_protocol41_lacking(self, network: Network) -> bool:
        """Remember for a while that protocol 41 does not pass on this network. Return True if that is new."""
        was, self._blocked = self._blocked, _name_of(network)
        self._outbox.say(Remember(_BLOCKED, self._blocked, BLOCKED_REMEMBERED))
        return was != self._blocked

    def note_protocol41_passes(self) -> None:
        """Forget the network where protocol 41 did not pass: an outage looks the same."""
        if self._blocked:
            self._blocked = b""
            self._outbox.say(Remember(_BLOCKED, b""))


def _name_of(network: Network) -> bytes:
    route = network.default_route
    return f"{network.source} via {route.gateway if route else None}".encode()
