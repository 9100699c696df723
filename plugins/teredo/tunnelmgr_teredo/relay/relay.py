"""The Teredo relay (RFC 4380 section 5.4): a router between the clients of all servers and native IPv6."""

from collections.abc import Mapping, Sequence
from random import Random

from tunnelmgr.api.datagrams import ChannelEvent, Datagram
from tunnelmgr.api.effects import Effect, EffectResult
from tunnelmgr.api.events import Stopped, Up
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.status import PathUse, TunnelStatus
from tunnelmgr.api.tunnel import Tunnel, earliest
from tunnelmgr_teredo.constants import RELAY_NETWORK_SHARE, SERVICE_PORTS
from tunnelmgr_teredo.ports import SERVED_HINTS, UdpPorts
from tunnelmgr_teredo.relay.guests import Guests
from tunnelmgr_teredo.relay.peers import RelayPeers
from tunnelmgr_teredo.relay.relaying import RELAY, RelayIdentity, Relaying
from tunnelmgr_teredo.relay.served import Everyone, Prefixes, Served, ThisHost
from tunnelmgr_teredo.relay.settings import RelayServiceSettings
from tunnelmgr_teredo.wire.address import GlobalUnicast


class TeredoRelay(Tunnel):
    """The Tunnel. Owns its port, and what it does with packets."""

    def __init__(self, settings: RelayServiceSettings, random: Random) -> None:
        super().__init__()
        self._settings = settings
        self._unicast = GlobalUnicast(settings.private_deployment)
        self._local = Endpoint(settings.address, settings.port or random.choice(SERVICE_PORTS))
        self._ports = UdpPorts({RELAY: self._local}, SERVED_HINTS, random, self.outbox)
        own = frozenset({settings.address} if int(settings.address) else ())
        self._relaying = Relaying(
            RelayIdentity(own, settings.bubble_source, _behind_nat(settings)),
            _served(settings, self._unicast),
            RelayPeers(settings.peers_max, 1.0 if settings.is_for_this_host else RELAY_NETWORK_SHARE),
            Guests(),
            self._unicast,
            random,
            self.outbox,
        )

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self.network_changed(network, now)
        self._ports.open()

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        self._relaying.receive(datagram, now)

    def receive_packet(self, packet: bytes, now: float) -> None:
        self._relaying.transmit(packet, now)

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        """A client that went away is noticed by its silence."""
        self.outbox.count("channel-events-ignored")

    def network_changed(self, network: Network, now: float) -> None:
        self._unicast.network_changed(network)
        self._relaying.network_changed(network)

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        self._relaying.paths_used(uses, now)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if self._ports.effect_done(effect, result, now):
            details = {"relay": str(self._local), "serves": self._served_words()}
            self.outbox.say(Up(self._settings.host_config, details))

    def handle_timeout(self, now: float) -> None:
        self._ports.handle_timeout(now)
        self._relaying.handle_timeout(now)

    def next_timeout(self) -> float | None:
        return earliest(self._ports.next_timeout(), self._relaying.next_timeout())

    def status(self, now: float) -> TunnelStatus:
        return TunnelStatus(
            state="listening" if self._ports.ready else "not listening",
            facts={"relay": str(self._local), "serves": self._served_words(), **self._relaying.facts(), "encrypted": False},
            peers=self._relaying.peer_statuses(now),
            peers_total=len(self._relaying.peers),
            counters=dict(self.outbox.counters),
        )

    def stop(self, now: float) -> None:
        """End at once: clients find another relay by their next echo test."""
        self._ports.end()
        self.outbox.say(Stopped())

    def _served_words(self) -> str:
        serves = self._settings.serves
        return serves if isinstance(serves, str) else ", ".join(map(str, serves))


def _served(settings: RelayServiceSettings, unicast: GlobalUnicast) -> Served:
    match settings.serves:
        case tuple(prefixes):
            return Prefixes(prefixes, unicast)
        case "host":
            return ThisHost()
        case _:
            return Everyone(unicast)


def _behind_nat(settings: RelayServiceSettings) -> bool | None:
    if settings.behind_nat is None and not settings.is_for_this_host:
        return False
    return settings.behind_nat
