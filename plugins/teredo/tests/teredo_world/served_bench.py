"""A server or relay on the bench: driven by its verbs alone, on a clock the test sets."""

import gc
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from random import Random
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, TypeVar

from tests.teredo_world import vectors
from tests.teredo_world.vectors import Vector

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.effects import Done, Effect, EffectResult, OpenChannel
from tunnelmgr.api.events import Event
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.status import PathUse
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr_teredo.constants import BUBBLE_HOP_LIMIT, SERVER_PORT
from tunnelmgr_teredo.relay.relay import TeredoRelay
from tunnelmgr_teredo.relay.settings import RelayServiceSettings
from tunnelmgr_teredo.server.server import TeredoServer
from tunnelmgr_teredo.server.settings import ServerSettings
from tunnelmgr_teredo.wire.datagram import bubble

T = TypeVar("T")

SERVER_1 = Endpoint(vectors.SERVER_1, SERVER_PORT)
SERVER_1_SECONDARY = Endpoint(vectors.SERVER_1_SECONDARY, SERVER_PORT)
SERVER_2 = Endpoint(vectors.SERVER_2, SERVER_PORT)
RELAY_NATIVE = IPv6Address("2001:db8:2::1")
NETWORK = Network(native_ipv6=True, native_source=RELAY_NATIVE)
AS_MIREDO = Network(native_ipv6=True)
"""Without a native address that a server could name to its clients, which Miredo's does not."""


def echo_request(source: IPv6Address, destination: IPv6Address, size: int = 16) -> bytes:
    return icmpv6_packet(EchoRequest(7, 1, bytes(size)), source, destination, 64).serialize()


class ServedBench:
    """One Tunnel, started."""

    def __init__(self, tunnel: Tunnel, network: Network = NETWORK) -> None:
        self.tunnel = tunnel
        self.now = 1000.0
        self.said: list[Event] = []
        """All events so far but those taken."""
        self.channels: dict[Endpoint, str] = {}
        """By the endpoint each one is bound to."""
        tunnel.start(self.now, network, {})

    def open(self) -> "ServedBench":
        """Let it have the ports it asks for."""
        for opening in self.take_events(OpenChannel):
            self.channels[opening.local] = opening.channel
            self.answer(opening, Done(opening.local))
        return self

    def answer(self, effect: Effect, result: EffectResult) -> None:
        self.tunnel.effect_done(effect, result, self.now)

    def take_vector(self, vector: Vector) -> list[Datagram]:
        """Give it a vector, on the channel it was sent to; return what it sends."""
        return self.take(vector.payload, vector.source, self.channels[vector.destination])

    def take(self, payload: bytes, remote: Endpoint, channel: str = "primary") -> list[Datagram]:
        """Give it a datagram; return what it sends."""
        self.tunnel.receive_datagram(Datagram(channel, payload, remote), self.now)
        return self.sent()

    def send(self, packet: bytes) -> list[Datagram]:
        """Give it a packet of native IPv6; return what it sends."""
        self.tunnel.receive_packet(packet, self.now)
        return self.sent()

    def sent(self) -> list[Datagram]:
        return self.tunnel.outbox.drain_datagrams()

    def delivered(self) -> list[bytes]:
        """Take the packets that went into native IPv6."""
        return self.tunnel.outbox.drain_packets()

    def take_events(self, kind: type[T]) -> list[T]:
        """Take the events of one kind said so far."""
        events = [*self.said, *self.tunnel.outbox.drain_events()]
        self.said = [event for event in events if not isinstance(event, kind)]
        return [event for event in events if isinstance(event, kind)]

    def uses(self, *uses: PathUse) -> None:
        """Tell it what the data plane carried."""
        self.tunnel.paths_used(uses, self.now)

    def wait(self, seconds: float) -> list[Datagram]:
        """Let time pass, with a wake-up whenever it asked for one; return what it sends."""
        until = self.now + seconds
        sent: list[Datagram] = []
        while (at := self.tunnel.next_timeout()) is not None and at <= until:
            self.now = max(at, self.now)
            self.tunnel.handle_timeout(self.now)
            sent += self.sent()
        self.now = until
        return sent

    def count(self, counter: str) -> int:
        return self.tunnel.status(self.now).counters.get(counter, 0)

    def dropped(self) -> dict[str, int]:
        """Return the counters of drops that are not 0, without their prefix."""
        counters = self.tunnel.status(self.now).counters
        return {name.removeprefix("dropped-"): count for name, count in counters.items() if name.startswith("dropped-")}


def server_bench(
    addresses: Sequence[IPv4Address] = (vectors.SERVER_1, vectors.SERVER_1_SECONDARY),
    network: Network = NETWORK,
    **settings: Any,
) -> ServedBench:
    """Return a server that listens, by default the first one of the vectors."""
    return ServedBench(a_server(addresses, **settings), network).open()


def a_server(addresses: Sequence[IPv4Address], **settings: object) -> TeredoServer:
    """Return a server that has not been started."""
    values = {"addresses": list(map(str, addresses))} | settings
    return TeredoServer(ServerSettings.model_validate(values), Random(1))


def second_server() -> ServedBench:
    """Return the second server of the vectors."""
    return server_bench([vectors.SERVER_2, vectors.SERVER_2 + 1])


def relay_bench(network: Network = NETWORK, **settings: object) -> ServedBench:
    """Return a relay that listens."""
    return ServedBench(TeredoRelay(RelayServiceSettings.model_validate(settings), Random(1)), network).open()


def knock(source: IPv6Address, destination: IPv6Address) -> bytes:
    """Return a bubble."""
    return bubble(source, destination, BUBBLE_HOP_LIMIT)


def use(address: IPv6Address, received_at: float | None, packets: int = 1) -> PathUse:
    return PathUse(IPv6Network(address), received_at, None, packets if received_at is not None else 0, 0, 0, 0)


def inner(datagrams: Iterable[Datagram]) -> list[IPv6Packet]:
    """Return the packets inside datagrams without headers in front."""
    return [IPv6Packet.parse(datagram.data) for datagram in datagrams]


def objects_of(root: object) -> int:
    """Count what an object holds, directly and indirectly; what exists once a process is left out."""
    seen = {id(root)}
    waiting = [root]
    while waiting:
        for held in gc.get_referents(waiting.pop()):
            if id(held) not in seen and not isinstance(held, type | ModuleType | FunctionType | BuiltinFunctionType):
                seen.add(id(held))
                waiting.append(held)
    return len(seen)
