"""Hostile servers, relays and peers, one by one: the threats of docs/protocols/teredo.md section 8 against a whole client.

Behind a full cone NAT, which lets everything in: where the NAT helps, nothing is shown.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import pytest
from tests.teredo_world.attacker import Attacker
from tests.teredo_world.bench import advertisement, udp_packet
from tests.teredo_world.internets import LINK, SERVER, TeredoWorld, teredo_world

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.events import Down, PathDown, Up
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.lab.simulated import SimulatedHost
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr_teredo.client.contacts import CONTACT_TIME
from tunnelmgr_teredo.constants import BUBBLE_INTERVAL, DIRECT_BUDGET, REFRESH_INTERVAL, SERVER_BUDGET, STRANGER_ECHO_TESTS
from tunnelmgr_teredo.wire.address import TeredoAddress
from tunnelmgr_teredo.wire.datagram import OriginIndication, Payload, bubble, with_trailers
from tunnelmgr_teredo.wire.trailers import NonceTrailer

VICTIM = IPv4Address("203.0.113.99")
ATTACKER = "203.0.113.66"
PEERS_MAX = 64


@dataclass(slots=True)
class Siege:
    """A client with a Teredo peer and a native host for friends, a witness at the victim's address, and an attacker."""

    world: TeredoWorld
    alice: SimulatedHost
    bob: SimulatedHost
    attacker: Attacker
    host: SimulatedHost
    victim: Attacker
    before: dict[str, str | None]

    @property
    def target(self) -> Endpoint:
        """Where the attacker reaches the client: its mapping."""
        mapped = str(self.alice.status().facts["mapped"])
        return Endpoint(IPv4Address(mapped.partition(":")[0]), int(mapped.partition(":")[2]))

    def attack(self, *payloads: bytes) -> None:
        """Send datagrams to the client from the attacker's address."""
        for payload in payloads:
            self.attacker.send(payload, self.target)
        self.host.pump.wake()
        self.world.internet.run(0.2)

    def by_server(self, *payloads: bytes) -> None:
        """Let the client's own server send datagrams to it: the server is hostile, or passes on what strangers send."""
        for payload in payloads:
            self.world.server.outbox.send(Datagram("primary", payload, self.target))
        self.world.server_host.pump.wake()
        self.world.internet.run(0.2)

    def friends(self) -> dict[str, str | None]:
        """Whom the client trusts of its friends, and where."""
        ours = {str(self.bob.ipv6_address), str(self.world.native_host.address)}
        return {peer.address: peer.endpoint for peer in self.alice.status().peers if peer.address in ours}

    def heard_by_victim(self) -> int:
        return len(self.victim.received)

    def is_over(self) -> None:
        """Nothing has moved: address, friends, bounds."""
        status = self.alice.status()
        assert status.state in {"qualified", "refreshing"}
        assert status.peers_total <= PEERS_MAX
        assert self.friends() == self.before
        friends = {IPv6Address(address) for address in self.before}
        assert not [e for e in self.alice.events if isinstance(e, PathDown) and e.prefix.network_address in friends]
        assert not [event for event in self.alice.events if isinstance(event, Down)]
        assert len({event.config for event in self.alice.events if isinstance(event, Up)}) == 1
        pings = [self.alice.send_ping(self.bob), self.alice.send_ping(self.world.native_host)]
        self.world.internet.run(2)
        assert all(ping.answered for ping in pings)


def besiege(denied: tuple[str, ...] = ()) -> Siege:
    world = teredo_world()
    alice = world.qualified("alice", NatKind.FULL_CONE, peers_max=PEERS_MAX, relays={"deny": denied})
    bob = world.qualified("bob", NatKind.PORT_RESTRICTED)
    attacker, victim = Attacker(), Attacker()
    host = world.internet.add(attacker, address=ATTACKER, name="attacker", link=LINK)
    world.internet.add(victim, address=VICTIM, name="victim", link=LINK)
    pings = [alice.send_ping(bob), alice.send_ping(world.native_host)]
    world.internet.run(3)
    assert all(ping.answered for ping in pings)
    siege = Siege(world, alice, bob, attacker, host, victim, {})
    siege.before = siege.friends()
    assert len(siege.before) == 2
    return siege


