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
        """Build it. Raises TunnelError for a NAT or a link that cannot be built, and when a command fails."""
        self.address = address
        self.nat = nat
        self.hosts: list[Host] = []
        self._lab = lab
        self._offload = offload
        self.router = self._build_router(f"{name}-nat", link)
        self.inside = self._attach(name, LAN.ip + 1 if nat else address)

    def add_host(self, name: str) -> Host:
        """Put one more host into the LAN. Raises TunnelError where the only public address is taken."""
        if self.nat is None:
            raise TunnelError(f"{self.router.name} does not translate: its one public address is taken")
        naming.check_host_name(name)
        return self._attach(name, LAN.ip + len(self.hosts) + 1)

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

    def _build_router(self, name: str, link: Link) -> Host:
        address = self.address if self.nat else self.address + ROUTER_OFFSET
        router = Host(name, naming.namespace_of(self._lab, name), (address,))
        backbone = naming.namespace_of(self._lab, naming.BACKBONE)
        naming.share_files(self._lab, name)
        run_script(
            wiring.public_host(
                router.namespace,
                backbone,
                name,
                router.addresses,
                interface="wan",
                settings=wiring.FORWARDING4,
                link=link,
                offload=self._offload,
            )
            + (
                wiring.lan(router.namespace, LAN)
                if self.nat
                else wiring.lan(router.namespace, IPv4Interface(address), self.address)
                + wiring.route(backbone, IPv4Network(self.address), address, name)
            )
        )
        self._load_rules(router)
        return router

    def _load_rules(self, router: Host) -> None:
        if self.nat is None:
            return
        run_script(
            f"ip netns exec {router.namespace} nft -f - <<'END'\n{nat_rules(self.nat, self.address, LAN.network)}END\n"
            f"ip netns exec {router.namespace} sysctl -qw {flow_settings(self.nat)}\n"
        )

    def _attach(self, name: str, address: IPv4Address) -> Host:
        """Build a host in the LAN."""
        host = Host(name, naming.namespace_of(self._lab, name), (address,))
        interface = IPv4Interface((address, LAN.network.prefixlen if self.nat else address.max_prefixlen))
        gateway = LAN.ip if self.nat else self.router.ipv4
        naming.share_files(self._lab, name)
        # The interface has a name of its own kind, since a host may be called like one of the router's.
        port = f"to-{name}"
        run_script(
            wiring.inside_host(host.namespace, self.router.namespace, port, interface, gateway, offload=self._offload)
        )
        naming.add_names(self._lab, [name], host.addresses)
        self.hosts.append(host)
        return host
