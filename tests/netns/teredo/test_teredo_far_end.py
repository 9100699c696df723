"""Our Teredo server and relay, between Debian's Miredo and our own client, as processes on real networks.

home -- NAT -- backbone -- server 192.0.2.1, .2
                  |------- relay 198.51.100.1, 2001::/32 is routed to it
                  |------- far-end 192.0.2.17, .18: server and relay in one, and nobody routes 2001::/32
                  '------- native, IPv6 only
"""

from pathlib import Path

import pytest

from tests.netns.program import Tunnelmgr, bulk, ping
from tests.netns.teredo.nat_matrix import KINDS
from tests.peers.miredo import TEREDO, MiredoClient, MiredoRelay, MiredoServer
from tests.peers.teredo_internet import SERVER_NAME
from tunnelmgr.lab.namespaces import Host, NamespaceInternet, Site
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr.lab.waiting import wait_for

pytestmark = pytest.mark.usefixtures("miredo_programs")

CONFIGS = Path(__file__).parents[3] / "configs"
CLIENT = "name: home\nmethod: {type: teredo, server: teredo.example.net}\n"


def profile(name: str) -> str:
    """Return a shipped profile, unchanged."""
    return (CONFIGS / f"{name}.yaml").read_text()


@pytest.fixture
def server(internet: NamespaceInternet) -> Host:
    return internet.host("server", "192.0.2.1", "192.0.2.2", "2001:db8:1::1", names=[SERVER_NAME])


@pytest.fixture
def relay(internet: NamespaceInternet) -> Host:
    host = internet.host("relay", "198.51.100.1", "2001:db8:2::1")
    internet.route(str(TEREDO), host)
    return host


@pytest.fixture
def native(internet: NamespaceInternet) -> Host:
    return internet.host("native", "2001:db8:6::1")


@pytest.fixture
def home(internet: NamespaceInternet) -> Site:
    return internet.site("home", NatKind.PORT_RESTRICTED)


class Served:
    """One of our listening profiles, up."""

    def __init__(self, host: Host, name: str, folder: Path) -> None:
        self.name = name
        self.program = Tunnelmgr(host, folder, profile(name))
        self.story = self.program.run("up", self.program.profile).stderr

    def down(self) -> None:
        self.program.run("down", self.name)
        assert self.program.traces() == []

    def counters(self) -> dict[str, int]:
        counters: dict[str, int] = self.program.tunnel(self.name)["counters"]
        return counters

    def facts(self) -> dict[str, object]:
        facts: dict[str, object] = self.program.tunnel(self.name)["facts"]
        return facts


def debians_client(site: Site, folder: Path) -> MiredoClient:
    """Return Debian's client, up behind the site's NAT with its default route, which comes after its address."""
    client = MiredoClient(site.inside, server=SERVER_NAME, folder=folder)
    client.start()
    wait_for("Miredo's default route", lambda: site.inside.run(["ip", "-6", "route", "show", "default"]).stdout)
    return client


def our_client(site: Site, folder: Path) -> Tunnelmgr:
    """Return our client, up behind the site's NAT."""
    client = Tunnelmgr(site.inside, folder, CLIENT)
    client.up()
    return client


@pytest.mark.requirement("T-SV-001", "T-SV-012", "T-SV-013", "T-SV-017", "T-SV-023", "T-RL-003", "T-RL-005")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.value)
@pytest.mark.usefixtures("relay")
def test_debians_client_reaches_an_ipv6_host_through_our_server_and_our_relay(
    internet: NamespaceInternet, server: Host, relay: Host, native: Host, kind: NatKind, tmp_path: Path
) -> None:
    our_server, our_relay = Served(server, "teredo-server", tmp_path), Served(relay, "teredo-relay", tmp_path)
    site = internet.site("home", kind)
    client = debians_client(site, tmp_path)
    assert ping(site.inside, native.ipv6, 10) == 10
    assert our_server.counters()["advertisements-sent"] > 0
    assert our_relay.facts()["clients"] == 1
    client.stop()
    our_relay.down()
    our_server.down()


def test_debians_relay_serves_our_client_of_our_server(
    server: Host, relay: Host, native: Host, home: Site, tmp_path: Path
) -> None:
    our_server = Served(server, "teredo-server", tmp_path)
    MiredoRelay(relay, folder=tmp_path).start()
    client = our_client(home, tmp_path)
    assert ping(home.inside, native.ipv6, 10) == 10
    assert client.tunnel()["facts"]["nat"] == "port-restricted"
    our_server.down()


