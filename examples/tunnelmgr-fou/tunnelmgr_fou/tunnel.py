"""One end of a FOU tunnel. The UDP payload is an IPv6 packet; nothing else travels.

The peer is fixed, so that one path carries nearly everything and the Tunnel is asked only about packets the data plane
never carries unseen: fragments, multicast, options, keepalives.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from ipaddress import IPv6Address, IPv6Network

from tunnelmgr.api.datagrams import ChannelEvent, ChannelKind, Datagram
from tunnelmgr.api.effects import ANY, CloseChannel, Effect, EffectResult, Failed, OpenChannel
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.events import EVERYWHERE, Down, PathDown, PathUp, Stopped, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.status import PathUse, PeerStatus, TunnelStatus
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr_fou.settings import FouSettings

CHANNEL = "fou"
REOPEN_INTERVAL = 5.0  # seconds until a port that could not be had is asked for again
ALL_NODES = IPv6Address("ff02::1")


class State(Enum):
    """opening -> carrying -> stopped; a port that cannot be had leaves it opening."""

    OPENING = "opening"
    CARRYING = "carrying"
    STOPPED = "stopped"


class FouTunnel(Tunnel):
    """This end."""

    def __init__(self, settings: FouSettings) -> None:
        super().__init__()
        self._settings = settings
        self._peer = Endpoint(settings.peer, settings.port)
        self._own = IPv6Network(settings.address.ip)
        self._state = State.OPENING
        self._due_at: float | None = None
        self._received_at: float | None = None
        self._sent_at: float | None = None

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self._open()

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        try:
            packet = IPv6Packet.parse(datagram.data)
        except WireError:
            self.outbox.count("dropped-malformed")
            return
        if datagram.remote != self._peer:
            self.outbox.count("dropped-not-the-peer")
        elif packet.source in self._own:
            self.outbox.count("dropped-spoofed")
        else:
            self._received_at = now
            self.outbox.count("received")
            if packet.next_header != IpProtocol.NO_NEXT_HEADER:  # a keepalive has done its work on the way
                self.outbox.deliver(datagram.data)

    def receive_packet(self, packet: bytes, now: float) -> None:
        if self._state is State.CARRYING:
            self._send(packet, now)

    def channel_changed(self, event: ChannelEvent, now: float) -> None:
        self.outbox.count(f"channel-{type(event).__name__.lower()}")  # UDP lives on: the peer may come back

    def network_changed(self, network: Network, now: float) -> None:
        if self._state is State.CARRYING and self._settings.keepalive is not None:
            self._due_at = now  # a new NAT does not know us

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        for use in uses:
            self._received_at = use.received_at if use.received_at is not None else self._received_at
            if use.sent_at is not None and self._settings.keepalive is not None:
                self._sent_at, self._due_at = use.sent_at, use.sent_at + self._settings.keepalive

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        if isinstance(effect, CloseChannel):
            self.outbox.say(Stopped())
        elif self._state is State.OPENING and isinstance(result, Failed):
            self._due_at = now + REOPEN_INTERVAL
            self.outbox.say(Down(result.text, hint="set local_port to a free UDP port"))
        elif self._state is State.OPENING:
            self._state = State.CARRYING
            self._due_at = now if self._settings.keepalive is not None else None
            path = PathUp(self._settings.prefix, self._peer, CHANNEL, valid_for=None, ingress=(self._own,))
            self.outbox.say(path, Up(self._host_config(), {"peer": str(self._peer)}))

    def handle_timeout(self, now: float) -> None:
        if self._due_at is None or now < self._due_at:
            return
        if self._state is State.OPENING:
            self._open()
        else:
            self._send(IPv6Packet(self._settings.address.ip, ALL_NODES, IpProtocol.NO_NEXT_HEADER).serialize(), now)

    def next_timeout(self) -> float | None:
        return self._due_at

    def status(self, now: float) -> TunnelStatus:
        received, sent = (None if at is None else now - at for at in (self._received_at, self._sent_at))
        peer = PeerStatus(str(self._settings.prefix), str(self._peer), "direct", received, sent)
        return TunnelStatus(self._state.value, {"peer": str(self._peer)}, (peer,), 1, dict(self.outbox.counters))

    def stop(self, now: float) -> None:
        self._state, self._due_at = State.STOPPED, None
        self.outbox.say(PathDown(self._settings.prefix), CloseChannel(CHANNEL))

    def _open(self) -> None:
        self._due_at = None
        self.outbox.say(OpenChannel(CHANNEL, ChannelKind.UDP, ANY._replace(port=self._settings.local_port)))

    def _send(self, packet: bytes, now: float) -> None:
        self.outbox.count("sent")
        self._sent_at = now
        if self._settings.keepalive is not None:
            self._due_at = now + self._settings.keepalive
        self.outbox.send(Datagram(CHANNEL, packet, self._peer))

    def _host_config(self) -> HostConfig:
        everywhere = self._settings.prefix == EVERYWHERE
        routes = () if everywhere else (self._settings.prefix,)
        return HostConfig((self._settings.address,), routes, default_route=everywhere, mtu=self._settings.mtu)
