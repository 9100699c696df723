"""What tunnels over protocol 41 do alike: one raw channel, packets in and out of it, and the end."""

from abc import abstractmethod
from ipaddress import IPv4Address

from tunnelmgr.api.datagrams import ChannelEvent, Datagram, IcmpReceived
from tunnelmgr.api.effects import Effect, EffectResult
from tunnelmgr.api.events import Down, Stopped
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.packets.ipv6 import traffic_class
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr_sixinfour.drops import Drop, Refused
from tunnelmgr_sixinfour.protocol41.channel import RawChannel
from tunnelmgr_sixinfour.protocol41.settings import EnvelopeSettings


class Protocol41Tunnel(Tunnel):
    """Owns the channel. Who is at the other end, and what it may send, is for the subclasses."""

    def __init__(self, settings: EnvelopeSettings) -> None:
        super().__init__()
        self._tos = settings.outer_tos
        self._network = Network()
        self._channel = RawChannel(settings.local, settings.ttl, self.outbox)
        self._closing: Effect | None = None

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if effect is self._closing:
            self.outbox.say(Stopped())
        elif self._channel.effect_done(effect, result, now):
            if self._channel.is_open:
                self._opened(now)
            elif self._channel.complaint is not None:
                self._could_not_open(self._channel.complaint)

    @abstractmethod
    def _opened(self, now: float) -> None:
        """Go on: the channel that counts is open."""

    @abstractmethod
    def _could_not_open(self, down: Down) -> None:
        """Say why there is no channel, unless that is known."""

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if datagram.channel != self._channel.name or self._channel.local is None:
            self.outbox.drop(Drop.OLD_CHANNEL)
            return
        try:
            self._receive(datagram, self._channel.local, now)
        except Refused as refused:
            self.outbox.drop(refused.drop)

    @abstractmethod
    def _receive(self, datagram: Datagram, local: IPv4Address, now: float) -> None:
        """Take what arrived at `local`; raises Refused."""

    def receive_packet(self, packet: bytes, now: float) -> None:
        if not self._channel.is_open or self._channel.local is None:
            self.outbox.drop(Drop.NOT_OPEN)
            return
        try:
            self._transmit(packet, self._channel.local, now)
        except Refused as refused:
            self.outbox.drop(refused.drop)

    @abstractmethod
    def _transmit(self, data: bytes, local: IPv4Address, now: float) -> None:
        """Send a packet of this side from `local`; raises Refused."""

    def _send(self, packet: bytes, remote: IPv4Address) -> None:
        self.outbox.count("packets-sent")
        tos = self._tos.outer(traffic_class(packet))
        self.outbox.send(Datagram(self._channel.name, packet, Endpoint(remote, 0), tos=tos))

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        if isinstance(event, IcmpReceived):
            self._judge_icmp(event, now)
        else:
            self.outbox.count("channel-errors")

    @abstractmethod
    def _judge_icmp(self, event: IcmpReceived, now: float) -> None:
        """Draw conclusions from an ICMPv4 error about one of our packets. Anyone can forge one."""

    def stop(self, now: float) -> None:
        self._closing = self._channel.close()
        if self._closing is None:
            self.outbox.say(Stopped())
