"""What every way of carrying packets offers to the driver, whatever the speed.

A data path reads the TUN device and the channels, carries what the forwarding table authorises, and hands the rest back:
packets and datagrams for the Tunnel. It also sends and delivers what the Tunnel itself says.
"""

from collections.abc import Mapping, Sequence
from socket import socket
from typing import Protocol

from tunnelmgr.api.datagrams import ChannelEvent, ChannelKind, Datagram

BATCH = 64
"""Packets taken from one descriptor in one wake-up: enough to fill a burst, few enough to be fair to the others."""


class DataPath(Protocol):
    """Carries packets between the TUN device and the datagram channels."""

    def attach_device(self, descriptor: int | None) -> None:
        """Use this non-blocking TUN descriptor, None for none. The caller owns it."""

    def attach_channel(self, name: str, kind: ChannelKind, sock: socket) -> None:
        """Use this non-blocking datagram socket. The caller owns it."""

    def detach_channel(self, name: str) -> None:
        """Forget a channel, before it is closed."""

    def read_device(self, now: float) -> list[bytes]:
        """Carry what waits in the TUN device; return the packets for the Tunnel.

        Raises OSError when the device is gone.
        """

    def read_channel(self, name: str, now: float) -> list[Datagram]:
        """Carry what waits on a channel; return the datagrams for the Tunnel.

        Raises OSError when the channel reports an error, BlockingIOError when there was nothing to read: then the socket
        woke us for its error queue. Reading may go on after either.
        """

    def send(self, datagrams: Sequence[Datagram]) -> None:
        """Send what the Tunnel says on datagram channels."""

    def deliver(self, packets: Sequence[bytes]) -> None:
        """Write packets of the Tunnel to the TUN device."""

    def failures(self) -> list[ChannelEvent]:
        """Drain the send failures since the last call, one an error number and channel at most."""

    def counters(self) -> Mapping[str, int]:
        """Return how many packets were dropped since the beginning, by reason: `dropped-<reason>`."""
