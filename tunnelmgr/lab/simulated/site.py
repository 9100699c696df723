"""A site: a NAT between a network outside (the backbone, or another site's LAN) and a LAN inside."""

import contextlib
from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Address, IPv4Network

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.port_control import (
    PORT_CONTROL_PORT,
    AnnounceRequest,
    AnnounceResponse,
    ExternalAddressRequest,
    ExternalAddressResponse,
    NatPmpResult,
    PcpResult,
)
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.simulated.nat import Translator
from tunnelmgr.lab.simulated.packet import (
    PORT_UNREACHABLE,
    TIME_EXCEEDED,
    Dropped,
    OuterPacket,
    icmp_error,
)
from tunnelmgr.lab.simulated.segment import Plug, Segment
from tunnelmgr.lab.vocabulary import Link, Nat

INSIDE = Link()  # a LAN takes no time


class Site:
    """The router's name is the site's. Hosts inside are given addresses from `lan` in the order they come."""

    def __init__(
        self,
        name: str,
        nat: Nat,
        outside: Segment,
        address: IPv4Address,
        lan: IPv4Network,
        link: Link,
        beyond: "Site | None",
    ) -> None:
        self.name = name
        self.lan = lan
        self.beyond = beyond
        """The site this one is in, when its NAT is not the last one."""
        self._addresses: Iterator[IPv4Address] = lan.hosts()
        self.router = next(self._addresses)
        self.inside = Segment(outside.world, f"{name}'s LAN", self.router)
        self._world = outside.world
        self._drop = partial(outside.world.ladder.dropped, name)
        self.translator = Translator(nat, address, outside.world.random)
        self.outer = outside.attach(self, [address], link)
        self.inner = self.inside.attach(self, [self.router], INSIDE)
        self.inside.gateway = self.inner

    @property
    def address(self) -> IPv4Address:
        """The address outside."""
        return self.translator.outside

    @property
    def public_address(self) -> IPv4Address:
        """The address the backbone sees, unless a NAT on the way drops everything."""
        return self.beyond.public_address if self.beyond is not None else self.address

    def next_address(self) -> IPv4Address:
        """Return an address for one more host inside."""
        return next(address for address in self._addresses if self.inside.holder(address) is None)

    def forget_mappings(self) -> None:
        """Lose all mappings, as a router does that restarts."""
        self.translator.forget()

    def change_address(self, address: IPv4Address | str) -> None:
        """Get another outside address, as a provider gives one at night; all mappings are lost."""
        self.translator.outside = IPv4Address(address)
        self.outer.addresses[:] = [self.translator.outside]
        self.translator.forget()

    def change_nat(self, nat: Nat) -> None:
        """Behave like another NAT from now on; all mappings are lost."""
        self.translator.nat = nat
        self.translator.forget()

    def map_port(self, inside: Endpoint, external_port: int, lifetime: float) -> Endpoint | None:
        """Map a UDP port as PCP does; None when this NAT does not offer it."""
        if not self.translator.nat.maps_ports:
            return None
        port = self.translator.udp.bind_on_request(inside, external_port, lifetime, self._world.clock.now)
        return Endpoint(self.address, port)

    def unmap_port(self, inside: Endpoint) -> None:
        """Take a mapping made by `map_port` back."""
        self.translator.udp.unbind(inside)

    def receive(self, packet: OuterPacket, plug: Plug) -> None:
        """Carry a packet from one side to the other."""
        if plug is self.outer:
            self._from_outside(packet)
        elif packet.destination.address == self.address:
            self._pass(packet, self.translator.hairpin(packet, self._world.clock.now), self.inner)
        elif packet.destination.address == self.router:
            self._for_router(packet)
        else:
            self._from_inside(packet)

    def _for_router(self, packet: OuterPacket) -> None:
        """Answer who asks about the NAT (RFC 6886, RFC 6887), and refuse everybody else."""
        control = packet.protocol is IpProtocol.UDP and packet.destination.port == PORT_CONTROL_PORT
        answer = self._about_ports(packet.payload, packet.source.address) if control else None
        if answer is not None:
            reply = OuterPacket(IpProtocol.UDP, packet.destination, packet.source, answer, self.name)
            self.inner.send(reply)
            return
        self._drop(packet, "for the router itself")
        if self._world.icmp_errors and packet.error is None:
            self.inner.send(icmp_error(PORT_UNREACHABLE, packet, packet.destination, self.name))

    def _about_ports(self, request: bytes, source: IPv4Address) -> bytes | None:
        """Return what the router answers to a question about its NAT; None where it offers no such thing."""
        if not self.translator.nat.maps_ports:
            return None
        seconds = int(self._world.clock.now)
        with contextlib.suppress(WireError):
            ExternalAddressRequest.parse(request)
            return ExternalAddressResponse(NatPmpResult.SUCCESS, seconds, self.address).serialize()
        with contextlib.suppress(WireError):
            agrees = AnnounceRequest.parse(request).client == source
            result = PcpResult.SUCCESS if agrees else PcpResult.ADDRESS_MISMATCH
            return AnnounceResponse(result, 0, seconds).serialize()
        return None

    def _from_inside(self, packet: OuterPacket) -> None:
        # The TTL ends before anything is translated: a packet that dies here leaves no mapping (Linux ip_forward).
        if packet.ttl <= 1:
            self._drop(packet, "TTL exceeded")
            self.inside.answer(TIME_EXCEEDED, packet)
            return
        self._pass(packet, self.translator.outward(packet.aged(1), self._world.clock.now), self.outer)

    def _from_outside(self, packet: OuterPacket) -> None:
        if packet.destination.address != self.address:
            self._drop(packet, "for nobody here")
            return
        if packet.ttl <= 1:
            self._drop(packet, "TTL exceeded")
            self.outer.segment.answer(TIME_EXCEEDED, packet)
            return
        self._pass(packet.aged(1), self.translator.inward(packet.aged(1), self._world.clock.now), self.inner)

    def _pass(self, packet: OuterPacket, outcome: OuterPacket | Dropped, plug: Plug) -> None:
        if isinstance(outcome, OuterPacket):
            plug.send(outcome)
            return
        self._drop(packet, outcome.reason)
        refused = plug is self.inner and self.translator.nat.open_box and packet.error is None
        if refused and self._world.icmp_errors:
            self.outer.send(icmp_error(PORT_UNREACHABLE, packet, packet.destination, self.name))