@pytest.fixture
def siege() -> Iterator[Siege]:
    made = besiege()
    yield made
    sys.stdout.write(str(made.world.internet.ladder))  # pytest shows it for failures only


def delivered(siege: Siege, source: IPv6Address) -> int:
    """How many packets of a source have reached the client's host."""
    return sum(received.packet.source == source for received in siege.alice.received)


def dropped(siege: Siege, reason: str) -> int:
    return siege.alice.status().counters.get(f"dropped-{reason}", 0)


# -- servers ------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-CL-008", "T-CL-009", "T-CL-017")
def test_an_advertisement_nobody_asked_for_moves_nobody(siege: Siege) -> None:
    forged = advertisement(bytes(8), Endpoint(VICTIM, 1234), IPv4Address(SERVER))
    siege.attack(forged)
    siege.by_server(forged)
    assert dropped(siege, "ra-unasked") == 2
    siege.is_over()


@pytest.mark.requirement("T-CL-016")
def test_a_server_that_tells_a_private_mapping_qualifies_nobody() -> None:
    world = teredo_world()
    world.server.lie = Endpoint(IPv4Address("10.1.2.3"), 4242)
    alice = world.client("alice", NatKind.FULL_CONE)
    world.internet.run(30)
    assert not alice.up
    assert alice.status().counters["dropped-ra-origin"] >= 6


@pytest.mark.requirement("T-MA-005", "T-MA-007")
def test_a_server_that_tells_another_mapping_each_time_leaves_one_address_at_a_time() -> None:
    world = teredo_world()
    alice = world.qualified("alice", NatKind.FULL_CONE)
    for port in range(2000, 2040):
        world.server.lie = Endpoint(VICTIM, port)
        world.internet.run(REFRESH_INTERVAL + 0.1)
        assert alice.config is not None
        assert len(alice.config.addresses) == 1
    assert alice.status().peers_total == 0
    asked = alice.status().counters["solicitations-sent"]
    assert 2 * 40 <= asked <= 7 * 42, "two questions a change, one a refresh, four about how the NAT filters"


@pytest.mark.requirement("T-TX-010", "T-RX-007")
def test_a_server_cannot_aim_us_at_a_victim_by_naming_relays(siege: Siege) -> None:
    origin = OriginIndication(Endpoint(VICTIM, Attacker.PORT))
    knocks = [
        Payload(bubble(IPv6Address(f"fe80::{number:x}"), siege.alice.ipv6_address), None, origin) for number in range(1, 500)
    ]
    siege.by_server(*(knock.serialize() for knock in knocks))
    siege.world.internet.run(1)
    burst, rate = DIRECT_BUDGET
    assert 1 <= siege.heard_by_victim() <= burst + 2 * rate
    siege.is_over()


@pytest.mark.requirement("T-TX-010", "T-PE-005", "T-PE-006")
def test_a_server_cannot_aim_us_at_a_victim_by_naming_clients(siege: Siege) -> None:
    def knock(number: int) -> bytes:
        source = TeredoAddress(IPv4Address(SERVER), number & 0xFF, Endpoint(VICTIM, 1024 + number)).ipv6
        return Payload(
            bubble(source, siege.alice.ipv6_address), None, OriginIndication(Endpoint(VICTIM, 1024 + number))
        ).serialize()

    siege.by_server(*(knock(number) for number in range(1000)))
    bubbles = siege.alice.status().counters["bubbles-sent"]
    assert siege.alice.status().peers_total <= PEERS_MAX
    siege.world.internet.run(CONTACT_TIME + 1)
    # An answer also goes back through the server (RFC 6081 section 5.2); that one is limited by its own budget.
    sent = siege.alice.status().counters["bubbles-sent"]
    assert bubbles <= DIRECT_BUDGET[0] + SERVER_BUDGET[0] + 10
    assert sent - bubbles <= PEERS_MAX * 2
    siege.is_over()


