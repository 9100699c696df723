"""A piece of IPv4 network: the backbone, or the LAN of a site. Stations hang on it by links."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from random import Random
from typing import Protocol

from tunnelmgr.api.network import Endpoint
from tunnelmgr.lab.simulated.clock import Action, Clock
from tunnelmgr.lab.simulated.ladder import Ladder
from tunnelmgr.lab.simulated.link import OneWay
from tunnelmgr.lab.simulated.packet import FRAGMENTATION_NEEDED, HOST_UNREACHABLE, TIME_EXCEEDED, OuterPacket, icmp_error
from tunnelmgr.lab.vocabulary import Link

BACKBONE_HOPS = 3  # routers between any two stations of the backbone, where a low TTL ends


class Station(Protocol):
    """A host or a NAT."""

    name: str

    def receive(self, packet: OuterPacket, plug: "Plug") -> None:
        """Take a packet that arrived by `plug`."""


@dataclass(slots=True)
class World:
    """What everything in one simulated internet shares."""

    clock: Clock
    random: Random
    ladder: Ladder
    icmp_errors: bool
    """Whether routers and hosts answer what they cannot carry or take with ICMP errors."""


class Plug:
    """Where a station is plugged in, with its addresses there. `up` leads away from the station, `down` to it."""

    def __init__(self, segment: "Segment", station: Station, addresses: list[IPv4Address], link: Link) -> None:
        self.segment = segment
        self.station = station
        self.addresses = addresses
        self.up = OneWay(link, segment.world.random)
        self.down = OneWay(link, segment.world.random)

    def set_links(self, up: Link | None = None, down: Link | None = None) -> None:
        """Replace what happens on the way, and count packets from 0 again. None leaves a direction alone."""
        if up is not None:
            self.up = OneWay(up, self.segment.world.random)
        if down is not None:
            self.down = OneWay(down, self.segment.world.random)

    def send(self, packet: OuterPacket) -> None:
        """Let the station's packet out."""
        self._through(self.up, packet, "lost on the link out", lambda: self.segment.carry(packet, self))

    def bring(self, packet: OuterPacket) -> None:
        """Take a packet to the station."""
        self._through(self.down, packet, "lost on the link in", lambda: self._arrive(packet))

    def _arrive(self, packet: OuterPacket) -> None:
        if self in self.segment.plugs:
            self.station.receive(packet, self)

    def _through(self, way: OneWay, packet: OuterPacket, lost: str, then: Action) -> None:
        world, mtu = self.segment.world, way.link.mtu
        if packet.dont_fragment and packet.length > mtu:
            world.ladder.dropped(self.station.name, packet, f"{packet.length} bytes, MTU {mtu}")
            self.segment.answer(FRAGMENTATION_NEEDED, packet, mtu)
            return
        delays = way.delays(packet)
        if not delays:
            world.ladder.dropped(self.station.name, packet, lost)
        for delay in delays:
            world.clock.after(delay, then)


@dataclass(slots=True, eq=False)
class Segment:
    """Stations that reach each other without a NAT."""

    world: World
    name: str
    router: IPv4Address
    """Who ICMP errors of this segment come from."""
    hops: int = 0
    """Routers a packet passes within."""
    plugs: list[Plug] = field(default_factory=list)
    gateway: Plug | None = None
    """Where packets for other addresses go."""

    def attach(self, station: Station, addresses: list[IPv4Address], link: Link) -> Plug:
        """Attach a station. Raises ValueError when one of the addresses is taken."""
        for address in addresses:
            if (holder := self.holder(address)) is not None:
                raise ValueError(f"{address} in {self.name} is taken by {holder.station.name}; choose another")
        plug = Plug(self, station, addresses, link)
        self.plugs.append(plug)
        return plug

    def detach(self, plug: Plug) -> None:
        self.plugs.remove(plug)

    def holder(self, address: IPv4Address) -> Plug | None:
        return next((plug for plug in self.plugs if address in plug.addresses), None)

    def carry(self, packet: OuterPacket, sender: Plug) -> None:
        """Take a packet from one station to where it belongs."""
        if packet.destination.address.is_multicast:
            self._spread(packet, sender)
            return
        aged = packet.aged(self.hops)
        if aged.ttl <= 0:
            self._give_up(packet, "TTL exceeded", TIME_EXCEEDED)
        elif target := self.holder(packet.destination.address) or self.gateway:
            target.bring(aged)
        else:
            self._give_up(packet, f"nobody has {packet.destination.address}", HOST_UNREACHABLE)

    def _spread(self, packet: OuterPacket, sender: Plug) -> None:
        """Multicast reaches whoever shares the link; the backbone is not one."""
        if self.hops:
            self._give_up(packet, "multicast is not routed", None)
            return
        for plug in self.plugs:
            if plug is not sender and plug is not self.gateway:
                plug.bring(packet)

    def _give_up(self, packet: OuterPacket, reason: str, kind: tuple[int, int] | None) -> None:
        self.world.ladder.dropped(self.name, packet, reason)
        if kind is not None:
            self.answer(kind, packet)

    def answer(self, kind: tuple[int, int], packet: OuterPacket, mtu: int = 0) -> None:
        """Tell the sender of a packet what became of it, if this internet does so and the packet is no error itself."""
        if not self.world.icmp_errors or packet.error is not None:
            return
        plug = self.holder(packet.source.address)
        if plug is not None:
            plug.bring(icmp_error(kind, packet, Endpoint(self.router, 0), self.name, mtu))
