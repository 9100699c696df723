"""A site: a router with a public address, and hosts behind it."""

import errno
import os
import socket
import struct
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.namespaces import naming, wiring
from tunnelmgr.lab.namespaces.host import Host
from tunnelmgr.lab.namespaces.nat_rules import flow_settings, nat_rules
from tunnelmgr.lab.namespaces.shell import run_script
from tunnelmgr.lab.vocabulary import Link, Nat

LAN = IPv4Interface("192.168.1.1/24")  # the router's inside, the same in most sites as in the field
ROUTER_OFFSET = 128  # where nothing is translated the router has its own address: that of its host, and this
_CT_DELETE = 0x0102  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE; without a tuple: all of the family
_REQUEST_ACK = 0x0005  # NLM_F_REQUEST | NLM_F_ACK
_NETLINK_NETFILTER = 12
_SHORT = struct.calcsize("=IHHII")  # bytes of a netlink header


class Site:
    """`inside` is the first host behind `router`; where `nat` is None it has the site's public address itself."""

    def __init__(
        self,
        lab: str,
        name: str,
        address: IPv4Address,
        nat: Nat | None,
        link: Link,
        offload: wiring.Offload,
        *,
        lan: IPv4Interface = LAN,
        behind: "Site | None" = None,
    ) -> None:
        """Describe it; `build` makes it. What an earlier process has built can be used without.

        `lan` is the router's address inside. `behind` is the site in whose LAN `address` is; None for the backbone.
        """
        self.name = name
        self.address = address
        self.nat = nat
        self.link = link
        self.lan = lan
        self._behind = behind
        self._lab = lab
        self._offload = offload
        self.router = self._host(f"{name}-nat", address if nat else address + ROUTER_OFFSET)
        self.inside = self._host(name, self.lan.ip + 1 if nat else address)
        self.hosts = [self.inside]

    def build(self) -> None:
        """Build it. Raises TunnelError for a NAT or a link that cannot be built, and when a command fails."""
        self._build_router()
        self._attach(self.inside)

    def add_host(self, name: str) -> Host:
        """Put one more host into the LAN. Raises TunnelError where the only public address is taken."""
        naming.check_host_name(name)
        host = self._host(name, self.next_address())
        self._attach(host)
        self.hosts.append(host)
        return host

    def next_address(self) -> IPv4Address:
        """Return a free address of the LAN. Raises TunnelError where the only public address is taken."""
        if self.nat is None:
            raise TunnelError(f"{self.router.name} does not translate: its one public address is taken")
        return self.lan.ip + len(self.hosts) + 1

    def change_nat(self, nat: Nat) -> None:
        """Behave like another NAT from now on; all mappings are lost. Raises TunnelError as building it does."""
        if self.nat is None:
            raise TunnelError(f"{self.router.name} does not translate: its host has the public address")
        self.nat = nat
        self.forget_mappings()

    def forget_mappings(self) -> None:
        """Lose all mappings, as a router does that restarts."""
        self._load_rules()
        with self.router.enter():
            _forget_flows()

    def stop_programs(self) -> None:
        for host in (self.router, *self.hosts):
            host.stop_programs()

    def move(self, address: IPv4Address) -> None:
        """Get another public address, as from a provider that gives a new one. All mappings are lost.

        Raises TunnelError where nothing is translated.
        """
        if self.nat is None:
            raise TunnelError(f"{self.router.name} does not translate: its host has the public address")
        if self._behind is not None:
            raise TunnelError(f"{self.router.name} is not on the backbone: its address is one of {self._behind.name}'s LAN")
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
        naming.share_files(self._lab, self.router.name)
        run_script(self._nested(self._behind) if self._behind is not None else self._on_the_backbone())
        self._load_rules()

    def _nested(self, behind: "Site") -> str:
        """A router in the LAN of another site."""
        behind.hosts.append(self.router)
        router, address = self.router, IPv4Interface((self.address, behind.lan.network.prefixlen))
        return wiring.inside_host(
            router.namespace,
            behind.router.namespace,
            router.name,
            address,
            behind.lan.ip,
            interface="wan",
            settings=wiring.FORWARDING4,
            offload=self._offload,
        ) + wiring.lan(router.namespace, self.lan)

    def _on_the_backbone(self) -> str:
        router = self.router
        outside = wiring.public_host(
            router.namespace,
            self._backbone,
            router.name,
            router.addresses,
            interface="wan",
            settings=wiring.FORWARDING4,
            link=self.link,
            offload=self._offload,
        )
        if self.nat:
            return outside + wiring.lan(router.namespace, self.lan)
        return (
            outside
            + wiring.lan(router.namespace, IPv4Interface(router.ipv4), self.address)
            + wiring.route(self._backbone, IPv4Network(self.address), router.ipv4, router.name)
        )

    def _load_rules(self) -> None:
        if self.nat is None:
            return
        router = self.router.namespace
        run_script(
            f"ip netns exec {router} nft -f - <<'END'\n{nat_rules(self.nat, self.address, self.lan.network)}END\n"
            f"ip netns exec {router} sysctl -qw {flow_settings(self.nat)}\n"
        )

    def _attach(self, host: Host) -> None:
        """Build a host in the LAN."""
        interface = IPv4Interface((host.ipv4, self.lan.network.prefixlen if self.nat else host.ipv4.max_prefixlen))
        gateway = self.lan.ip if self.nat else self.router.ipv4
        naming.share_files(self._lab, host.name)
        # The interface has a name of its own kind, since a host may be called like one of the router's.
        port = f"to-{host.name}"
        run_script(
            wiring.inside_host(host.namespace, self.router.namespace, port, interface, gateway, offload=self._offload)
        )
        naming.add_names(self._lab, [host.name], host.addresses)


def _forget_flows() -> None:
    """Remove all IPv4 flows the kernel tracks in the calling thread's namespace. Raises OSError.

    `nft flush ruleset` leaves them. This is what `conntrack -F` does, without the program.
    """
    request = struct.pack("=IHHII", _SHORT + 4, _CT_DELETE, _REQUEST_ACK, 0, 0) + struct.pack("!BBH", socket.AF_INET, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netlink:
        netlink.sendto(request, (0, 0))
        (failure,) = struct.unpack_from("=i", netlink.recv(4096), _SHORT)
    # ENOENT: nothing was tracked.
    if failure and failure != -errno.ENOENT:
        raise OSError(-failure, f"flushing conntrack: {os.strerror(-failure)}")
