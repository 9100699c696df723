"""The simulated internet: a backbone with sites behind NATs, public hosts, and the IPv6 internet beside it."""

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import chain
from random import Random

from tunnelmgr.api.transport import Service
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr.lab.simulated.clock import Clock
from tunnelmgr.lab.simulated.effects import Directory, Responder
from tunnelmgr.lab.simulated.host import SimulatedHost, TunnelFactory
from tunnelmgr.lab.simulated.ipv6 import Ipv6Host, Ipv6Internet
from tunnelmgr.lab.simulated.ladder import Ladder
from tunnelmgr.lab.simulated.segment import BACKBONE_HOPS, Segment, World
from tunnelmgr.lab.simulated.site import Site
from tunnelmgr.lab.vocabulary import Link, Nat, NatKind

PUBLIC = [IPv4Network("203.0.113.0/24"), IPv4Network("198.51.100.0/24"), IPv4Network("192.0.2.0/24")]
"""Addresses given away in this order to who asks for none in particular: RFC 5737."""
BACKBONE_ROUTER = IPv4Address("198.18.0.1")  # RFC 2544: no host's
NATIVE = IPv6Network("2001:db8::/64")
IDEAL = Link()

Behind = NatKind | Nat | Site | None
"""Where a host is: on the backbone, behind a NAT of its own, or in a site that exists."""
Address = IPv4Address | str


