"""Drives a Tunnel against anything that offers an outside.

The driver gives it a real outside (sockets, timers, a TUN device), the simulated internet another one, so that tests run
the pump that ships. After every input of any kind it carries out, in this order, what the Tunnel has to say: events,
datagrams, packets, the next wake-up. Events come first because a datagram may need the channel an event asks for; a channel
is closed when what was said on it has left.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from tunnelmgr.api.datagrams import ChannelEvent, Datagram
from tunnelmgr.api.effects import CloseChannel, Effect, EffectResult
from tunnelmgr.api.events import Event
from tunnelmgr.api.network import Network
from tunnelmgr.api.status import PathUse
from tunnelmgr.api.tunnel import Tunnel


class Outside(Protocol):
    """What surrounds a Tunnel. None of these may call the pump back before they return."""

    def now(self) -> float:
        """Return the instant on the Tunnel's clock, in seconds."""

    def on_event(self, event: Event) -> None:
        """Take an event, or an effect to carry out and to answer later."""

    def send(self, datagrams: Sequence[Datagram]) -> None:
        """Send datagrams in order. One that cannot be sent is reported by a channel event, never raised."""

    def deliver(self, packets: Sequence[bytes]) -> None:
        """Hand IPv6 packets to the host, in order."""

    def path_uses(self) -> Sequence[PathUse]:
        """Return what the data plane carried since the last call."""

    def wake_at(self, instant: float | None) -> None:
        """Call `Pump.wake` at this instant or soon after; None: not at all."""


class Pump:
    """Carries what a Tunnel says to its Outside."""

    def __init__(self, tunnel: Tunnel, outside: Outside) -> None:
        self.tunnel = tunnel
        self._outside = outside

    def start(self, network: Network, memory: Mapping[str, bytes]) -> None:
        """Start the Tunnel."""
        self.tunnel.start(self._outside.now(), network, memory)
        self._turn()

    def datagrams_received(self, datagrams: Iterable[Datagram]) -> None:
        """Hand over the datagrams of one wake-up."""
        now = self._outside.now()
        for datagram in datagrams:
            self.tunnel.receive_datagram(datagram, now)
        self._turn()

    def packets_received(self, packets: Iterable[bytes]) -> None:
        """Hand over the packets of one wake-up."""
        now = self._outside.now()
        for packet in packets:
            self.tunnel.receive_packet(packet, now)
        self._turn()

    def channel_changed(self, event: ChannelEvent) -> None:
        """Tell what became of a channel."""
        self.tunnel.channel_changed(event, self._outside.now())
        self._turn()

    def network_changed(self, network: Network) -> None:
        """Tell that the network changed."""
        self.tunnel.network_changed(network, self._outside.now())
        self._turn()

    def effect_done(self, effect: Effect, result: EffectResult) -> None:
        """Answer an effect."""
        self.tunnel.effect_done(effect, result, self._outside.now())
        self._turn()

    def wake(self) -> None:
        """Do what is due, having told first which paths were in use."""
        now = self._outside.now()
        if uses := self._outside.path_uses():
            self.tunnel.paths_used(uses, now)
        self.tunnel.handle_timeout(now)
        self._turn()

    def command(self, name: str, arguments: Mapping[str, str | int | float | bool | None]) -> Mapping[str, object]:
        """Run one of the transport's own commands."""
        answer = self.tunnel.command(name, arguments, self._outside.now())
        self._turn()
        return answer

    def stop(self) -> None:
        """Ask the Tunnel to end; it says `Stopped` when it has."""
        self.tunnel.stop(self._outside.now())
        self._turn()

    def _turn(self) -> None:
        outbox = self.tunnel.outbox
        datagrams = outbox.drain_datagrams()
        for event in outbox.drain_events():
            if isinstance(event, CloseChannel):  # last words leave first
                self._send([one for one in datagrams if one.channel == event.channel])
                datagrams = [one for one in datagrams if one.channel != event.channel]
            self._outside.on_event(event)
        self._send(datagrams)
        if packets := outbox.drain_packets():
            self._outside.deliver(packets)
        self._outside.wake_at(self.tunnel.next_timeout())

    def _send(self, datagrams: Sequence[Datagram]) -> None:
        if datagrams:
            self._outside.send(datagrams)
