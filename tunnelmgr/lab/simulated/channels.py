"""The datagram sockets of a simulated host: UDP, multicast, and IPv6 in IPv4."""

from dataclasses import replace
from ipaddress import IPv4Address
from random import Random

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.effects import Failed, FailureCode, OpenChannel
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.simulated.packet import OuterPacket

EPHEMERAL_PORTS = (32768, 60999)  # Linux net.ipv4.ip_local_port_range
UNSPECIFIED = IPv4Address(0)


def protocol_of(channel: OpenChannel) -> IpProtocol:
    return IpProtocol.IPV6 if channel.kind is ChannelKind.RAW41 else IpProtocol.UDP


class SimulatedChannels(dict[str, OpenChannel]):
    """All datagram sockets of one host, by name: each is what was asked for, with the port it got.

    `local` has address 0.0.0.0 where a socket was not bound to one.
    """

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random

    def open(self, wish: OpenChannel, held: list[IPv4Address]) -> Endpoint | Failed:
        """Open a socket on a host that holds these addresses."""
        if wish.channel in self:
            return Failed(FailureCode.IN_USE, f"channel {wish.channel} is open already")
        if wish.local.address != UNSPECIFIED and wish.local.address not in held:
            return Failed(FailureCode.NOT_FOUND, f"{wish.local.address} is not an address of this host")
        local = Endpoint(wish.local.address, self._port(wish))
        if wish.kind is ChannelKind.UDP and self._taken(local):
            return Failed(FailureCode.IN_USE, f"{local} is taken")
        if wish.kind is ChannelKind.MULTICAST and wish.group is None:
            raise ValueError(f"channel {wish.channel}: multicast needs a group")
        self[wish.channel] = replace(wish, local=local)
        return local

    def takers(self, packet: OuterPacket) -> list[OpenChannel]:
        """The sockets a packet goes to: one of UDP at most, all that fit of the others."""
        return [channel for channel in self.values() if _takes(channel, packet)]

    def senders(self, packet: OuterPacket) -> list[OpenChannel]:
        """The sockets that hear of an error about `packet`."""
        port, protocol = packet.source.port, packet.protocol
        return [one for one in self.values() if one.local.port == port and protocol_of(one) is protocol]

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
            for channel in self.values()
        )


def _takes(channel: OpenChannel, packet: OuterPacket) -> bool:
    """Return True if a packet that arrived is for this socket."""
    destination, remote = packet.destination, channel.remote
    if packet.protocol is not protocol_of(channel) or destination.port != channel.local.port:
        return False
    if channel.kind is ChannelKind.MULTICAST:
        return destination.address == channel.group
    if channel.kind is ChannelKind.RAW41 and remote is not None and packet.source.address != remote.address:
        return False
    return channel.local.address in (UNSPECIFIED, destination.address) and not destination.address.is_multicast
