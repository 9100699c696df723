"""The IPv4 side of a simulated host: its sockets on its network, as Linux has them."""

import errno
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address

from tunnelmgr.api.datagrams import ChannelEvent, ChannelFailed, ChannelKind, Datagram, IcmpReceived
from tunnelmgr.api.effects import Failed, FailureCode, OpenChannel
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.simulated.channels import UNSPECIFIED, SimulatedChannels, protocol_of
from tunnelmgr.lab.simulated.packet import (
    DEFAULT_TTL,
    PORT_UNREACHABLE,
    PROTOCOL_UNREACHABLE,
    IcmpError,
    OuterPacket,
    icmp_error,
)
from tunnelmgr.lab.simulated.segment import Plug, Segment, World
from tunnelmgr.lab.simulated.site import Site
from tunnelmgr.lab.simulated.streams import Streams
from tunnelmgr.lab.vocabulary import Link

INTERFACE = "eth0"
QUOTE_MAX = 520  # bytes of payload an ICMP error brings back; Linux routers fill 576 bytes


class OuterStack:
    """Sends and receives on the network the host is plugged into. A host that is `asleep` hears nothing.

    `arrived` takes what arrives on a datagram channel, and the name of the host that really sent it; `stream_arrived` the
    next piece of a stream; `changed` what became of a channel, in the middle of a turn.
    """

    def __init__(
        self,
        name: str,
        world: World,
        arrived: Callable[[Datagram, str], None],
        stream_arrived: Callable[[Datagram], None],
        changed: Callable[[ChannelEvent], None],
    ) -> None:
        self.name = name
        self.asleep = False
        self.has_default_route = True
        self._world = world
        self._say = partial(world.ladder.said, name)
        self._arrived = arrived
        self._changed = changed
        self.site: Site | None = None
        """The site this host is in; None on the backbone."""
        self._plug: Plug | None = None
        self._channels = SimulatedChannels(world.random)
        self._streams = Streams(world.clock, world.random, self._emit, changed, stream_arrived)

    @property
    def addresses(self) -> list[IPv4Address]:
        return self._plug.addresses if self._plug is not None else []

    @property
    def source(self) -> IPv4Address | None:
        """The address this host uses towards the internet; None while there is no way there."""
        return self.addresses[0] if self.addresses and self.has_default_route else None

    @property
    def plug(self) -> Plug:
        """Its place on its network. Raises ValueError where it has none."""
        if self._plug is None:
            raise ValueError(f"{self.name} is on no network; connect it first")
        return self._plug

    def connect(self, segment: Segment, addresses: list[IPv4Address], link: Link, site: Site | None) -> None:
        """Move the cable to a network."""
        if self._plug is not None:
            self._plug.segment.detach(self._plug)
        self._plug, self.site = segment.attach(self, addresses, link), site

    def open(self, wish: OpenChannel) -> Endpoint | Failed:
        """Open a socket; Failed as the operating system would."""
        if wish.kind in {ChannelKind.TCP_CONNECT, ChannelKind.TCP_LISTEN}:
            return self._streams.open(wish, self.source)
        if wish.channel in self._streams:
            return Failed(FailureCode.IN_USE, f"channel {wish.channel} is open already")
        return self._channels.open(wish, self.addresses)

    def close(self, channel: str) -> None:
        self._channels.pop(channel, None)
        self._streams.close(channel)

    def close_all(self) -> None:
        self._channels.clear()
        self._streams.close_all()

    def send(self, datagram: Datagram) -> None:
        """Send on whatever kind of channel the datagram names."""
        if datagram.channel in self._streams:
            if not self._streams.send(datagram.channel, datagram.data):
                self._say(f"channel {datagram.channel} is not connected: {len(datagram.data)} bytes lost")
            return
        channel = self._channels.get(datagram.channel)
        if channel is None:
            self._say(f"channel {datagram.channel} is not open: {len(datagram.data)} bytes lost")
            return
        source = self._source_of(datagram, channel)
        if isinstance(source, IPv4Address):
            self._emit(_packet(datagram, channel, source))
        else:
            self._changed(ChannelFailed(datagram.channel, source, datagram.remote))

    def _source_of(self, datagram: Datagram, channel: OpenChannel) -> IPv4Address | int:
        """The address a datagram leaves from, or the errno of why it cannot leave."""
        to_link = datagram.remote.address.is_multicast
        wished = datagram.local.address if datagram.local is not None else channel.local.address
        if wished != UNSPECIFIED and wished not in self.addresses:
            return errno.EINVAL  # what Linux says of a source address that is gone
        if not self.addresses or not (self.has_default_route or to_link):
            return errno.ENETUNREACH
        return self.addresses[0] if wished == UNSPECIFIED else wished

    def _emit(self, packet: OuterPacket) -> None:
        signed = replace(packet, origin=self.name)
        if packet.source.address not in self.addresses:
            self._world.ladder.dropped(self.name, signed, "its source is not an address of this host")
            return
        self._world.ladder.sent(self.name, signed)
        self.plug.send(signed)
        if packet.destination.address.is_multicast:  # IP_MULTICAST_LOOP is on by default
            self._world.clock.after(0.0, lambda: self._take_datagram(signed))

    def receive(self, packet: OuterPacket, plug: Plug) -> None:
        """Take a packet from the network."""
        destination = packet.destination.address
        if self.asleep or (destination not in plug.addresses and not destination.is_multicast):
            self._world.ladder.dropped(self.name, packet, "asleep" if self.asleep else "not for this host")
            return
        self._world.ladder.received(self.name, packet)
        if packet.error is not None:
            self._take_error(packet, packet.error)
        elif packet.protocol is IpProtocol.TCP:
            self._streams.receive(packet)
        elif not self._take_datagram(packet) and not destination.is_multicast:
            self._refuse(packet)

    def _take_datagram(self, packet: OuterPacket) -> bool:
        """Give a datagram to the sockets it is for; False when there are none."""
        takers = self._channels.takers(packet)
        for channel in takers:
            local = packet.destination
            datagram = Datagram(channel.channel, packet.payload, packet.source, local, INTERFACE, packet.tos, packet.ttl)
            self._arrived(datagram, packet.origin)
        return bool(takers)

    def _refuse(self, packet: OuterPacket) -> None:
        if self._world.icmp_errors:
            kind = PROTOCOL_UNREACHABLE if packet.protocol is IpProtocol.IPV6 else PORT_UNREACHABLE
            self._emit(icmp_error(kind, packet, packet.destination, self.name))

    def _take_error(self, packet: OuterPacket, error: IcmpError) -> None:
        about = error.about
        if about.protocol is IpProtocol.TCP:
            self._streams.unreachable(about)
        for channel in self._channels.senders(about):
            reporter, quote = Endpoint(packet.source.address, 0), about.payload[:QUOTE_MAX]
            self._changed(
                IcmpReceived(channel.channel, error.type, error.code, error.mtu, reporter, about.destination, quote)
            )


def _packet(datagram: Datagram, channel: OpenChannel, source: IPv4Address) -> OuterPacket:
    remote = Endpoint(datagram.remote.address, 0) if channel.kind is ChannelKind.RAW41 else datagram.remote
    ttl = datagram.ttl or channel.ttl or (1 if remote.address.is_multicast else DEFAULT_TTL)
    local = Endpoint(source, channel.local.port)
    whole = channel.kind is not ChannelKind.RAW41 or channel.path_mtu_discovery
    return OuterPacket(protocol_of(channel), local, remote, datagram.data, tos=datagram.tos, ttl=ttl, dont_fragment=whole)
