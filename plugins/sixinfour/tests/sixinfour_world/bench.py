"""Tunnels in the world of the vectors, driven verb by verb."""

from collections import Counter
from ipaddress import IPv4Address, IPv4Interface
from random import Random
from typing import Any

from tests.sixinfour_world.vectors import CLIENT, CLIENT6, SERVER, SERVER6

from tunnelmgr.api.datagrams import ChannelEvent, Datagram
from tunnelmgr.api.effects import CloseChannel, Done, Effect, Failed, OpenChannel
from tunnelmgr.api.events import Event
from tunnelmgr.api.network import DefaultRoute, Endpoint, LocalAddress, Network
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings
from tunnelmgr_sixinfour.configured.tunnel import SixInFourTunnel

CLIENT_SETTINGS = {"remote": str(SERVER), "address": f"{CLIENT6}/64", "routes": ["::/0"]}
SERVER_SETTINGS = {
    "remote": str(CLIENT),
    "address": f"{SERVER6}/64",
    "far_address": str(CLIENT6),
    "routes": ["2001:db8:1:3::/64"],
    "forward": True,
}


def network(source: IPv4Address = CLIENT) -> Network:
    return Network((LocalAddress("eth0", IPv4Interface(f"{source}/24")),), DefaultRoute("eth0", None), source)


class Driven:
    """A started tunnel of any kind, driven verb by verb. `found` is the network it starts in.

    Its channel is open, unless all are `refused`.
    """

    def __init__(self, tunnel: Tunnel, found: Network, refused: Failed | None = None) -> None:
        self.tunnel = tunnel
        self.refused = refused
        self.now = 0.0
        self.said: list[Event] = []
        self.sent: list[Datagram] = []
        self.delivered: list[bytes] = []
        tunnel.start(0.0, found, {})
        self.turn()

    def turn(self) -> None:
        """Drain, and answer the effects."""
        while events := self.tunnel.outbox.drain_events():
            self.said += events
            for event in events:
                if isinstance(event, OpenChannel | CloseChannel):
                    self.answer(event, self.result_of(event))
        self.sent += self.tunnel.outbox.drain_datagrams()
        self.delivered += self.tunnel.outbox.drain_packets()

    def result_of(self, effect: OpenChannel | CloseChannel) -> Done[object] | Failed:
        return self.refused or Done(effect.local if isinstance(effect, OpenChannel) else None)

    def answer(self, effect: Effect, result: Done[object] | Failed) -> None:
        self.tunnel.effect_done(effect, result, self.now)

    def take(self, datagram: Datagram) -> list[bytes]:
        """Let a datagram arrive; return what is delivered of it."""
        before = len(self.delivered)
        self.tunnel.receive_datagram(datagram, self.now)
        self.turn()
        return self.delivered[before:]

    def send(self, packet: bytes | IPv6Packet) -> list[Datagram]:
        """Let a packet of this side come; return what is sent."""
        before = len(self.sent)
        self.tunnel.receive_packet(packet if isinstance(packet, bytes) else packet.serialize(), self.now)
        self.turn()
        return self.sent[before:]

    def change(self, event: ChannelEvent) -> None:
        self.tunnel.channel_changed(event, self.now)
        self.turn()

    def move(self, found: Network) -> None:
        """Let the network be another."""
        self.tunnel.network_changed(found, self.now)
        self.turn()

    def wake_until(self, instant: float) -> None:
        """Let time pass."""
        while (due := self.tunnel.next_timeout()) is not None and due <= instant:
            self.now = max(self.now, due)
            self.wake()
        self.now = instant

    def wake(self) -> None:
        self.tunnel.handle_timeout(self.now)
        self.turn()

    @property
    def drops(self) -> Counter[str]:
        counters = self.tunnel.status(self.now).counters
        return Counter({name: count for name, count in counters.items() if name.startswith("dropped-")})

    def said_of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.said if isinstance(event, kind)]


class Bench(Driven):
    """One end of a configured tunnel in the world of the vectors, and its far end, which answers echo requests."""

    tunnel: SixInFourTunnel

    def __init__(
        self, source: IPv4Address = CLIENT, found: Network | None = None, refused: Failed | None = None, **settings: Any
    ) -> None:
        written = (CLIENT_SETTINGS if source == CLIENT else SERVER_SETTINGS) | settings
        self.settings = SixInFourSettings.model_validate(written)
        self.answered = 0
        """Bytes of IPv6 of the largest echo request that the far end answers while time passes."""
        super().__init__(SixInFourTunnel(self.settings, Random(1)), found or network(source), refused)

    def wake_until(self, instant: float, *, answering: int = 0) -> None:
        """Let time pass; the far end answers echo requests of up to `answering` bytes of IPv6."""
        self.answered = answering
        super().wake_until(instant)

    def wake(self) -> None:
        super().wake()
        self.reply(self.answered)

    def reply(self, largest: int = 1480) -> None:
        """Answer the echo requests sent since the last call."""
        while requests := [datagram for datagram in self.sent if len(datagram.data) <= largest]:
            self.sent.clear()
            for datagram in requests:
                packet = IPv6Packet.parse(datagram.data)
                request = parse_icmpv6(packet)
                assert isinstance(request, EchoRequest)
                self.take_inner(icmpv6_packet(request.reply(), packet.destination, packet.source))
        self.sent.clear()

    def take_inner(self, packet: IPv6Packet, tos: int = 0) -> None:
        """Let a packet of the far end arrive."""
        local = Endpoint(self.tunnel._channel.local or IPv4Address(0), 0)
        name = self.tunnel._channel.name
        self.take(Datagram(name, packet.serialize(), Endpoint(self.settings.remote, 0), local, tos=tos))


def is_echo_reply(data: bytes) -> bool:
    return isinstance(parse_icmpv6(IPv6Packet.parse(data)), EchoReply)
