"""A broker at a desk: clients that say what a test wrote for them, and leases at hand."""

from ipaddress import IPv4Address
from random import Random
from typing import Any

from tests.tsp_world.internets import broker_settings

from tunnelmgr.api.datagrams import Accepted, Datagram
from tunnelmgr.api.effects import Ask, CloseChannel, Done, EffectResult, Failed, FailureCode, OpenChannel
from tunnelmgr.api.events import Event, Notice, PathUp, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr_tsp.broker.broker import TspBroker
from tunnelmgr_tsp.broker.conversations import TCP, UDP
from tunnelmgr_tsp.broker.leases import Leases
from tunnelmgr_tsp.wire.datagrams import ControlMessage

CLIENT = Endpoint(IPv4Address("203.0.113.5"), 40000)


class BrokerDesk:
    """Feeds a broker by hand. `leases_work` off makes the database fail."""

    def __init__(self, *, leases_work: bool = True, network: Network | None = None, **settings: Any) -> None:
        chosen = broker_settings(**settings)
        plan = chosen.plan()
        self.leases = Leases("sqlite://", "desk", plan.slots, plan.prefix_slots)
        self.leases_work = leases_work
        self.held: list[Ask] | None = None
        """Questions to the leases that are not answered, once this is a list."""
        self.now = 0.0
        self.said: list[Event] = []
        self.sent: list[Datagram] = []
        self.broker = TspBroker(chosen, Random(1))
        self.broker.start(0.0, network or Network(), {})
        self._turn()

    def say(self, text: bytes, sequence: int, remote: Endpoint = CLIENT, timestamp: int = 0) -> list[bytes]:
        """Let a control message arrive over UDP; return the texts of the answers."""
        self.hear(ControlMessage(sequence, timestamp, text).serialize(), remote)
        return [ControlMessage.parse(one.data).text for one in self.take()]

    def hear(self, data: bytes, remote: Endpoint = CLIENT, channel: str = UDP) -> None:
        """Let a datagram, or a piece of a stream, arrive."""
        self.broker.receive_datagram(Datagram(channel, data, remote), self.now)
        self._turn()

    def connect(self, number: int, remote: Endpoint = CLIENT) -> str:
        """Let a client connect over TCP; return its channel."""
        self.broker.channel_changed(Accepted(TCP, f"{TCP}/{number}", remote), self.now)
        self._turn()
        return f"{TCP}/{number}"

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while (at := self.broker.next_timeout()) is not None and at <= end:
            self.now = max(self.now, at)
            self.broker.handle_timeout(self.now)
            self._turn()
        self.now = end

    def move(self, network: Network) -> None:
        """Let the broker's own network change."""
        self.broker.network_changed(network, self.now)
        self._turn()

    @property
    def wishes(self) -> list[HostConfig]:
        """What the broker's host was to look like, in order."""
        return [event.config for event in self.said if isinstance(event, Up)]

    def take(self) -> list[Datagram]:
        """Return what was sent since the last time."""
        sent, self.sent = self.sent, []
        return sent

    def release(self) -> None:
        """Answer what was held back."""
        held, self.held = self.held or [], None
        for ask in held:
            self.broker.effect_done(ask, self._leased(ask), self.now)
        self._turn()

    def _turn(self) -> None:
        while events := self.broker.outbox.drain_events():
            self.said += events
            for event in events:
                self._perform(event)
        self.sent += self.broker.outbox.drain_datagrams()

    def _perform(self, event: Event) -> None:
        match event:
            case OpenChannel():
                self.broker.effect_done(event, Done(event.local), self.now)
            case Ask() if self.held is not None:
                self.held.append(event)
            case Ask():
                self.broker.effect_done(event, self._leased(event), self.now)

    def _leased(self, ask: Ask) -> EffectResult:
        if not self.leases_work:
            return Failed(FailureCode.CRASHED, "no database")
        return Done(self.leases.handle(ask.request))

    @property
    def closed(self) -> list[str]:
        """The channels that were closed, in order."""
        return [event.channel for event in self.said if isinstance(event, CloseChannel)]

    @property
    def paths(self) -> list[str]:
        """The prefixes that were given paths, in order."""
        return [str(event.prefix) for event in self.said if isinstance(event, PathUp)]

    def notices(self, code: str) -> list[str]:
        """What was told with a code."""
        return [event.text for event in self.said if isinstance(event, Notice) and event.code == code]

    def counter(self, name: str) -> int:
        return self.broker.status(self.now).counters.get(name, 0)
