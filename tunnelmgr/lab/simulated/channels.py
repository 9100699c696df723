"""The datagram sockets of a simulated host: UDP, multicast, and IPv6 in IPv4."""

from dataclasses import dataclass
from ipaddress import IPv4Address
from random import Random

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.effects import Failed, FailureCode, OpenChannel
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets import IpProtocol
from tunnelmgr.lab.simulated.packet import OuterPacket

EPHEMERAL_PORTS = (32768, 60999)  # Linux net.ipv4.ip_local_port_range
UNSPECIFIED = IPv4Address(0)


@dataclass(frozen=True, slots=True)
class Channel:
    """An open socket. `local` has address 0.0.0.0 where it was not bound to one."""

    name: str
    kind: ChannelKind
    local: Endpoint
    remote: Endpoint | None = None
    group: IPv4Address | None = None
    path_mtu_discovery: bool = False
    ttl: int | None = None

    @property
    def protocol(self) -> IpProtocol:
        return IpProtocol.IPV6 if self.kind is ChannelKind.RAW41 else IpProtocol.UDP

    def takes(self, packet: OuterPacket) -> bool:
        """Whether a packet that arrived is for this socket."""
        destination = packet.destination
        if packet.protocol is not self.protocol or destination.port != self.local.port:
            return False
        if self.kind is ChannelKind.MULTICAST:
            return destination.address == self.group
        if self.kind is ChannelKind.RAW41 and self.remote is not None and packet.source.address != self.remote.address:
            return False
        return self.local.address in (UNSPECIFIED, destination.address) and not destination.address.is_multicast

    def sent(self, packet: OuterPacket) -> bool:
        """Whether this socket may have sent a packet that was answered with an error."""
        return packet.protocol is self.protocol and packet.source.port == self.local.port


class SimulatedChannels:
    """All datagram sockets of one host."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._open: dict[str, Channel] = {}

    def open(self, wish: OpenChannel, held: list[IPv4Address]) -> Endpoint | Failed:
        """Open a socket on a host that holds these addresses."""
        if wish.channel in self._open:
            return Failed(FailureCode.IN_USE, f"channel {wish.channel} is open already")
        if wish.local.address != UNSPECIFIED and wish.local.address not in held:
            return Failed(FailureCode.NOT_FOUND, f"{wish.local.address} is not an address of this host")
        local = Endpoint(wish.local.address, self._port(wish))
        if wish.kind is ChannelKind.UDP and self._taken(local):
            return Failed(FailureCode.IN_USE, f"{local} is taken")
        if wish.kind is ChannelKind.MULTICAST and wish.group is None:
            raise ValueError(f"channel {wish.channel}: multicast needs a group")
        self._open[wish.channel] = Channel(
            wish.channel, wish.kind, local, wish.remote, wish.group, wish.path_mtu_discovery, wish.ttl
        )
        return local

    def close(self, name: str) -> None:
        self._open.pop(name, None)

    def clear(self) -> None:
        self._open.clear()

    def get(self, name: str) -> Channel | None:
        return self._open.get(name)

    def takers(self, packet: OuterPacket) -> list[Channel]:
        """The sockets a packet goes to: one of UDP at most, all that fit of the others."""
        return [channel for channel in self._open.values() if channel.takes(packet)]

    def senders(self, packet: OuterPacket) -> list[Channel]:
        """The sockets that hear of an error about `packet`."""
        return [channel for channel in self._open.values() if channel.sent(packet)]

    def _port(self, wish: OpenChannel) -> int:
        if wish.kind is ChannelKind.RAW41:
            return 0
        if wish.local.port:
            return wish.local.port
        while self._taken(Endpoint(wish.local.address, port := self._random.randint(*EPHEMERAL_PORTS))):
            pass
        return port

    def _taken(self, local: Endpoint) -> bool:
        return any(
            channel.kind is ChannelKind.UDP
            and channel.local.port == local.port
            and (UNSPECIFIED in (channel.local.address, local.address) or channel.local.address == local.address)
            for channel in self._open.values()
        )
