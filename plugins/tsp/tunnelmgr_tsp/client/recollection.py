"""What a client remembers from one start to the next: who gave the last tunnel, and where protocol 41 does not pass."""

import contextlib
from collections.abc import Mapping

from tunnelmgr.api.effects import Remember
from tunnelmgr.api.network import Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_tsp.client.settings import TspClientSettings
from tunnelmgr_tsp.wire.brokers import Broker

_GOOD_BROKER = "broker"
_BLOCKED = "protocol-41-blocked"


class Recollection:
    """Read once at the start; written when something changes."""

    def __init__(self, settings: TspClientSettings, outbox: Outbox) -> None:
        self.good_broker: Broker | None = None
        """The one that gave the last tunnel: each has addresses of its own."""
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
        """Remember who gave a tunnel."""
        if broker != self.good_broker:
            self.good_broker = broker
            self._outbox.say(Remember(_GOOD_BROKER, f"{self._configured}\n{broker}".encode()))

    def lacks_protocol41(self, network: Network) -> bool:
        """Whether protocol 41 was found not to pass on this network, whose property that is."""
        return self._blocked == _name_of(network)

    def note_protocol41_lacking(self, network: Network) -> None:
        """Remember it."""
        self._blocked = _name_of(network)
        self._outbox.say(Remember(_BLOCKED, self._blocked))


def _name_of(network: Network) -> bytes:
    route = network.default_route
    return f"{network.source} via {route.gateway if route else None}".encode()
