"""The IPv6 internet: hosts with native IPv6, and the prefixes that are routed to gateways (a relay's 2001::/32)."""

from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from typing import Protocol

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.icmpv6 import icmpv6_error
from tunnelmgr.api.packets.icmpv6_errors import DestinationUnreachable, PacketTooBig, UnreachableCode
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.lab.simulated.clock import Action
from tunnelmgr.lab.simulated.echo import PING_SIZE, Pinger, SentPing
from tunnelmgr.lab.simulated.link import OneWay
from tunnelmgr.lab.simulated.segment import World
from tunnelmgr.lab.vocabulary import Link

ROUTER = IPv6Address("2001:db8:ffff::1")  # who the errors of the IPv6 internet come from


class Ipv6Station(Protocol):
    """Whatever is connected to the IPv6 internet."""

    name: str

    def receive_ipv6(self, packet: bytes) -> None:
        """Take a packet for one of the prefixes routed here."""


@dataclass(slots=True, eq=False)
class Ipv6Plug:
    """Where a station is connected, with the prefixes routed to it."""

    internet: "Ipv6Internet"
    station: Ipv6Station
    prefixes: list[IPv6Network]
    up: OneWay
    down: OneWay
    nearest: "Ipv6Plug | None" = None
    """The gateway this station's packets find first, where several announce the same prefix."""

    def send(self, packet: bytes) -> None:
        """Let the station's packet out."""
        self._through(self.up, packet, lambda: self.internet.carry(packet, self))

    def bring(self, packet: bytes) -> None:
        """Take a packet to the station."""
        self._through(self.down, packet, lambda: self.station.receive_ipv6(packet))

    def _through(self, way: OneWay, packet: bytes, then: Action) -> None:
        world, mtu = self.internet.world, way.link.mtu
        if len(packet) > mtu:
            world.ladder.dropped(self.station.name, packet, f"{len(packet)} bytes, MTU {mtu}")
            self.internet.answer(PacketTooBig(mtu, packet))
            return
        delays = way.delays(packet)
        if not delays:
            world.ladder.dropped(self.station.name, packet, "lost on the IPv6 link")
        for delay in delays:
            world.clock.after(delay, then)


class Ipv6Internet:
    """Carries IPv6 packets by the longest prefix; among equals to the sender's nearest, else the first there was."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.plugs: list[Ipv6Plug] = []

    def attach(self, station: Ipv6Station, prefixes: list[IPv6Network], link: Link) -> Ipv6Plug:
        """Connect a station and route prefixes to it."""
        plug = Ipv6Plug(self, station, prefixes, OneWay(link, self.world.random), OneWay(link, self.world.random))
        self.plugs.append(plug)
        return plug

    def carry(self, packet: bytes, sender: Ipv6Plug) -> None:
        """Take a packet where it belongs."""
        try:
            destination = IPv6Packet.parse(packet).destination
        except WireError as error:
            self.world.ladder.dropped("IPv6 internet", packet, str(error))
            return
        plug = self._route(destination, sender)
        if plug is None:
            self.world.ladder.dropped("IPv6 internet", packet, f"no route to {destination}")
            self.answer(DestinationUnreachable(UnreachableCode.NO_ROUTE, packet))
            return
        plug.bring(packet)

    def answer(self, error: DestinationUnreachable | PacketTooBig) -> None:
        """Tell the sender of a packet, where ICMPv6 allows it. Too big is always told: path MTU discovery needs it."""
        if not isinstance(error, PacketTooBig) and not self.world.icmp_errors:
            return
        answer = icmpv6_error(error, ROUTER)
        plug = None if answer is None else self._route(answer.destination, None)
        if answer is not None and plug is not None:
            plug.bring(answer.serialize())

    def _route(self, destination: IPv6Address, sender: Ipv6Plug | None) -> Ipv6Plug | None:
        best: tuple[int, bool] = (-1, False)
        found = None
        nearest = sender.nearest if sender is not None else None
        for plug in self.plugs:
            for prefix in plug.prefixes:
                rank = (prefix.prefixlen, plug is nearest)
                if destination in prefix and rank > best:
                    best, found = rank, plug
        return found


@dataclass(frozen=True, slots=True)
class Received:
    """An IPv6 packet that reached a host, for it or to be forwarded."""

    at: float
    packet: IPv6Packet
    carrier: str | None = None
    """The host that sent the datagram it came in; None when it came natively, or a Tunnel made or kept it."""


class Ipv6Host:
    """A host with native IPv6 and no tunnel: answers echo requests and keeps what it received."""

    def __init__(self, internet: Ipv6Internet, name: str, address: IPv6Address, link: Link) -> None:
        self.name = name
        self.address = address
        self.received: list[Received] = []
        self.answers_echo = True
        self._world = internet.world
        self._pinger = Pinger()
        self._plug = internet.attach(self, [IPv6Network(address)], link)

    @property
    def pings_answered(self) -> int:
        return self._pinger.answered

    def prefer(self, gateway: Ipv6Plug | None) -> None:
        """Choose the nearest of several gateways with the same prefix."""
        self._plug.nearest = gateway

    def send_ping(self, to: "IPv6Address | HasIpv6Address", size: int = PING_SIZE) -> SentPing:
        """Send an echo request; the answer shows in what is returned."""
        ping, packet = self._pinger.ask(self.address, target_of(to), size, self._world.clock.now)
        self.send_packet(packet)
        return ping

    @property
    def ipv6_address(self) -> IPv6Address:
        return self.address

    def send_packet(self, packet: bytes) -> None:
        """Send any IPv6 packet."""
        self._world.ladder.sent(self.name, packet)
        self._plug.send(packet)

    def receive_ipv6(self, packet: bytes) -> None:
        """Take a packet from the IPv6 internet."""
        now = self._world.clock.now
        self._world.ladder.received(self.name, packet)
        parsed = IPv6Packet.parse(packet)
        self.received.append(Received(now, parsed))
        reply = self._pinger.take(parsed, now)
        if reply is not None and self.answers_echo:
            self.send_packet(reply)


class HasIpv6Address(Protocol):
    """Whoever can be pinged."""

    @property
    def ipv6_address(self) -> IPv6Address:
        """The address to ping. Raises AssertionError while there is none."""
        ...


def target_of(to: IPv6Address | HasIpv6Address) -> IPv6Address:
    return to if isinstance(to, IPv6Address) else to.ipv6_address
