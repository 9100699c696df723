"""The IPv6 side of a simulated host: what the kernel does between the TUN device, the IPv6 internet and programs."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from ipaddress import IPv6Address, IPv6Network

from tunnelmgr.api.effects import Ping
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.packets.icmpv6 import icmpv6_error
from tunnelmgr.api.packets.icmpv6_errors import PacketTooBig
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.lab.simulated.echo import PING_SIZE, Pinger
from tunnelmgr.lab.simulated.ipv6 import Ipv6Plug, Received
from tunnelmgr.lab.simulated.segment import World


class InnerStack:
    """Addresses, routes, echo and forwarding of one host. `into_tunnel` takes the packets for the TUN device."""

    def __init__(self, name: str, world: World, into_tunnel: Callable[[bytes], None]) -> None:
        self.name = name
        self.config: HostConfig | None = None
        self.received: list[Received] = []
        self.pinger = Pinger()
        self.native: Ipv6Plug | None = None
        self.native_addresses: tuple[IPv6Address, ...] = ()
        self.tunnel_routes: tuple[IPv6Network, ...] = ()
        """Prefixes of the IPv6 internet this host is the gateway of."""
        self.asleep = False
        self._world = world
        self._drop = partial(world.ladder.dropped, name)
        self._into_tunnel = into_tunnel

    @property
    def addresses(self) -> tuple[IPv6Address, ...]:
        """Those of the tunnel first."""
        configured = self.config.addresses if self.config is not None else ()
        return (*(interface.ip for interface in configured), *self.native_addresses)

    def source_for(self, destination: IPv6Address) -> IPv6Address:
        """Choose a source address between the tunnel's and the native one. Raises ValueError while there is none."""
        candidates = self.addresses if self._is_tunnelled(destination) else (*self.native_addresses, *self.addresses)
        if not candidates:
            raise ValueError(f"{self.name} has no IPv6 address to reach {destination} from; wait until it is up")
        return candidates[0]

    def send(self, packet: bytes) -> None:
        """Send a packet of this host, into the tunnel or not as its routes say."""
        self._world.ladder.sent(self.name, packet)
        self._route(packet)

    def ping_natively(self, wish: Ping, answered: Callable[[float], None]) -> bool:
        """Ping past the tunnel; False where there is no native IPv6."""
        if self.native is None:
            return False
        source = wish.source or self.native_addresses[0]
        ping, packet = self.pinger.ask(source, wish.target, PING_SIZE, self._world.clock.now)
        ping.on_answer = answered
        self.native.send(packet)
        return True

    def receive_ipv6(self, packet: bytes) -> None:
        """Take a packet from the IPv6 internet."""
        if not self.asleep:
            self.receive(packet, None)

    def receive(self, packet: bytes, carrier: str | None) -> None:
        """Take a packet from the tunnel, which came in a datagram of the host named `carrier`, or from elsewhere."""
        now, parsed = self._world.clock.now, IPv6Packet.parse(packet)
        self._world.ladder.received(self.name, packet)
        self.received.append(Received(now, parsed, carrier))
        if parsed.destination not in self.addresses:
            self._forward(parsed)
        elif (reply := self.pinger.take(parsed, now)) is not None:
            self.send(reply)

    def _forward(self, packet: IPv6Packet) -> None:
        """Send on what is not for this host: between the tunnel and the IPv6 internet."""
        onward = replace(packet, hop_limit=max(packet.hop_limit - 1, 0))
        if self.native is None or not onward.hop_limit:
            self._drop(packet.serialize(), "not for this host" if self.native is None else "hop limit exceeded")
        elif self._is_too_big(onward):
            self._answer_too_big(onward)
        else:
            self._route(onward.serialize())

    def _is_too_big(self, packet: IPv6Packet) -> bool:
        if self.config is None or not self._is_tunnelled(packet.destination):
            return False
        return len(packet.serialize()) > self.config.mtu

    def _answer_too_big(self, packet: IPv6Packet) -> None:
        mtu = self.config.mtu if self.config is not None else 0
        self._drop(packet.serialize(), f"larger than the tunnel's MTU {mtu}")
        if self.addresses and (answer := icmpv6_error(PacketTooBig(mtu, packet.serialize()), self.addresses[-1])):
            self.send(answer.serialize())

    def _route(self, packet: bytes) -> None:
        if self._is_tunnelled(IPv6Packet.parse(packet).destination):
            self._into_tunnel(packet)
        elif self.native is not None:
            self.native.send(packet)
        else:
            self._drop(packet, "no route")

    def _is_tunnelled(self, destination: IPv6Address) -> bool:
        routed = self.tunnel_routes
        if self.config is not None:
            if self.config.default_route and self.native is None:
                return True
            on_link = (interface.network for interface in self.config.addresses)
            routed = (*routed, *on_link, *self.config.routes)
        return any(destination in network for network in routed)
