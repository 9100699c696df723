"""Our server, our relay and our client on one simulated internet; every link takes 25 ms."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address

import pytest
from tests.teredo_world.attacker import Attacker
from tests.teredo_world.bench import SERVER_GIVEN_UP
from tests.teredo_world.served_bench import knock

from tunnelmgr.api.events import Down, Notice, Up
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.settings import Settings
from tunnelmgr.lab.simulated import Internet, Ipv6Host, SimulatedHost
from tunnelmgr.lab.vocabulary import Link, NatKind
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.constants import PEER_VALIDITY, RELAY_CONTACT_ROUNDS, RELAY_CONTACT_TIMEOUT
from tunnelmgr_teredo.relay.settings import RelayServiceSettings
from tunnelmgr_teredo.server.settings import ServerSettings
from tunnelmgr_teredo.transport import Teredo
from tunnelmgr_teredo.wire.address import TeredoAddress

LINK = Link(delay=0.025)
NATS = [kind for kind in NatKind if kind is not NatKind.UDP_BLOCKED]


class FarEnds:
    """An internet with our servers and relays; clients are added by the tests."""

    def __init__(self) -> None:
        self.internet = Internet(1)
        self.native: Ipv6Host = self.internet.ipv6_host(name="native", link=LINK)

    def add(self, role: str, name: str, settings: Settings, **where: object) -> SimulatedHost:
        return self.internet.add(Teredo(role, settings).tunnel, name=name, link=LINK, **where)  # type: ignore[arg-type]

    def server(self, *addresses: str, name: str = "server", **settings: object) -> SimulatedHost:
        values = ServerSettings.model_validate({"addresses": list(addresses)} | settings)
        gateway = ["2001::/32"] if values.relay else []
        return self.add("server", name, values, address=addresses, native_ipv6=True, gateway_of=gateway)

    def relay(self, address: str = "198.51.100.1", **settings: object) -> SimulatedHost:
        values = RelayServiceSettings.model_validate({"address": address} | settings)
        gateway = ["2001::/32"] if values.serves == "everyone" else []
        return self.add("relay", "relay", values, address=address, native_ipv6=True, gateway_of=gateway)

    def client(self, name: str, behind: NatKind, server: str = "192.0.2.1") -> SimulatedHost:
        """Add a client and wait until it is up."""
        client = self.add("client", name, ClientSettings.model_validate({"server": server}), behind=behind)
        assert self.internet.run_until(lambda: client.up, within=15), f"{name} does not come up"
        return client


def counters(host: SimulatedHost) -> Mapping[str, int]:
    return host.status().counters


@pytest.fixture
def far_ends() -> FarEnds:
    return FarEnds()


@pytest.mark.requirement("T-SV-013", "T-SV-017", "T-SV-023", "T-RL-003", "T-RL-005")
@pytest.mark.parametrize("kind", NATS)
def test_server_and_relay_give_ipv6_behind_every_nat_that_passes_udp(far_ends: FarEnds, kind: NatKind) -> None:
    far_ends.server("192.0.2.1", "192.0.2.2")
    far_ends.relay()
    alice = far_ends.client("alice", kind)
    pings = [alice.send_ping(far_ends.native) for _ in range(3)]
    far_ends.internet.run(5)
    assert [ping.answered for ping in pings] == [True] * 3


@pytest.mark.parametrize("kind", NATS)
def test_one_host_can_be_both(far_ends: FarEnds, kind: NatKind) -> None:
    host = far_ends.server("192.0.2.1", "192.0.2.2", relay=True)
    alice = far_ends.client("alice", kind)
    ping = alice.send_ping(far_ends.native)
    far_ends.internet.run(5)
    assert ping.answered
    assert host.status().facts["clients"] == 1
    assert counters(host)["relay-bubbles-sent"] == 1
    assert counters(host).get("packets-forwarded") == 1, "its own bubble, which took no way through the network"


@pytest.mark.requirement("T-SV-001")
def test_a_server_with_one_address_serves_and_its_clients_say_the_nat_is_unknown(far_ends: FarEnds) -> None:
    far_ends.server("192.0.2.1", relay=True)
    alice = far_ends.client("alice", NatKind.PORT_RESTRICTED)
    far_ends.internet.run(SERVER_GIVEN_UP + 1)
    assert alice.status().facts["nat"] == "unknown"
    ping = alice.send_ping(far_ends.native)
    far_ends.internet.run(5)
    assert ping.answered


def test_data_does_not_touch_the_relay_s_tunnel(far_ends: FarEnds) -> None:
    far_ends.server("192.0.2.1", "192.0.2.2")
    relay = far_ends.relay()
    alice = far_ends.client("alice", NatKind.PORT_RESTRICTED)
    alice.send_ping(far_ends.native)
    far_ends.internet.run(2)
    before = dict(counters(relay))
    for _ in range(100):
        alice.send_ping(far_ends.native)
        far_ends.internet.run(0.5)
    assert alice.pings_answered == 101
    after = counters(relay)
    assert after["packets-sent"] == before["packets-sent"]
    assert after["datagrams-received"] <= before["datagrams-received"] + 2


@pytest.mark.requirement("T-SV-012", "T-SV-013")
def test_clients_of_two_servers_meet(far_ends: FarEnds) -> None:
    far_ends.server("192.0.2.1", "192.0.2.2")
    other = far_ends.server("198.51.100.9", "198.51.100.10", name="other server")
    alice = far_ends.client("alice", NatKind.PORT_RESTRICTED)
    bob = far_ends.client("bob", NatKind.PORT_RESTRICTED, "198.51.100.9")
    ping = alice.send_ping(bob)
    far_ends.internet.run(5)
    assert ping.answered
    assert alice.received_directly_from(bob)
    assert counters(other)["packets-forwarded"] >= 1


def test_a_native_host_reaches_a_client_that_never_asked_for_it(far_ends: FarEnds) -> None:
    far_ends.server("192.0.2.1", "192.0.2.2")
    far_ends.relay()
    alice = far_ends.client("alice", NatKind.PORT_RESTRICTED)
    ping = far_ends.native.send_ping(alice)
    far_ends.internet.run(5)
    assert ping.answered


@pytest.mark.requirement("T-RL-005", "T-RL-012")
def test_a_native_host_is_told_that_a_client_is_gone(far_ends: FarEnds) -> None:
    far_ends.server("192.0.2.1", "192.0.2.2")
    relay = far_ends.relay()
    alice = far_ends.client("alice", NatKind.PORT_RESTRICTED)
    address = alice.ipv6_address
    alice.kill()
    far_ends.native.send_ping(address)
    far_ends.internet.run(RELAY_CONTACT_TIMEOUT * RELAY_CONTACT_ROUNDS + 1)
    [error] = [one.packet for one in far_ends.native.received]
    assert (error.payload[0], error.payload[1]) == (1, 3)
    assert error.source == relay.network().native_source


@pytest.mark.requirement("T-RL-011")
def test_a_host_specific_relay_gives_its_host_a_way_to_clients(far_ends: FarEnds) -> None:
    far_ends.server("192.0.2.1", "192.0.2.2")
    host = far_ends.relay(serves="host")
    alice = far_ends.client("alice", NatKind.PORT_RESTRICTED)
    ping = host.send_ping(alice)
    far_ends.internet.run(5)
    assert ping.answered
    assert host.received_directly_from(alice)
    back = alice.send_ping(host.ipv6_address)
    far_ends.internet.run(5)
    assert back.answered


def test_a_relay_that_starts_anew_is_found_again(far_ends: FarEnds) -> None:
    far_ends.server("192.0.2.1", "192.0.2.2")
    relay = far_ends.relay()
    alice = far_ends.client("alice", NatKind.PORT_RESTRICTED)
    alice.send_ping(far_ends.native)
    far_ends.internet.run(3)
    relay.restart()
    far_ends.internet.run(PEER_VALIDITY + 5)
    ping = alice.send_ping(far_ends.native)
    far_ends.internet.run(5)
    assert ping.answered


@pytest.mark.requirement("T-SV-020")
def test_two_servers_do_not_keep_a_bubble_alive(far_ends: FarEnds) -> None:
    """It names the first server as a client of the second, and is sent to the second by somebody it names as its sender."""
    servers = [far_ends.server("192.0.2.1"), far_ends.server("198.51.100.9", name="other server")]
    attacker = Attacker()
    host = far_ends.internet.add(attacker, address="203.0.113.66", name="attacker")
    far_ends.internet.run(1)
    first, second = (IPv4Address(str(one.address)) for one in servers)
    for server, victim in ((first, second), (second, first)):
        source = TeredoAddress(server, 0, Endpoint(host.address, Attacker.PORT)).ipv6
        destination = TeredoAddress(server, 0, Endpoint(victim, 3544)).ipv6
        attacker.send(knock(source, destination), Endpoint(server, 3544))
    host.pump.wake()
    far_ends.internet.run(10)
    assert [counters(server).get("packets-forwarded", 0) for server in servers] == [1, 1]
    assert [counters(server).get("dropped-mismatch", 0) for server in servers] == [1, 1]


@pytest.mark.requirement("T-SV-025")
def test_a_server_sends_no_more_than_it_gets(far_ends: FarEnds) -> None:
    """Bubbles for a thousand Teredo addresses, all of one victim: the victim hears 64 of them at once, then 16 a second."""
    server = far_ends.server("192.0.2.1")
    attacker = Attacker()
    host = far_ends.internet.add(attacker, address="203.0.113.66", name="attacker")
    far_ends.internet.run(1)
    source = TeredoAddress(IPv4Address("192.0.2.1"), 0, Endpoint(host.address, Attacker.PORT)).ipv6
    for port in range(1024, 2024):
        victim = TeredoAddress(IPv4Address("192.0.2.1"), port & 0xFF, Endpoint(IPv4Address("203.0.113.99"), port)).ipv6
        attacker.send(knock(source, victim), Endpoint(IPv4Address("192.0.2.1"), 3544))
    host.pump.wake()
    far_ends.internet.run(5)
    assert counters(server)["packets-forwarded"] == 64
    assert counters(server)["dropped-forward-limit"] == 936


@pytest.mark.requirement("T-SE-010")
def test_a_far_end_tells_its_log_of_no_client(far_ends: FarEnds) -> None:
    server, relay = far_ends.server("192.0.2.1", "192.0.2.2"), far_ends.relay()
    alice = far_ends.client("alice", NatKind.PORT_RESTRICTED)
    ping = alice.send_ping(far_ends.native)
    far_ends.internet.run(5)
    assert ping.answered
    for host in (server, relay):
        logged = " ".join(str(event) for event in host.events if isinstance(event, Notice | Up | Down))
        assert not [address for address in (alice.public_address, alice.ipv6_address) if str(address) in logged]


@pytest.mark.requirement("T-RL-013")
def test_a_sweep_from_one_network_does_not_disturb_another(far_ends: FarEnds) -> None:
    far_ends.server("192.0.2.1", "192.0.2.2")
    relay = far_ends.relay(peers_max=256)
    alice = far_ends.client("alice", NatKind.PORT_RESTRICTED)
    sweeper = far_ends.internet.ipv6_host("2001:db8:bad::1", name="sweeper")
    pings = [far_ends.native.send_ping(alice)]
    far_ends.internet.run(5)
    for number in range(1000):
        sweeper.send_ping(_client_at(number))
        if number % 100 == 0:
            far_ends.internet.run(0.1)
            pings.append(far_ends.native.send_ping(alice))
    far_ends.internet.run(5)
    assert [ping.answered for ping in pings] == [True] * 11
    assert counters(relay)["dropped-table-full"] > 800


def _client_at(number: int) -> IPv6Address:
    return TeredoAddress(IPv4Address("192.0.2.1"), 0, Endpoint(IPv4Address("192.0.2.100"), 1024 + number)).ipv6


@pytest.mark.parametrize("exit_by", ["nat66", "native"])
def test_the_far_end_answers_the_probe_it_names(far_ends: FarEnds, exit_by: str) -> None:
    server = far_ends.server("192.0.2.1", "192.0.2.2", relay=True, exit=exit_by)
    client = far_ends.client("alice", NatKind.SYMMETRIC)
    up = [event for event in client.events if isinstance(event, Up)][-1]
    assert up.probe == (server.network().native_source,)
    ping = client.send_ping(up.probe[0])
    far_ends.internet.run(5)
    assert ping.answered
