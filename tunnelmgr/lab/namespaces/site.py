"""A site: a router with a public address, and hosts behind it."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.namespaces import naming, wiring
from tunnelmgr.lab.namespaces.flows import forget_flows
from tunnelmgr.lab.namespaces.host import Host
from tunnelmgr.lab.namespaces.nat_rules import flow_settings, nat_rules
from tunnelmgr.lab.namespaces.shell import run_script
from tunnelmgr.lab.vocabulary import Link, Nat

LAN = IPv4Interface("192.168.1.1/24")  # the router's inside, the same in every site as in the field
ROUTER_OFFSET = 128  # where nothing is translated the router has its own address: that of its host, and this


class Site:
    """`inside` is the first host behind `router`; where `nat` is None it has the site's public address itself."""

    def __init__(
        self, lab: str, name: str, address: IPv4Address, nat: Nat | None, link: Link, offload: wiring.Offload
    ) -> None:
        """Describe it; `build` makes it. What an earlier process has built can be used without."""
        self.name = name
        self.address = address
        self.nat = nat
        self.link = link
        self._lab = lab
        self._offload = offload
        self.router = self._host(f"{name}-nat", address if nat else address + ROUTER_OFFSET)
        self.inside = self._host(name, LAN.ip + 1 if nat else address)
        self.hosts = [self.inside]

    def build(self) -> None:
        """Build it. Raises TunnelError for a NAT or a link that cannot be built, and when a command fails."""
        self._build_router()
        self._attach(self.inside)

    def add_host(self, name: str) -> Host:
        """Put one more host into the LAN. Raises TunnelError where the only public address is taken."""
        if self.nat is None:
            raise TunnelError(f"{self.router.name} does not translate: its one public address is taken")
        naming.check_host_name(name)
        host = self._host(name, LAN.ip + len(self.hosts) + 1)
        self._attach(host)
        self.hosts.append(host)
        return host

    def change_nat(self, nat: Nat) -> None:
        """Behave like another NAT from now on; all mappings are lost. Raises TunnelError as building it does."""
        if self.nat is None:
            raise TunnelError(f"{self.router.name} does not translate: its host has the public address")
        self.nat = nat
        self.forget_mappings()

    def forget_mappings(self) -> None:
        """Lose all mappings, as a router does that restarts."""
        self._load_rules(self.router)
        with self.router.enter():
            forget_flows()

    def stop_programs(self) -> None:
        for host in (self.router, *self.hosts):
            host.stop_programs()

    def move(self, address: IPv4Address) -> None:
        """Get another public address, as from a provider that gives a new one. All mappings are lost.

        Raises TunnelError where nothing is translated.
        """
        if self.nat is None:
            raise TunnelError(f"{self.router.name} does not translate: its host has the public address")
        run_script(wiring.renumber(self.router.namespace, self._backbone, self.router.name, self.address, address))
        self.address = address
        self.router.addresses = (address,)
        self.forget_mappings()

    @property
    def _backbone(self) -> str:
        return naming.namespace_of(self._lab, naming.BACKBONE)

    def _host(self, name: str, address: IPv4Address) -> Host:
        return Host(name, naming.namespace_of(self._lab, name), (address,))

    def _build_router(self) -> None:
        router = self.router
        naming.share_files(self._lab, router.name)
        run_script(
            wiring.public_host(
                router.namespace,
                self._backbone,
                router.name,
                router.addresses,
                interface="wan",
                settings=wiring.FORWARDING4,
                link=self.link,
                offload=self._offload,
            )
            + (
                wiring.lan(router.namespace, LAN)
                if self.nat
                else wiring.lan(router.namespace, IPv4Interface(router.ipv4), self.address)
                + wiring.route(self._backbone, IPv4Network(self.address), router.ipv4, router.name)
            )
        )
        self._load_rules(router)

    def _load_rules(self, router: Host) -> None:
        if self.nat is None:
            return
        run_script(
            f"ip netns exec {router.namespace} nft -f - <<'END'\n{nat_rules(self.nat, self.address, LAN.network)}END\n"
            f"ip netns exec {router.namespace} sysctl -qw {flow_settings(self.nat)}\n"
        )

    def _attach(self, host: Host) -> None:
        """Build a host in the LAN."""
        interface = IPv4Interface((host.ipv4, LAN.network.prefixlen if self.nat else host.ipv4.max_prefixlen))
        gateway = LAN.ip if self.nat else self.router.ipv4
        naming.share_files(self._lab, host.name)
        # The interface has a name of its own kind, since a host may be called like one of the router's.
        port = f"to-{host.name}"
        run_script(
            wiring.inside_host(host.namespace, self.router.namespace, port, interface, gateway, offload=self._offload)
        )
        naming.add_names(self._lab, [host.name], host.addresses)
