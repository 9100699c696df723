"""What stands in the ready-made lab. Addresses and names are those of the shipped profiles, which work there unchanged.

client1-lan -- lan0 client1 -- NAT 203.0.113.1 --.
                    client2 -- NAT 203.0.113.2 --+-- the backbone --+-- server    192.0.2.1, .2    teredo.example.net
                    public     203.0.113.66    --'                  +-- relay     198.51.100.1     2001::/32 is routed to it
                                                                    +-- far-end   192.0.2.17, .18  far-end.example.net
                                                                    '-- web       no IPv4 at all   ipv6-only.example.net
"""

import sys
from dataclasses import dataclass
from importlib.util import find_spec

LAN_HOST = "client1-lan"
"""A host without any address behind another interface of the first client: it heeds router advertisements."""
LAN_ROUTER = "client1"
LAN_INTERFACE = "lan0"  # of the router, as in the shipped profile
WEB_NAME = "ipv6-only.example.net"
WEB_PORT = 80


@dataclass(frozen=True, slots=True)
class LabService:
    """What runs on a host.

    `words` return when the service is ready and has left for the background; where they stay, `port` is the TCP port they
    are ready on.
    """

    words: tuple[str, ...]
    port: int | None = None
    package: str | None = None
    """The Python package it needs beyond those that are always installed."""

    @property
    def lacks(self) -> str | None:
        """What has to be installed before it can run; None where nothing is missing."""
        return self.package if self.package is not None and find_spec(self.package) is None else None


@dataclass(frozen=True, slots=True)
class PublicHost:
    """A host on the backbone; the others find it by its name, and by `names`. The backbone sends it what is for `routes`."""

    name: str
    purpose: str
    addresses: tuple[str, ...]
    names: tuple[str, ...] = ()
    service: LabService | None = None
    routes: tuple[str, ...] = ()


PUBLIC_HOSTS = (
    PublicHost(
        "server",
        "Teredo server",
        ("192.0.2.1", "192.0.2.2", "2001:db8:1::1"),
        ("teredo.example.net",),
        LabService(("tunnelmgr", "up", "teredo-server")),
    ),
    PublicHost(
        "relay",
        "Teredo relay",
        ("198.51.100.1", "2001:db8:2::1"),
        ("relay.example.net",),
        LabService(("tunnelmgr", "up", "teredo-relay")),
        ("2001::/32",),
    ),
    PublicHost(
        "far-end",
        "Teredo server and relay, exit nat66",
        ("192.0.2.17", "192.0.2.18", "2001:db8:3::1"),
        ("far-end.example.net",),
        LabService(("tunnelmgr", "up", "far-end")),
    ),
    PublicHost(
        "sixinfour",
        "far end of a 6in4 tunnel to public",
        ("192.0.2.80", "2001:db8:80::1"),
        service=LabService(("tunnelmgr", "up", "sixinfour-far-end")),
        routes=("2001:db8:41::/64", "2001:db8:5::/48"),
    ),
    PublicHost(
        "broker",
        "TSP broker",
        ("192.0.2.33", "2001:db8:7::1"),
        ("broker.example.net",),
        LabService(("tunnelmgr", "up", "tsp-broker"), package="sqlalchemy"),
        ("2001:db8:100::/40",),
    ),
    PublicHost(
        "sixrd",
        "6rd border relay",
        ("192.0.2.48", "2001:db8:48::1"),
        service=LabService(("tunnelmgr", "up", "sixrd-border-relay")),
        routes=("2001:db8:6d00::/40",),
    ),
    PublicHost(
        "web",
        "web server, IPv6 only",
        ("2001:db8:6::1",),
        (WEB_NAME,),
        LabService((sys.executable, "-m", "http.server", str(WEB_PORT), "--bind", "::", "--directory", "."), WEB_PORT),
    ),
    PublicHost("public", "public IPv4 address, no IPv6", ("203.0.113.66",)),
)

ALL_SERVICES = frozenset(plan.name for plan in PUBLIC_HOSTS if plan.service)

WEB_PAGE = """\
<!doctype html>
<title>IPv6 only</title>
<p>This page has no IPv4 address. You read it through IPv6.</p>
"""
