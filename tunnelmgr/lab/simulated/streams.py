"""TCP on a simulated host: connecting, being refused, streams in order, closing. Nothing is retransmitted or lost.

A segment that reaches no connection is answered with a reset, as everywhere. A peer that vanished without a word is
noticed by whoever is still connecting only: its own keepalive is a protocol's business.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from random import Random

from tunnelmgr.api.datagrams import Accepted, ChannelEvent, ChannelFailed, ChannelKind, Closed, Connected, Datagram
from tunnelmgr.api.effects import Failed, FailureCode, OpenChannel
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.simulated.channels import EPHEMERAL_PORTS, UNSPECIFIED
from tunnelmgr.lab.simulated.clock import Clock
from tunnelmgr.lab.simulated.packet import OuterPacket, TcpSegment

CONNECT_TIMEOUT = 127.0  # seconds; what Linux takes for its six repeated SYNs


@dataclass(slots=True)
class _Connection:
    channel: str
    local: Endpoint
    remote: Endpoint
    established: bool


@dataclass(slots=True)
class _Listener:
    channel: str
    local: Endpoint
    accepted: int = 0


class Streams:
    """The TCP sockets of one host. `emit` sends a packet; `changed` and `received` tell the Tunnel, later."""

    def __init__(
        self,
        clock: Clock,
        random: Random,
        emit: Callable[[OuterPacket], None],
        changed: Callable[[ChannelEvent], None],
        received: Callable[[Datagram], None],
    ) -> None:
        self._clock = clock
        self._random = random
        self._emit = emit
        self._changed = changed
        self._received = received
        self._connections: dict[str, _Connection] = {}
        self._listeners: dict[str, _Listener] = {}

    def __contains__(self, channel: str) -> bool:
        return channel in self._connections or channel in self._listeners

    def close_all(self) -> None:
        """Close everything, as the kernel does for a program that ended."""
        for channel in [*self._connections, *self._listeners]:
            self.close(channel)

    def open(self, wish: OpenChannel, source: IPv4Address | None) -> Endpoint | Failed:
        """Begin to connect or to listen; `source` is the address this host uses towards the internet."""
        if wish.channel in self:
            return Failed(FailureCode.IN_USE, f"channel {wish.channel} is open already")
        return self._listen(wish) if wish.kind is ChannelKind.TCP_LISTEN else self._connect(wish, source)

    def send(self, channel: str, data: bytes) -> bool:
        """Send the next piece of a stream; False when it is not connected."""
        connection = self._connections.get(channel)
        if connection is None or not connection.established:
            return False
        self._segment(connection, TcpSegment.DATA, data)
        return True

    def close(self, channel: str) -> None:
        self._listeners.pop(channel, None)
        if (connection := self._connections.pop(channel, None)) is not None:
            self._segment(connection, TcpSegment.FIN)

    def receive(self, packet: OuterPacket) -> None:
        """Take a TCP segment that arrived."""
        connection = self._find(packet)
        if packet.segment is TcpSegment.SYN:
            self._accept(packet)
        elif connection is None:
            self._refuse(packet)
        elif packet.segment is TcpSegment.SYN_ACK:
            connection.established = True
            self._changed(Connected(connection.channel, connection.local, connection.remote))
        elif packet.segment is TcpSegment.DATA:
            self._received(Datagram(connection.channel, packet.payload, connection.remote, connection.local))
        elif packet.segment is TcpSegment.FIN:
            self._lose(connection, Closed(connection.channel))
        else:
            number = errno.ECONNRESET if connection.established else errno.ECONNREFUSED
            self._lose(connection, ChannelFailed(connection.channel, number, connection.remote))

    def unreachable(self, about: OuterPacket) -> None:
        """Handle an ICMP error about a segment sent: it ends an attempt to connect (RFC 1122 section 4.2.3.9)."""
        ends = (about.source, about.destination)
        connection = next((one for one in self._connections.values() if (one.local, one.remote) == ends), None)
        if connection is not None:
            self._give_up(connection, ChannelFailed(connection.channel, errno.EHOSTUNREACH, connection.remote))

    def _listen(self, wish: OpenChannel) -> Endpoint | Failed:
        local = Endpoint(wish.local.address, wish.local.port or self._random.randint(*EPHEMERAL_PORTS))
        if any(listener.local == local for listener in self._listeners.values()):
            return Failed(FailureCode.IN_USE, f"{local} is taken")
        self._listeners[wish.channel] = _Listener(wish.channel, local)
        return local

    def _connect(self, wish: OpenChannel, source: IPv4Address | None) -> Endpoint:
        if wish.remote is None:
            raise ValueError(f"channel {wish.channel}: tcp-connect needs a remote endpoint")
        local = Endpoint(source or UNSPECIFIED, wish.local.port or self._random.randint(*EPHEMERAL_PORTS))
        connection = self._connections[wish.channel] = _Connection(wish.channel, local, wish.remote, established=False)
        if source is None:
            failure = ChannelFailed(wish.channel, errno.ENETUNREACH, wish.remote)
            self._clock.after(0.0, lambda: self._give_up(connection, failure))
        else:
            self._segment(connection, TcpSegment.SYN)
            failure = ChannelFailed(wish.channel, errno.ETIMEDOUT, wish.remote)
            self._clock.after(CONNECT_TIMEOUT, lambda: self._give_up(connection, failure))
        return local

    def _give_up(self, connection: _Connection, failure: ChannelFailed) -> None:
        if self._connections.get(connection.channel) is connection and not connection.established:
            self._lose(connection, failure)

    def _lose(self, connection: _Connection, event: Closed | ChannelFailed) -> None:
        del self._connections[connection.channel]
        self._changed(event)

    def _accept(self, packet: OuterPacket) -> None:
        listener = next((found for found in self._listeners.values() if _hears(found.local, packet.destination)), None)
        if listener is None:
            self._refuse(packet)
            return
        listener.accepted += 1
        channel = f"{listener.channel}/{listener.accepted}"
        connection = _Connection(channel, packet.destination, packet.source, established=True)
        self._connections[channel] = connection
        self._segment(connection, TcpSegment.SYN_ACK)
        self._changed(Accepted(listener.channel, channel, packet.source))

    def _refuse(self, packet: OuterPacket) -> None:
        if packet.segment is not TcpSegment.RST:
            self._emit(OuterPacket(IpProtocol.TCP, packet.destination, packet.source, segment=TcpSegment.RST))

    def _find(self, packet: OuterPacket) -> _Connection | None:
        ends = (packet.destination, packet.source)
        return next((found for found in self._connections.values() if (found.local, found.remote) == ends), None)

    def _segment(self, connection: _Connection, segment: TcpSegment, data: bytes = b"") -> None:
        self._emit(OuterPacket(IpProtocol.TCP, connection.local, connection.remote, data, segment=segment))


def _hears(listening: Endpoint, destination: Endpoint) -> bool:
    return listening.port == destination.port and listening.address in (UNSPECIFIED, destination.address)
