"""What the client asks a broker for, and an offer found usable after the checks of docs/protocols/tsp.md section 16."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from typing import Self

from tunnelmgr.api.addresses import is_resolver, is_unicast6
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr_tsp.client.candidates import Broker
from tunnelmgr_tsp.client.settings import TspClientSettings
from tunnelmgr_tsp.constants import (
    KEEPALIVE_DEFAULT,
    KEEPALIVE_INTERVAL_MAX,
    KEEPALIVE_INTERVAL_MIN,
    LIFETIME_DEFAULT,
    LIFETIME_MAX,
    LIFETIME_MIN,
    MTU_PROTOCOL41,
    MTU_UDP,
    PREFIX_LENGTH_MAX,
    RESOLVERS_MAX,
)
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.messages import Offer

_LINK_LENGTH = 64  # bits; RFC 4291 section 2.5.4
_SECONDS = 60  # in a minute


@dataclass(frozen=True, slots=True)
class Terms:
    """One tunnel. Two tunnels with equal terms need no change to the host."""

    type: TunnelType
    """V6V4 or V6UDPV4."""
    remote: Endpoint
    """Where packets go; port 0 for protocol 41."""
    address: IPv6Address
    prefix: IPv6Network | None
    keepalive_interval: float
    """Seconds."""
    keepalive_address: IPv6Address | None
    keepalive_asked: bool
    """True if the broker asked for keepalives: then their loss means that the tunnel is gone."""
    lifetime: float
    """Seconds."""
    dns: tuple[IPv4Address | IPv6Address, ...] = ()
    name: str = ""

    @classmethod
    def of(cls, offer: Offer, asked: TspClientSettings, broker: Endpoint, network: Network) -> Self:
        """Check an offer made to a host in this network. Raises WireError with the reason when it cannot be used."""
        if offer.type not in {TunnelType.V6V4, TunnelType.V6UDPV4} or asked.type not in {TunnelType.V6ANYV4, offer.type}:
            raise WireError(f"type {offer.type.value}, asked for {asked.type.value}")
        address = _require(offer.client_ipv6, "client")
        if offer.server_ipv6 is not None and _require(offer.server_ipv6, "server") == address:
            raise WireError(f"both ends have the address {address}")
        if offer.prefix is not None:
            _check_prefix(offer.prefix, asked.prefix_length, offer.server_ipv6)
        wish, minutes = offer.keepalive, LIFETIME_DEFAULT if offer.lifetime is None else offer.lifetime
        interval = wish.interval if wish else KEEPALIVE_DEFAULT
        target = wish.address if wish and wish.address and is_unicast6(wish.address) else offer.server_ipv6
        return cls(
            offer.type,
            broker if offer.type is TunnelType.V6UDPV4 else _outer_peer(offer.server_ipv4, network),
            address,
            offer.prefix,
            float(min(max(interval, KEEPALIVE_INTERVAL_MIN), KEEPALIVE_INTERVAL_MAX)),
            None if target is None or target == address or (offer.prefix and target in offer.prefix) else target,
            wish is not None,
            float(min(max(minutes, LIFETIME_MIN), LIFETIME_MAX) * _SECONDS),
            tuple(filter(is_resolver, offer.dns))[:RESOLVERS_MAX],
            offer.name,
        )

    @property
    def own(self) -> tuple[IPv6Network, ...]:
        """The inner addresses on this side."""
        return (IPv6Network(self.address), *((self.prefix,) if self.prefix else ()))

    @property
    def own_together(self) -> IPv6Network:
        """The smallest prefix around everything on this side."""
        around = IPv6Network(self.address)
        while not all(one.subnet_of(around) for one in self.own):
            around = around.supernet()
        return around

    def host_config(self, broker: Broker) -> HostConfig:
        """Return what the tunnel wants of this host.

        The broker's own end gets a route. A keepalive address elsewhere may be somebody's whom this host reaches without us:
        echoes to it are put into the tunnel by the client itself.
        """
        link, target = IPv6Network((self.address, _LINK_LENGTH), strict=False), self.keepalive_address
        return HostConfig(
            addresses=(IPv6Interface(self.address),),
            routes=(IPv6Network(target),) if target is not None and target in link else (),
            default_route=True,
            mtu=MTU_UDP if self.type is TunnelType.V6UDPV4 else MTU_PROTOCOL41,
            delegated=(self.prefix,) if self.prefix else (),
            dns=self.dns,
            far_end=f"broker {broker}",
        )


@dataclass(frozen=True, slots=True)
class Agreement:
    """A tunnel that was accepted. Its channel is open; that of a signalling no longer needed is closed."""

    terms: Terms
    broker: Broker
    channel: str
    local: IPv4Address
    """Our address, as we told it to the broker."""
    seen_as: IPv4Address | None
    """Our address, as the broker says it saw it."""
    authentication: str
    broker_round_trip: float | None
    """Seconds the broker took to answer; None over TCP."""


def _require(address: IPv6Address | None, whose: str) -> IPv6Address:
    if address is None:
        raise WireError(f"no IPv6 address for the {whose}")
    if not is_unicast6(address):
        raise WireError(f"{address} cannot be the address of the {whose}")
    return address


def _check_prefix(prefix: IPv6Network, asked: int | None, server: IPv6Address | None) -> None:
    if asked is None:
        raise WireError(f"the prefix {prefix}, which was not asked for; `prefix_length: {prefix.prefixlen}` asks for it")
    if prefix.prefixlen < asked:
        raise WireError(f"the prefix {prefix} is larger than the /{asked} asked for; change `prefix_length` to have it")
    if prefix.prefixlen > PREFIX_LENGTH_MAX or not is_unicast6(prefix.network_address):
        raise WireError(f"{prefix} cannot be delegated")
    if server is not None and server in prefix:
        raise WireError(f"the delegated prefix {prefix} holds the server's own address {server}")


def _outer_peer(address: IPv4Address | None, network: Network) -> Endpoint:
    if address is None or not network.is_elsewhere(address):
        raise WireError(f"{address} cannot be the server's IPv4 address")
    return Endpoint(address, 0)
