"""An internet on one machine: a backbone, public hosts and sites behind NATs, each a network namespace."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, ip_address, ip_network
from typing import Self

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.namespaces import naming, wiring
from tunnelmgr.lab.namespaces.host import Host
from tunnelmgr.lab.namespaces.programs import kill_programs
from tunnelmgr.lab.namespaces.shell import run_script
from tunnelmgr.lab.namespaces.site import LAN, Site
from tunnelmgr.lab.namespaces.wiring import Offload
from tunnelmgr.lab.vocabulary import Link, Nat, NatKind

FIRST_SITE = IPv4Address("203.0.113.1")  # sites that do not say their address count up from here


class NamespaceInternet:
    """A lab of this machine. As a context manager it exists for the time of a with block.

        with NamespaceInternet("demo") as internet:
            server = internet.host("server", "192.0.2.1", "192.0.2.2", names=["teredo.example.net"])
            home = internet.site("home", NatKind.PORT_RESTRICTED)
            home.inside.run(["ping", "-c1", "teredo.example.net"])

    All methods raise TunnelError when something cannot be built.
    """

    def __init__(self, name: str, *, offload: Offload = Offload.ON) -> None:
        naming.check_lab_name(name)
        self.name = name
        self.offload = offload
        self.backbone = Host(
            naming.BACKBONE,
            naming.namespace_of(name, naming.BACKBONE),
            (wiring.BACKBONE_ADDRESS, wiring.BACKBONE_ADDRESS6),
        )
        self.hosts: list[Host] = []
        self.sites: list[Site] = []

    def create(self) -> None:
        """Build the backbone. A lab of this name must not exist, not even in parts."""
        if naming.namespaces_of(self.name):
            raise TunnelError(f"lab {self.name} exists", hint="destroy it first, or choose another name")
        try:
            naming.lay_out_files(self.name)
            run_script(wiring.backbone(self.backbone.namespace))
        except BaseException:
            self.destroy()
            raise

    def destroy(self) -> None:
        """Kill every program in the lab and remove all of it. Does nothing when it is gone."""
        for host in (self.backbone, *self.hosts):
            host.stop_programs()
        for site in self.sites:
            site.stop_programs()
        destroy(self.name)
        self.hosts.clear()
        self.sites.clear()

    def __enter__(self) -> Self:
        self.create()
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()

    def host(
        self,
        name: str,
        *addresses: str | IPv4Address | IPv6Address,
        names: Iterable[str] = (),
        link: Link = Link(),  # noqa: B008 (frozen)
    ) -> Host:
        """Add a host on the backbone with these addresses; all hosts find it by `name` and by `names`."""
        naming.check_host_name(name)
        host = self.find_host(name, *addresses)
        naming.share_files(self.name, name)
        run_script(
            wiring.public_host(
                host.namespace, self.backbone.namespace, name, host.addresses, link=link, offload=self.offload
            )
        )
        naming.add_names(self.name, [name, *names], host.addresses)
        return host

    def site(
        self,
        name: str,
        nat: NatKind | Nat | None,
        address: str | IPv4Address | None = None,
        link: Link = Link(),  # noqa: B008 (frozen)
        *,
        lan: str | IPv4Interface = LAN,
        behind: Site | None = None,
    ) -> Site:
        """Add a router and a host behind it, the host called `name`.

        Without `address` the public address is the next free one from 203.0.113.1 on. Where nothing is translated,
        address + 128 is the router's own. `lan` is the router's address inside, with its prefix. `behind` puts the
        router into the LAN of a site that translates (double NAT), by a link that takes no time.
        """
        naming.check_host_name(name)
        if behind is not None:
            outside = behind.next_address()
        else:
            outside = IPv4Address(address) if address else FIRST_SITE + len(self.sites)
        site = self.find_site(name, nat, outside, link, lan=lan, behind=behind)
        site.build()
        return site

    def lan_host(self, name: str, router: Host, interface: str = "lan0") -> Host:
        """Add a host without addresses at a new interface of `router`: it waits for somebody to advertise a prefix."""
        naming.check_host_name(name)
        host = self.find_host(name)
        naming.share_files(self.name, name)
        run_script(wiring.lan_host(host.namespace, router.namespace, interface, offload=self.offload))
        return host

    def find_host(self, name: str, *addresses: str | IPv4Address | IPv6Address) -> Host:
        """Know a host that is there, or is about to be: another process may have added it."""
        host = Host(name, naming.namespace_of(self.name, name), [ip_address(address) for address in addresses])
        self.hosts.append(host)
        return host

    def find_site(
        self,
        name: str,
        nat: NatKind | Nat | None,
        address: IPv4Address,
        link: Link,
        *,
        lan: str | IPv4Interface = LAN,
        behind: Site | None = None,
    ) -> Site:
        """Know a site that is there, or is about to be, with what it is added with."""
        description = nat.nat if isinstance(nat, NatKind) else nat
        site = Site(self.name, name, address, description, link, self.offload, lan=IPv4Interface(lan), behind=behind)
        self.sites.append(site)
        return site

    def route(self, prefix: str, via: Host) -> None:
        """Let the backbone send a prefix (a relay's 2001::/32, a customer's /48) to a host added by `host`."""
        network = ip_network(prefix)
        gateway = via.ipv4 if network.version == 4 else via.ipv6
        run_script(wiring.route(self.backbone.namespace, network, gateway, via.name))


def destroy(lab: str) -> None:
    """Remove all that there is of `lab`, whoever made it and however that one ended; it may be nothing.

    Devices, rules and flows vanish with the namespaces. What has to be done by hand: the programs, which would keep the
    namespaces alive unseen, and the name files. Raises TunnelError when a program does not die.
    """
    namespaces = naming.namespaces_of(lab)
    files = [naming.NAMESPACES / name for name in namespaces]
    kill_programs(namespaces)
    # Somebody else may be removing it at the same time: what is gone is gone.
    run_script("".join(f"test ! -e {file} || ip netns del {file.name} || test ! -e {file}\n" for file in files))
    for name in namespaces:
        naming.remove_files(name)
