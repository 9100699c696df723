"""Debian's Miredo, whole, in the namespace internet: the proof that the lab is an internet Teredo works on.

home -- NAT -- backbone -- server 192.0.2.1, .2
                  |------- relay 198.51.100.1, routes 2001::/32
                  '------- web, IPv6 only
"""

from ipaddress import IPv6Address
from pathlib import Path

import pytest

from tests.peers.miredo import TEREDO, MiredoClient, MiredoRelay, MiredoServer
from tunnelmgr.lab.namespaces import NamespaceInternet
from tunnelmgr.lab.vocabulary import NatKind


@pytest.mark.usefixtures("miredo_programs")
@pytest.mark.parametrize("kind", [NatKind.NONE, NatKind.FULL_CONE, NatKind.PORT_RESTRICTED, NatKind.SYMMETRIC])
def test_miredo_behind_a_nat_reaches_an_ipv6_host(internet: NamespaceInternet, kind: NatKind, tmp_path: Path) -> None:
    server = internet.host("server", "192.0.2.1", "192.0.2.2", "2001:db8:1::1", names=["teredo.example.net"])
    relay = internet.host("relay", "198.51.100.1", "2001:db8:2::1")
    web = internet.host("web", "2001:db8:6::80")
    home = internet.site("home", kind)
    internet.route(str(TEREDO), via=relay)
    MiredoServer(server, folder=tmp_path).start()
    MiredoRelay(relay, folder=tmp_path).start()

    client = MiredoClient(home.inside, server="teredo.example.net", folder=tmp_path)
    address = client.start()

    assert _server_of(address) == server.ipv4.packed
    assert bytes(byte ^ 0xFF for byte in address.packed[12:]) == home.address.packed
    home.inside.run(["ping", "-c3", "-i0.3", "-W5", str(web.ipv6)])

    client.stop()
    assert client.address() is None


def _server_of(address: IPv6Address) -> bytes:
    return address.packed[4:8]
