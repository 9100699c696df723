"""What tests do with Tunnels that say what they are told to, on simulated hosts."""

from ipaddress import IPv4Address, IPv6Interface

from tests.scripted_tunnel import ScriptedTunnel
from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.events import Event, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint
from tunnelmgr.lab.simulated import SimulatedHost


def endpoint(text: str) -> Endpoint:
    address, _, port = text.partition(":")
    return Endpoint(IPv4Address(address), int(port or 0))


def udp(port: int = 4000, address: str = "0.0.0.0", channel: str = "udp") -> OpenChannel:  # noqa: S104 - nothing is bound
    return OpenChannel(channel, ChannelKind.UDP, Endpoint(IPv4Address(address), port))


def listener() -> ScriptedTunnel:
    """A tunnel with UDP port 4000 open."""
    return ScriptedTunnel(say=[udp()])


def up(*addresses: str, mtu: int = 1280, default_route: bool = False) -> Up:
    interfaces = tuple(IPv6Interface(address) for address in addresses)
    return Up(HostConfig(addresses=interfaces, mtu=mtu, default_route=default_route))


def script(host: SimulatedHost) -> ScriptedTunnel:
    """The Tunnel of a host that was added with a ScriptedTunnel."""
    assert isinstance(host.tunnel, ScriptedTunnel)
    return host.tunnel


def say(host: SimulatedHost, *events: Event) -> None:
    """Let the host's Tunnel say something now."""
    script(host).say.extend(events)
    host.command("turn")


def send(
    host: SimulatedHost, data: bytes, remote: str, channel: str = "udp", *, local: str = "", ttl: int | None = None
) -> None:
    """Let the host's Tunnel send a datagram now."""
    source = endpoint(local) if local else None
    script(host).to_send.append(Datagram(channel, data, endpoint(remote), source, ttl=ttl))
    host.command("turn")


def member() -> ScriptedTunnel:
    """A tunnel with UDP port 4000 open and in the group 224.0.0.253 at port 3544."""
    group = endpoint("224.0.0.253:3544")
    joined = OpenChannel("group", ChannelKind.MULTICAST, Endpoint(IPv4Address(0), group.port), group=group.address)
    return ScriptedTunnel(say=[udp(), joined])