@pytest.mark.requirement("T-RX-007", "T-TX-006")
@pytest.mark.parametrize("inside", ["192.168.1.1", "10.0.0.1", "127.0.0.1", "169.254.0.1", "224.0.0.1", "255.255.255.255"])
def test_a_server_cannot_aim_us_at_our_own_network(siege: Siege, inside: str) -> None:
    target = Endpoint(IPv4Address(inside), 53)
    client = TeredoAddress(IPv4Address(SERVER), 0, target).ipv6
    rungs = str(siege.world.internet.ladder).count(f"> {inside}:53")
    siege.by_server(
        Payload(bubble(client, siege.alice.ipv6_address), None, OriginIndication(target)).serialize(),
        Payload(bubble(IPv6Address("fe80::1"), siege.alice.ipv6_address), None, OriginIndication(target)).serialize(),
        Payload(bubble(client, siege.alice.ipv6_address), None, None).serialize(),
    )
    assert dropped(siege, "origin") == 3
    assert str(siege.world.internet.ladder).count(f"> {inside}:53") == rungs
    siege.is_over()


# -- relays -------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-RX-011", "T-RX-012", "T-RX-017")
def test_a_relay_that_cannot_prove_itself_speaks_for_nobody(siege: Siege) -> None:
    """It is not where packets to the host go, so it never sees the echo test."""
    somebody = IPv6Address("2001:db8:dead::1")
    siege.attack(*[udp_packet(somebody, siege.alice.ipv6_address)] * 20)
    siege.world.internet.run(CONTACT_TIME + 1)
    assert delivered(siege, somebody) == 0
    siege.is_over()


@pytest.mark.requirement("T-RX-012", "T-RX-016")
def test_a_relay_cannot_take_over_a_host_we_talk_to(siege: Siege) -> None:
    native, ours = siege.world.native_host.address, siege.alice.ipv6_address
    guesses = [icmpv6_packet(EchoReply(7, number, bytes([number]) * 16), native, ours).serialize() for number in range(100)]
    siege.attack(udp_packet(native, ours), bubble(native, ours), *guesses)
    siege.world.internet.run(CONTACT_TIME + 1)
    assert not [one for one in siege.alice.received if one.carrier == "attacker"]
    siege.is_over()


@pytest.mark.requirement("T-RX-011")
def test_a_stranger_in_a_friends_name_provokes_a_test_whose_reply_stays_with_us(siege: Siege) -> None:
    native = siege.world.native_host.address
    before = delivered(siege, native)
    for _ in range(3):
        siege.attack(udp_packet(native, siege.alice.ipv6_address))
        siege.world.internet.run(BUBBLE_INTERVAL + 1)
    assert siege.alice.status().counters["echo-tests-sent"] > 1
    assert delivered(siege, native) == before
    siege.is_over()


@pytest.mark.requirement("T-RX-018")
def test_strangers_cannot_make_us_ping_third_parties(siege: Siege) -> None:
    """CVE-2006-6266: each packet that seems to come from a native host would be answered by an echo request to it."""
    before = siege.alice.status().counters["echo-tests-sent"]
    for _ in range(10):
        hosts = [IPv6Address(int(IPv6Address("2001:db8:f00d::")) + number) for number in range(60)]
        siege.attack(*(udp_packet(host, siege.alice.ipv6_address) for host in hosts))
    assert siege.alice.status().counters["echo-tests-sent"] - before <= STRANGER_ECHO_TESTS * 3, "a burst, and two seconds"
    siege.is_over()


