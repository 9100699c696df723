"""The verbs every Tunnel answers to: client, server, relay and broker alike.

A Tunnel is pure. Bytes and a time go in; datagrams, packets, events and the next time to be woken come out. It has no
sockets, clock, files or threads, and calls nobody back. `now` is seconds on a monotonic clock, the same for all verbs,
and never goes backwards. After every input the pump drains the outputs, which cannot fail and are gone once taken.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tunnelmgr.api.datagrams import ChannelEvent, Datagram
from tunnelmgr.api.effects import Effect, EffectResult
from tunnelmgr.api.events import Event
from tunnelmgr.api.network import Network
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus


class Tunnel(Protocol):
    """A protocol machine of one role of one transport. Starts once, stops once."""

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        """Begin. `memory` is what earlier runs of this profile's method asked to be remembered (`Remember`)."""

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        """Take what arrived on a channel and no path of the data plane authorised.

        Anything may arrive here from anyone: bad input is counted and dropped, never raised.
        """

    def receive_packet(self, packet: bytes, now: float) -> None:
        """Take an IPv6 packet from this host (or one it forwards) that no path of the data plane carries."""

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        """Hear what became of a channel."""

    def network_changed(self, network: Network, now: float) -> None:
        """Hear that addresses, routes or native IPv6 changed, or that the host woke from sleep."""

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        """Hear what the data plane carried; called before `handle_timeout`, for the paths used since the last call."""

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        """Hear the answer to an effect: the very object that was asked for, and `Done` or `Failed`."""

    def handle_timeout(self, now: float) -> None:
        """Do what is due. Being called early does nothing."""

    def next_timeout(self) -> float | None:
        """Return the instant to be woken at, None when nothing is due."""

    def datagrams_to_send(self) -> list[Datagram]:
        """Drain what is to be sent, in order."""

    def packets_to_deliver(self) -> list[bytes]:
        """Drain the IPv6 packets for this host, in order."""

    def events(self) -> list[Event]:
        """Drain events and effects, in order."""

    def status(self, now: float) -> TunnelStatus:
        """Return live state and counters; changes nothing."""

    def command(self, name: str, arguments: Mapping[str, Fact], now: float) -> Mapping[str, object]:
        """Carry out one of the transport's own commands on the running tunnel; return plain data.

        Raises TunnelError for an unknown command or bad arguments.
        """

    def stop(self, now: float) -> None:
        """Begin to end in good order: say good-bye, give mappings back. The pump turns on until `Stopped` is said,
        two seconds at most."""