class Internet:
    """Everything in it is deterministic: the same calls with the same seed give the same packets at the same times.

        internet = Internet(seed=1)
        server = internet.add(a_server, address="192.0.2.1")
        alice = internet.add(a_client, behind=NatKind.PORT_RESTRICTED, name="alice")
        assert internet.run_until(lambda: alice.up, within=10)

    `icmp_errors`: routers and hosts answer with ICMP errors instead of silence. `data_plane`: paths are carried by the
    forwarding table that ships; without it every packet goes through the Tunnels.
    """

    def __init__(self, seed: int = 0, *, icmp_errors: bool = False, data_plane: bool = True) -> None:
        self.clock = Clock()
        self.ladder = Ladder(self.clock)
        self.directory = Directory()
        """Names, web servers and how long they take."""
        self.random = Random(seed)  # noqa: S311 - a simulation must be repeatable
        self._world = World(self.clock, self.random, self.ladder, icmp_errors)
        self._data_plane = data_plane
        self.backbone = Segment(self._world, "backbone", BACKBONE_ROUTER, BACKBONE_HOPS)
        self.ipv6 = Ipv6Internet(self._world)
        self.hosts: list[SimulatedHost] = []
        self.sites: list[Site] = []
        self._free = chain.from_iterable(network.hosts() for network in PUBLIC)
        self._native = NATIVE.hosts()

    @property
    def now(self) -> float:
        """Seconds since the internet began."""
        return self.clock.now

    def add(
        self,
        tunnel: Tunnel | TunnelFactory,
        *,
        behind: Behind = None,
        address: Address | Iterable[Address] | None = None,
        name: str = "",
        link: Link = IDEAL,
        native_ipv6: str | bool = False,
        gateway_of: Iterable[str] = (),
        services: Mapping[str, Service] | None = None,
        start_at: float | None = None,
    ) -> SimulatedHost:
        """Add a host that runs a Tunnel, started at `start_at` (an instant, in seconds) or at once.

        `tunnel` is a Tunnel, or what makes one from a source of randomness; only the latter can be restarted. `address`
        is the host's own: on the backbone, or in the site's LAN; the first free one without it. `link` is that between
        the host or its own new NAT and the backbone. `native_ipv6`: its native address, or True for any. `gateway_of`:
        prefixes the IPv6 internet routes to this host, and this host into its tunnel.
        """
        factory = tunnel if callable(tunnel) else _only_once(tunnel)
        name = name or f"host{len(self.hosts) + 1}"
        if any(other.name == name for other in self.hosts):
            raise ValueError(f"there is a host {name} already; give this one another name")
        host = SimulatedHost(name, self._world, self.directory, factory, services or {}, data_plane=self._data_plane)
        self._connect(host, behind, address, link)
        self._connect_ipv6(host, native_ipv6, [IPv6Network(prefix) for prefix in gateway_of])
        self.hosts.append(host)
        self.clock.at(self.now if start_at is None else start_at, host.start)
        return host

    def site(
        self,
        nat: NatKind | Nat = NatKind.PORT_RESTRICTED,
        *,
        behind: Site | None = None,
        address: Address | None = None,
        lan: str | None = None,
        name: str = "",
        link: Link = IDEAL,
    ) -> Site:
        """Add a NAT with a LAN, on the backbone or (double NAT) behind another site. Raises ValueError for NatKind.NONE."""
        description = nat.nat if isinstance(nat, NatKind) else nat
        if description is None:
            raise ValueError("NatKind.NONE is not a NAT: put the host on the backbone")
        segment = behind.inside if behind is not None else self.backbone
        outside = IPv4Address(address) if address else self.next_address(behind)
        network = IPv4Network(lan or f"192.168.{_depth(behind) + 1}.0/24")
        site = Site(name or f"nat{len(self.sites) + 1}", description, segment, outside, network, link, behind)
        self.sites.append(site)
        return site

    def ipv6_host(self, address: str | None = None, *, name: str = "", link: Link = IDEAL) -> Ipv6Host:
        """Add a host with native IPv6 and no tunnel."""
        native = IPv6Address(address) if address else next(self._native)
        return Ipv6Host(self.ipv6, name or str(native), native, link)

    def move(
        self,
        host: SimulatedHost,
        *,
        behind: Behind = None,
        address: Address | Iterable[Address] | None = None,
        link: Link = IDEAL,
    ) -> None:
        """Carry a host to another network, and tell its Tunnel."""
        self._connect(host, behind, address, link)
        host.tell_network()

    def name(self, name: str, *addresses: Address) -> None:
        """Let a name resolve to these addresses; without any, to nothing."""
        self.directory.names[name] = tuple(IPv4Address(address) for address in addresses)

    def web(self, url: str, responder: Responder | None) -> None:
        """Let a function answer requests for URLs that begin like this; None never answers."""
        self.directory.web[url] = responder

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.run_until(self.now + seconds)

    def run_until(self, condition: Callable[[], bool], within: float) -> bool:
        """Let time pass until the condition holds, `within` seconds at most; tell whether it does."""
        return self.clock.run_until(self.now + within, condition)

    def next_address(self, site: Site | None) -> IPv4Address:
        """Return a free address in a site, or on the backbone."""
        if site is not None:
            return site.next_address()
        return next(address for address in self._free if self.backbone.holder(address) is None)

    def _connect(self, host: SimulatedHost, behind: Behind, address: Address | Iterable[Address] | None, link: Link) -> None:
        site = self._site_for(host, behind, link)
        wished = [address] if isinstance(address, IPv4Address | str) else list(address or ())
        addresses = [IPv4Address(one) for one in wished] or [self.next_address(site)]
        # A host in a site has the site's link between itself and the backbone; the LAN itself takes no time.
        if site is None:
            host.outer.connect(self.backbone, addresses, link, None)
        else:
            host.outer.connect(site.inside, addresses, link if site is behind else IDEAL, site)

    def _site_for(self, host: SimulatedHost, behind: Behind, link: Link) -> Site | None:
        if behind is None or behind is NatKind.NONE or isinstance(behind, Site):
            return behind if isinstance(behind, Site) else None
        return self.site(behind, name=f"{host.name}'s NAT", link=link)

    def _connect_ipv6(self, host: SimulatedHost, native: str | bool, prefixes: list[IPv6Network]) -> None:
        if not native and not prefixes:
            return
        address = IPv6Address(native) if isinstance(native, str) else next(self._native)
        host.inner.native_addresses = (address,)
        host.inner.tunnel_routes = tuple(prefixes)
        host.inner.native = self.ipv6.attach(host.inner, [IPv6Network(address), *prefixes], IDEAL)


def _depth(site: Site | None) -> int:
    """How many NATs lead from inside a site to the backbone."""
    return 0 if site is None else 1 + _depth(site.beyond)


def _only_once(tunnel: Tunnel) -> TunnelFactory:
    made = [tunnel]

    def factory(_: Random) -> Tunnel:
        if not made:
            raise ValueError("a Tunnel starts once: add a factory to be able to restart the host")
        return made.pop()

    return factory
