"""A client that is its host's own relay while the host has native IPv6 (RFC 4380 section 5.5; teredo.md section 7.3).

    CLIENT  --native IPv6 appears-->  RELAY
       ^                                |
       '-------native IPv6 goes---------'

With native IPv6 a Teredo address is of no use but to be avoided: Teredo clients are reached from the native one. Both are
whole Tunnels, and one of them runs at a time.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Network
from random import Random

from tunnelmgr.api.datagrams import ChannelEvent, Datagram
from tunnelmgr.api.effects import (
    Cancel,
    CloseChannel,
    Effect,
    EffectResult,
    Failed,
    FailureCode,
    OpenChannel,
    Remember,
    Resolve,
)
from tunnelmgr.api.events import Down, Event, Notice, PathDown, PathUp, Stopped
from tunnelmgr.api.network import Network
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr_teredo.client.client import TeredoClient
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.constants import CHANNEL_ATTEMPTS, RELAY_PEERS_MIN, SERVICE_PORTS
from tunnelmgr_teredo.relay.relay import TeredoRelay
from tunnelmgr_teredo.relay.settings import HOST, RelayServiceSettings

_RELAYING = "this host has native IPv6: no Teredo address, it reaches Teredo clients as its own relay"
_NATIVE_GONE = "native IPv6 is gone"


class ClientOrRelay(Tunnel):
    """The Tunnel. Owns the one that runs, and takes back what the other one had asked for."""

    def __init__(self, settings: ClientSettings, random: Random) -> None:
        super().__init__()
        self._settings = settings
        self._random = random
        self._running: Tunnel = TeredoClient(settings, random)
        self._relays = False
        self._ports_taken = 0
        """Random ones in a row, of this host's relay."""
        self._network = Network()
        self._memory: dict[str, bytes] = {}
        self._footprint = _Footprint()

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self._memory.update(memory)
        self._network = network
        if network.native_ipv6:
            self._become_relay()
        self._running.start(now, network, self._memory)
        self._collect()

    def network_changed(self, network: Network, now: float) -> None:
        before, self._network = self._network, network
        native = self._relays if network.native_ipv6 is None else network.native_ipv6
        if native is self._relays and (not native or network.source == before.source):
            self._running.network_changed(network, now)
            self._collect()
            return
        self._running.stop(now)
        self._collect()
        self.outbox.say(*self._footprint.taken_back())
        if native:
            self._become_relay()
        else:
            self._become_client()
        self._running.start(now, network, self._memory)
        self._collect()

    def _become_relay(self) -> None:
        if not self._relays:
            self.outbox.say(Notice("teredo.native", _RELAYING))
        self._relays = True
        self._running = TeredoRelay(self._relay_settings(), self._random)

    def _become_client(self) -> None:
        self._relays = False
        self.outbox.say(Down(_NATIVE_GONE))
        self._running = TeredoClient(self._settings, self._random)

    def _relay_settings(self) -> RelayServiceSettings:
        settings, source = self._settings, self._network.source
        return RelayServiceSettings(
            address=settings.bind,
            port=settings.port or self._random.choice(SERVICE_PORTS),
            serves=HOST,
            behind_nat=source is None or source not in settings.unicast,
            private_deployment=settings.private_deployment,
            peers_max=max(settings.peers_max, RELAY_PEERS_MIN),
        )

    def _collect(self) -> None:
        """Take what the running Tunnel says; that it has stopped is not for others."""
        inner = self._running.outbox
        self.outbox.send(*inner.drain_datagrams())
        for packet in inner.drain_packets():
            self.outbox.deliver(packet)
        said = inner.drain_events()
        self._footprint.note(said)
        self._memory.update((event.key, event.value) for event in said if isinstance(event, Remember))
        self.outbox.say(*(event for event in said if not isinstance(event, Stopped)))

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        self._running.receive_datagram(datagram, now)
        self._collect()

    def receive_packet(self, packet: bytes, now: float) -> None:
        self._running.receive_packet(packet, now)
        self._collect()

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        self._running.channel_changed(event, now)
        self._collect()

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        self._running.paths_used(uses, now)
        self._collect()

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        self._footprint.answered(effect)
        if self._draws_anew(result):
            # Nothing has become of the relay yet, which knows one port.
            self._become_relay()
            self._running.start(now, self._network, self._memory)
        else:
            self._running.effect_done(effect, result, now)
        self._collect()

    def _draws_anew(self, result: EffectResult) -> bool:
        """Count the relay's random ports that are taken; tell whether to draw another. After many the relay waits first."""
        taken = isinstance(result, Failed) and result.code is FailureCode.IN_USE
        random = self._relays and not self._settings.port
        self._ports_taken = self._ports_taken + 1 if taken and random else 0
        if self._ports_taken < CHANNEL_ATTEMPTS:
            return self._ports_taken > 0
        self._ports_taken = 0
        return False

    def handle_timeout(self, now: float) -> None:
        self._running.handle_timeout(now)
        self._collect()

    def next_timeout(self) -> float | None:
        return self._running.next_timeout()

    def status(self, now: float) -> TunnelStatus:
        return self._running.status(now)

    def command(self, name: str, arguments: Mapping[str, Fact], now: float) -> Mapping[str, object]:
        return self._running.command(name, arguments, now)

    def stop(self, now: float) -> None:
        self._running.stop(now)
        self._collect()
        self.outbox.say(Stopped())


class _Footprint:
    """What a Tunnel has asked for and not given back."""

    def __init__(self) -> None:
        self._waiting: list[Effect] = []
        self._channels: set[str] = set()
        self._paths: set[IPv6Network] = set()

    def note(self, said: Sequence[Event]) -> None:
        for event in said:
            match event:
                case OpenChannel():
                    self._waiting.append(event)
                    self._channels.add(event.channel)
                case CloseChannel():
                    self._channels.discard(event.channel)
                case Resolve():
                    self._waiting.append(event)
                case Cancel():
                    self.answered(event.effect)
                case PathUp():
                    self._paths.add(event.prefix)
                case PathDown():
                    self._paths.discard(event.prefix)

    def answered(self, effect: Effect) -> None:
        self._waiting = [one for one in self._waiting if one is not effect]

    def taken_back(self) -> list[Event]:
        """Return what undoes all of it, and forget it."""
        undone: list[Event] = [Cancel(effect) for effect in self._waiting]
        undone += [PathDown(prefix) for prefix in sorted(self._paths)]
        undone += [CloseChannel(channel) for channel in sorted(self._channels)]
        for known in (self._waiting, self._channels, self._paths):
            known.clear()
        return undone