def test_our_relay_serves_clients_of_debians_server(
    server: Host, relay: Host, native: Host, home: Site, iperf3: str, tmp_path: Path
) -> None:
    MiredoServer(server, folder=tmp_path).start()
    our_relay = Served(relay, "teredo-relay", tmp_path)
    client = our_client(home, tmp_path)
    assert ping(home.inside, native.ipv6, 10) == 10
    assert bulk(home.inside, native, native.ipv6) > 1_000_000
    assert bulk(home.inside, native, native.ipv6, "--reverse") > 1_000_000
    assert ping(native, client.address(), 10) == 10, "and native hosts reach the client"
    our_relay.down()


def test_two_of_debians_clients_meet_through_our_server(internet: NamespaceInternet, server: Host, tmp_path: Path) -> None:
    our_server = Served(server, "teredo-server", tmp_path)
    alice, bob = (internet.site(name, NatKind.PORT_RESTRICTED) for name in ("alice", "bob"))
    debians_client(alice, tmp_path)
    address = debians_client(bob, tmp_path).address()
    assert address is not None
    assert ping(alice.inside, address, 10) >= 9
    assert our_server.counters()["packets-forwarded"] > 0
    our_server.down()


# -- one rented server -----------------------------------------------------------------------------------------------------


@pytest.fixture
def far_end(internet: NamespaceInternet, tmp_path: Path) -> Served:
    """Server and relay in one, to which nobody routes 2001::/32."""
    host = internet.host("far-end", "192.0.2.17", "192.0.2.18", "2001:db8:1::1", names=[SERVER_NAME])
    return Served(host, "far-end", tmp_path)


@pytest.mark.requirement("T-RL-003", "T-RL-008")
@pytest.mark.parametrize("kind", [NatKind.FULL_CONE, NatKind.PORT_RESTRICTED, NatKind.SYMMETRIC])
def test_a_far_end_alone_gives_our_client_ipv6(
    internet: NamespaceInternet, far_end: Served, native: Host, kind: NatKind, iperf3: str, tmp_path: Path
) -> None:
    assert "clients use `method: {type: teredo, server: 192.0.2.17}`" in far_end.story
    home = internet.site("home", kind)
    client = our_client(home, tmp_path)
    assert ping(home.inside, native.ipv6, 20) == 20
    assert ping(home.inside, far_end.program.host.ipv6, 5) == 5, "the far end itself answers, too"
    assert bulk(home.inside, native, native.ipv6) > 1_000_000
    assert bulk(home.inside, native, native.ipv6, "--reverse") > 1_000_000
    assert ping(native, client.address(), 1) == 0, "outgoing only"
    assert "outgoing only" in str(far_end.facts()["exit"])
    far_end.down()


def test_a_far_end_alone_gives_debians_client_ipv6(
    far_end: Served, native: Host, home: Site, iperf3: str, tmp_path: Path
) -> None:
    client = debians_client(home, tmp_path)
    assert ping(home.inside, native.ipv6, 20) == 20
    assert bulk(home.inside, native, native.ipv6) > 1_000_000
    assert bulk(home.inside, native, native.ipv6, "--reverse") > 1_000_000
    client.stop()
    far_end.down()


def test_what_a_host_out_there_sees_is_the_far_ends_own_address(
    far_end: Served, native: Host, home: Site, iperf3: str, tmp_path: Path
) -> None:
    our_client(home, tmp_path)
    listening = native.popen(["iperf3", "-s", "-1"], output=tmp_path / "seen")
    wait_for("iperf3 server", lambda: "5201" in native.run(["ss", "-ltn"]).stdout or None)
    home.inside.run(["iperf3", "-t", "1", "-c", str(native.ipv6)])
    native.stop(listening)
    assert "Accepted connection from 2001:db8:1::1" in (tmp_path / "seen").read_text()


def test_a_far_end_restarted_under_load_goes_on(far_end: Served, native: Host, home: Site, tmp_path: Path) -> None:
    """Its clients notice nothing but a gap: they find the relay again by the next echo test, the server by the refresh."""
    our_client(home, tmp_path)
    assert ping(home.inside, native.ipv6, 5) == 5
    home.inside.popen(["ping", "-6", "-n", "-i", "0.05", str(native.ipv6)], output=tmp_path / "load")
    program = far_end.program
    program.run("down", "far-end")
    program.run("up", program.profile)
    wait_for("answers", lambda: ping(home.inside, native.ipv6, 1) or None, 60)
    assert ping(home.inside, native.ipv6, 10) == 10
    far_end.down()
