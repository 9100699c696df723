"""The internet of the first-day story: Miredo's server and relay, an IPv6-only host, and a home behind a NAT.

home (Host) --- NAT 203.0.113.1 --- backbone --- 192.0.2.1, .2   server   teredo.example.net
                                       |-------- 198.51.100.1    relay    2001::/32 is routed to it
                                       `-------- 2001:db8:6::1   native   no IPv4 at all
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.miredo import TEREDO, MiredoRelay, MiredoServer
from tunnelmgr.lab.namespaces import Host, NamespaceInternet, Offload, Site
from tunnelmgr.lab.vocabulary import Link, NatKind

SERVER_NAME = "teredo.example.net"


@dataclass(frozen=True, slots=True)
class TeredoInternet:
    """What stands in it. The server and the relay run."""

    internet: NamespaceInternet
    server: MiredoServer
    relay: MiredoRelay
    native: Host
    home: Site


@contextmanager
def teredo_internet(
    name: str,
    folder: Path,
    *,
    nat: NatKind = NatKind.PORT_RESTRICTED,
    link: Link = Link(),  # noqa: B008 (frozen)
    offload: Offload = Offload.ON,
) -> Iterator[TeredoInternet]:
    """Build it, with the peers' files in `folder` and `link` between home and backbone; it is gone after the with block.

    Raises debian.Unavailable where Miredo cannot be had, TunnelError when something cannot be built.
    """
    with NamespaceInternet(name, offload=offload) as internet:
        server = MiredoServer(
            internet.host("server", "192.0.2.1", "192.0.2.2", "2001:db8:1::1", names=[SERVER_NAME]), folder=folder
        )
        relay = MiredoRelay(internet.host("relay", "198.51.100.1", "2001:db8:2::1"), folder=folder)
        native = internet.host("native", "2001:db8:6::1", names=["ipv6-only.example.net"])
        internet.route(str(TEREDO), relay.host)
        server.start()
        relay.start()
        yield TeredoInternet(internet, server, relay, native, internet.site("home", nat, link=link))
