"""The verbs every Tunnel answers to: client, server, relay and broker alike.

A Tunnel is pure. Bytes and a time go in; datagrams, packets, events and the next time to be woken come out. It has no
sockets, clock, files or threads, and makes no callbacks. `now` is seconds on a monotonic clock, the same for all verbs,
and never goes backwards. What it has to say it puts into its outbox, which the pump empties after every input.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from tunnelmgr.api.datagrams import ChannelEvent, Datagram
from tunnelmgr.api.effects import Effect, EffectResult
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.network import Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.status import Fact, PathUse, TunnelStatus


class Tunnel(ABC):
    """A protocol machine of one role of one transport. Starts once, stops once. Subclass it: optional verbs do nothing."""

    def __init__(self) -> None:
        self.outbox = Outbox()

    @abstractmethod
    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        """Begin. `memory` is what earlier runs of this profile's method asked to be remembered (`Remember`)."""

    @abstractmethod
    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        """Take what arrived on a channel and no path of the data plane authorised.

        Anything may arrive here from anyone: bad input is counted and dropped, never raised.
        """

    @abstractmethod
    def receive_packet(self, packet: bytes, now: float) -> None:
        """Take an IPv6 packet from this host (or one it forwards) that no path of the data plane carries."""

    def channel_changed(self, event: ChannelEvent, now: float) -> None:  # noqa: B027 - optional, like those below
        """Act on what became of a channel."""

    def network_changed(self, network: Network, now: float) -> None:  # noqa: B027
        """Act on a change of addresses, routes or native IPv6, or on the host's waking from sleep."""

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:  # noqa: B027
        """Note what the data plane carried; called before `handle_timeout`, for the paths used since the last call."""

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:  # noqa: B027
        """Take the answer to an effect: the very object that was asked for, and `Done` or `Failed`."""

    @abstractmethod
    def handle_timeout(self, now: float) -> None:
        """Do what is due. Being called early does nothing."""

    @abstractmethod
    def next_timeout(self) -> float | None:
        """Return the instant to be woken at, None when nothing is due."""

    @abstractmethod
    def status(self, now: float) -> TunnelStatus:
        """Return live state and counters; changes nothing."""

    def command(self, name: str, arguments: Mapping[str, Fact], now: float) -> Mapping[str, object]:
        """Carry out one of the transport's own commands on the running tunnel; return plain data.

        Raises TunnelError for an unknown command or bad arguments.
        """
        raise TunnelError(f"this tunnel has no command {name!r}")

    @abstractmethod
    def stop(self, now: float) -> None:
        """Begin to end in good order: say good-bye, give mappings back. The pump turns on until `Stopped` is said,
        two seconds at most."""


def earliest(*timers: float | None) -> float | None:
    """Return the first instant of several timers, None when none of them runs."""
    return min((at for at in timers if at is not None), default=None)