@pytest.mark.requirement("T-RX-019", "T-RX-021", "T-RX-020")
def test_what_must_not_come_out_of_a_tunnel_does_not(siege: Siege) -> None:
    """Even from a relay that has proven itself; but what no rule forbids does."""
    native, ours = siege.world.native_host.address, siege.alice.ipv6_address
    router_advertisement = IPv6Packet(native, ours, 58, b"\x86" + bytes(15), 255).serialize()
    routed = IPv6Packet(native, ours, 43, b"\x3b\x02\x00\x01" + bytes(20), 64).serialize()
    multicast = udp_packet(native, IPv6Address("ff02::1"))
    link_local = udp_packet(IPv6Address("fe80::1"), ours)
    elsewhere = udp_packet(native, siege.bob.ipv6_address)
    with_options = IPv6Packet(native, ours, 60, b"\x3b\x00\x01\x04" + bytes(4), 64).serialize()
    seen = len(siege.alice.received)
    for packet in (router_advertisement, routed, multicast, link_local, elsewhere, with_options):
        siege.world.relay.outbox.send(Datagram("service", packet, siege.target))
    siege.world.relay_host.pump.wake()
    siege.world.internet.run(1)
    assert [received.packet.serialize() for received in siege.alice.received[seen:]] == [with_options]
    siege.is_over()


# -- peers --------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-RX-016")
def test_a_peer_cannot_speak_for_another(siege: Siege) -> None:
    bob, ours = siege.bob.ipv6_address, siege.alice.ipv6_address
    seen = delivered(siege, bob)
    proofs = [with_trailers(bubble(bob, ours), NonceTrailer(number.to_bytes(4, "big"))) for number in range(200)]
    siege.attack(udp_packet(bob, ours), bubble(bob, ours), *proofs)
    assert delivered(siege, bob) == seen
    assert dropped(siege, "mismatch") == 202
    siege.is_over()


@pytest.mark.requirement("T-PE-005", "T-PE-006", "T-PE-002")
def test_a_peer_with_two_thousand_addresses_pushes_out_no_friend(siege: Siege) -> None:
    """Every one of them is right: server and flags are the attacker's to choose, and the mapping is its own."""
    mapped = Endpoint(IPv4Address(ATTACKER), Attacker.PORT)
    for chunk in range(20):
        servers = [IPv4Address(0x05000000 + chunk * 100 + number) for number in range(100)]
        siege.attack(*(bubble(TeredoAddress(server, 0, mapped).ipv6, siege.alice.ipv6_address) for server in servers))
        if chunk % 5 == 0:
            siege.alice.send_ping(siege.bob)
            siege.alice.send_ping(siege.world.native_host)
            siege.world.internet.run(0.5)
    siege.is_over()


@pytest.mark.requirement("T-RX-002", "T-RX-009")
def test_our_own_address_and_other_addresses_are_no_way_in(siege: Siege) -> None:
    ours = siege.alice.ipv6_address
    seen = len(siege.alice.received)
    neighbour = IPv6Address(int(ours) ^ 0x0001 << 48)  # other flags, the same mapping
    loopback = IPv6Address("::1")
    siege.attack(udp_packet(ours, ours), udp_packet(loopback, ours), udp_packet(neighbour, ours), udp_packet(ours, loopback))
    assert len(siege.alice.received) == seen
    assert [dropped(siege, reason) for reason in ("inner-source", "mismatch", "inner-destination")] == [2, 1, 1]
    siege.is_over()


@pytest.mark.requirement("T-TX-006", "T-RX-013")
def test_a_peer_cannot_make_our_host_call_inside(siege: Siege) -> None:
    """Our host is lured to an address that names a machine of its own network."""
    inside = TeredoAddress(IPv4Address(SERVER), 0, Endpoint(IPv4Address("192.168.1.1"), 80)).ipv6
    ourselves = TeredoAddress(IPv4Address(SERVER), 0, siege.target).ipv6
    rungs = Counter(str(siege.world.internet.ladder).split())
    siege.alice.send_ping(inside)
    siege.alice.send_ping(ourselves)
    siege.world.internet.run(CONTACT_TIME)
    assert dropped(siege, "destination") == 2
    assert Counter(str(siege.world.internet.ladder).split())["192.168.1.1:80"] == rungs["192.168.1.1:80"]
    siege.is_over()


def test_a_relay_we_denied_is_not_used() -> None:
    siege = besiege(denied=(ATTACKER,))
    somebody = IPv6Address("2001:db8:dead::1")
    request = icmpv6_packet(EchoRequest(1, 1, b""), somebody, siege.alice.ipv6_address).serialize()
    siege.attack(request)
    assert dropped(siege, "relay-refused") == 1
    siege.is_over()
