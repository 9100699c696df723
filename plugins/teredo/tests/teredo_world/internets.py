"""Simulated internets with a Teredo server, a relay and an IPv6-only host, every link 25 ms one way."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.teredo_world.far_end import FakeRelay, FakeServer

from tunnelmgr.lab.simulated import Internet, Ipv6Host, SimulatedHost
from tunnelmgr.lab.simulated.internet import Behind
from tunnelmgr.lab.vocabulary import Link
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.transport import Teredo

LINK = Link(delay=0.025)
SERVER = "192.0.2.1"
SECOND_SERVER = "192.0.2.65"
RELAY_IPV6 = "2001:db8::77"


@dataclass(slots=True)
class TeredoWorld:
    """Everything a client needs; clients are added by the tests."""

    internet: Internet
    server: FakeServer
    relay: FakeRelay
    server_host: SimulatedHost
    relay_host: SimulatedHost
    native_host: Ipv6Host

    def client(self, name: str, behind: Behind = None, *, link: Link = LINK, **settings: object) -> SimulatedHost:
        """Add a client that uses the server, unless its settings name another."""
        values = ClientSettings.model_validate({"server": SERVER} | settings)
        return self.internet.add(Teredo("client", values).tunnel, behind=behind, name=name, link=link)

    def qualified(self, name: str, behind: Behind = None, *, link: Link = LINK, **settings: object) -> SimulatedHost:
        """Add a client and wait until it is up."""
        client = self.client(name, behind, link=link, **settings)
        assert self.internet.run_until(lambda: client.up, within=15), f"{name} does not come up"
        return client

    def add_server(self, address: str) -> FakeServer:
        """Add another server, on this address and the next."""
        server = FakeServer(address)
        addresses = [server.primary, server.secondary]
        self.internet.add(server, address=addresses, native_ipv6=True, name=f"server {address}", link=LINK)
        return server


def teredo_world(seed: int = 1, *, icmp_errors: bool = False, data_plane: bool = True) -> TeredoWorld:
    """Make an internet with one server and one relay."""
    internet = Internet(seed, icmp_errors=icmp_errors, data_plane=data_plane)
    server = FakeServer(SERVER)
    addresses = [server.primary, server.secondary]
    server_host = internet.add(server, address=addresses, native_ipv6=True, name="server", link=LINK)
    relay = FakeRelay(RELAY_IPV6)
    relay_host = internet.add(relay, native_ipv6=RELAY_IPV6, gateway_of=["2001::/32"], name="relay", link=LINK)
    return TeredoWorld(internet, server, relay, server_host, relay_host, internet.ipv6_host(name="native", link=LINK))


@pytest.fixture
def world() -> Iterator[TeredoWorld]:
    """Make a world; its packet ladder is shown when the test fails."""
    made = teredo_world()
    yield made
    sys.stdout.write(str(made.internet.ladder))  # pytest shows it for failures only
