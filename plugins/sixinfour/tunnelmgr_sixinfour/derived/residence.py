"""What a host is in a domain for as long as it has one address, and its paths for the data plane."""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network

from tunnelmgr.api.datagrams import IcmpReceived
from tunnelmgr.api.error_answers import ErrorAnswers
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.events import EVERYWHERE, OuterTos, PathDown, PathUp, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.icmpv4 import FRAGMENTATION_NEEDED
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_sixinfour.constants import (
    DERIVED_PATH_VALIDITY,
    DERIVED_PATHS_MAX,
    ERROR_ANSWERS,
    OVERHEAD,
    SIXTOFOUR_PREFIX,
    TUNNEL_MTU_MIN,
)
from tunnelmgr_sixinfour.derived.domain import DerivedSite, Domain
from tunnelmgr_sixinfour.protocol41.channel import RawChannel
from tunnelmgr_sixinfour.protocol41.rounds import Rounds


class Residence:
    """A site of a domain, or its gateway. Nothing of it holds at another address.

    Its paths lead to the gateway, and to other sites for as long as they answer.
    """

    def __init__(
        self,
        domain: Domain,
        site: DerivedSite,
        channel: RawChannel,
        tos: OuterTos,
        outbox: Outbox,
        to_site: Callable[[bytes], None],
    ) -> None:
        """`to_site` sends a packet to another site."""
        self.domain = domain
        self.site = site
        self.errors = ErrorAnswers(site.address, ERROR_ANSWERS, outbox)
        """For this host and its LAN."""
        self.errors_back = ErrorAnswers(site.address, ERROR_ANSWERS, outbox, to="sites", by=to_site)
        """For other sites, at a gateway."""
        self.watch: Rounds | None = None
        """Asks whether the gateway is there."""
        self._channel = channel
        self._tos = tos
        self._outbox = outbox
        self._said: OrderedDict[IPv6Network, float] = OrderedDict()
        """Sites with a path of their own, and when it was said last; the longest unsaid first."""

    def recent(self, now: float) -> int:
        """Return how many other sites were written to in the last DERIVED_PATH_VALIDITY seconds, as far as we saw."""
        return sum(now - at < DERIVED_PATH_VALIDITY for at in self._said.values())

    def begin(self) -> None:
        """Say the paths that are there from the beginning."""
        domain = self.domain
        if domain.gateway is not None:
            self._say(EVERYWHERE, domain.gateway, None, (domain.prefix, SIXTOFOUR_PREFIX, self.site.prefix))
            # A path that is never valid keeps its prefix for the Tunnel: other sites are not behind the gateway.
            self._say(domain.prefix, domain.gateway, 0.0)

    def remember(self, destination: IPv6Address, now: float) -> None:
        """Let the data plane carry to the site of an address; what is beyond the gateway has its path already."""
        other = self.domain.site_of(destination)
        if other is None:
            return
        prefix, remote = other
        said_at = self._said.get(prefix)
        if said_at is not None and now - said_at < DERIVED_PATH_VALIDITY / 2:
            return
        self._said[prefix] = now
        self._said.move_to_end(prefix)
        self._say(prefix, remote, DERIVED_PATH_VALIDITY)
        if len(self._said) > DERIVED_PATHS_MAX:
            self._outbox.say(PathDown(self._said.popitem(last=False)[0]))

    def take_back(self) -> None:
        """Say that no path is left."""
        by_gateway = () if self.domain.gateway is None else (self.domain.prefix, EVERYWHERE)
        for prefix in (*self._said, *by_gateway):
            self._outbox.say(PathDown(prefix))
        self._said.clear()

    def _say(
        self, prefix: IPv6Network, remote: IPv4Address, valid_for: float | None, ingress: tuple[IPv6Network, ...] = ()
    ) -> None:
        at_gateway = self.domain.is_gateway
        path = PathUp(
            *(prefix, Endpoint(remote, 0), self._channel.name, valid_for, ingress),
            local=EVERYWHERE if at_gateway else self.site.prefix,
            local_except=(self.domain.prefix,) if at_gateway else (),
            tos=self._tos,
        )
        self._outbox.say(path)

    def remote_of(self, packet: IPv6Packet) -> IPv4Address | None:
        """Return where a packet of this side goes, None for nowhere.

        Raises Refused for a source this side does not have, and a destination no host has.
        """
        self.domain.check_outward(packet.source, self.site)
        other = self.domain.site_of(packet.destination)
        return self.domain.gateway if other is None else other[1]

    def pass_on(self, event: IcmpReceived, now: float) -> None:
        """Answer the packet of this side that an ICMPv4 error is about."""
        try:  # a forged error must not make us write to an address of the attacker's choice
            if self.remote_of(IPv6Packet.quoted(event.quote)) != event.remote.address:
                return
        except WireError:
            return
        if (event.type, event.code) == FRAGMENTATION_NEEDED:
            self.errors.too_big(event.quote, max(TUNNEL_MTU_MIN, event.mtu - OVERHEAD), now)
        else:
            self.errors.unreachable(event.quote, now)

    def leads_on(self, destination: IPv6Address) -> bool:
        """Whether what came out of the domain for this address goes back into it."""
        domain = self.domain
        return domain.is_gateway and destination in domain.prefix and destination != self.site.address

    def up(self, local: IPv4Address | None, mtu: int) -> Up:
        """Return how to configure this host. `local` is the IPv4 address that its prefix is made of."""
        gateway, is_gateway = self.domain.gateway, self.domain.is_gateway
        config = HostConfig(
            addresses=(IPv6Interface(self.site.address),),
            routes=(self.domain.prefix,),
            default_route=gateway is not None,
            mtu=mtu,
            delegated=() if is_gateway else (self.site.prefix,),
            delegated_with=None if is_gateway else local,
            listening=is_gateway,
            forwarding=is_gateway,
            far_end=self.domain.told_by,
        )
        relay = {} if gateway is None else {"relay": str(gateway)}
        return Up(config, {"prefix": str(self.site.prefix), "local": str(local), **relay})
