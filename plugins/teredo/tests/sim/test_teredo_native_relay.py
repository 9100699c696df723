"""`native: relay`: a client that becomes its host's own relay while there is native IPv6, and goes back (RFC 4380 5.5)."""

from ipaddress import IPv6Network

import pytest
from tests.teredo_world.internets import LINK, TeredoWorld, world

from tunnelmgr.api.effects import CloseChannel, OpenChannel
from tunnelmgr.api.events import Down, Notice, PathDown, PathUp
from tunnelmgr.lab.simulated import SimulatedHost
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.transport import Teredo

__all__ = ["world"]

pytestmark = pytest.mark.requirement("T-CL-027", "T-RL-011")
NATS = [NatKind.NONE, NatKind.FULL_CONE, NatKind.PORT_RESTRICTED, NatKind.PORT_RESTRICTED_OPEN_BOX]


def answered(world: TeredoWorld, sender: SimulatedHost, target: SimulatedHost, count: int = 3) -> int:
    before = sender.pings_answered
    for _ in range(count):
        sender.send_ping(target)
        world.internet.run(1)
    world.internet.run(3)
    return sender.pings_answered - before


def relay_of(world: TeredoWorld, kind: NatKind) -> SimulatedHost:
    """Add a client, and give its host native IPv6."""
    alice = world.qualified("alice", kind, native="relay")
    world.internet.give_native_ipv6(alice)
    world.internet.run(1)
    return alice


@pytest.mark.parametrize("kind", NATS, ids=lambda kind: kind.value)
def test_native_ipv6_makes_a_client_its_hosts_own_relay(world: TeredoWorld, kind: NatKind) -> None:
    alice, bob = relay_of(world, kind), world.qualified("bob", NatKind.PORT_RESTRICTED)
    assert alice.config is not None
    assert (alice.config.addresses, alice.config.default_route) == ((), False)
    assert alice.config.routes == (IPv6Network("2001::/32"),)
    assert (alice.config.forwarding, alice.status().state) == (False, "listening")
    assert answered(world, alice, bob) == 3
    assert bob.received_directly_from(alice)
    assert world.relay.carried == 0, "nobody else's relay is needed"


@pytest.mark.parametrize("kind", NATS, ids=lambda kind: kind.value)
def test_it_goes_back_when_native_ipv6_goes(world: TeredoWorld, kind: NatKind) -> None:
    alice, bob = relay_of(world, kind), world.qualified("bob", NatKind.PORT_RESTRICTED)
    assert answered(world, alice, bob) == 3
    world.internet.take_native_ipv6(alice)
    gone_at = world.internet.now
    assert world.internet.run_until(lambda: alice.status().state == "qualified", within=5)
    assert world.internet.now - gone_at == pytest.approx(0.1)
    assert alice.config is not None
    assert (len(alice.config.addresses), alice.config.default_route) == (1, True)
    assert answered(world, alice, bob) == 3
    ping = alice.send_ping(world.native_host)
    world.internet.run(2)
    assert ping.answered


def test_a_host_that_begins_with_native_ipv6_asks_no_server(world: TeredoWorld) -> None:
    settings = ClientSettings.model_validate({"server": "192.0.2.1", "native": "relay"})
    host = world.internet.add(Teredo("client", settings).tunnel, native_ipv6=True, name="host", link=LINK)
    world.internet.run(1)
    assert (host.up, host.status().state) == (True, "listening")
    assert world.server.solicited == []
    assert [event.code for event in host.events if isinstance(event, Notice)] == ["teredo.native"]


def test_each_turn_gives_back_what_the_other_had(world: TeredoWorld) -> None:
    alice, bob = relay_of(world, NatKind.PORT_RESTRICTED), world.qualified("bob", NatKind.PORT_RESTRICTED)
    answered(world, alice, bob)
    world.internet.take_native_ipv6(alice)
    world.internet.run(15)
    paths = set()
    for event in alice.events:
        if isinstance(event, PathUp):
            paths.add(event.prefix)
        elif isinstance(event, PathDown):
            paths.discard(event.prefix)
    assert paths == set()
    opened = [effect.channel for effect in alice.effects if isinstance(effect, OpenChannel)]
    closed = [effect.channel for effect in alice.effects if isinstance(effect, CloseChannel)]
    assert (opened.count("service"), closed.count("service")) == (2, 1)
    assert (opened.count("relay"), closed.count("relay")) == (1, 1)


def test_the_turn_back_is_told(world: TeredoWorld) -> None:
    alice = relay_of(world, NatKind.PORT_RESTRICTED)
    world.internet.take_native_ipv6(alice)
    assert [event.reason for event in alice.events if isinstance(event, Down)] == ["native IPv6 is gone"]


def test_a_relay_whose_ipv4_address_changes_goes_on_from_there(world: TeredoWorld) -> None:
    alice, bob = relay_of(world, NatKind.PORT_RESTRICTED), world.qualified("bob", NatKind.PORT_RESTRICTED)
    assert answered(world, alice, bob) == 3
    world.internet.move(alice, link=LINK)
    world.internet.run(1)
    assert answered(world, alice, bob) == 3
    assert [event.code for event in alice.events if isinstance(event, Notice)].count("teredo.native") == 1


def test_the_last_good_server_is_known_after_the_way_back(world: TeredoWorld) -> None:
    world.add_server("192.0.2.65")
    world.server.silent = True
    alice = world.client("alice", NatKind.PORT_RESTRICTED, server=["192.0.2.1", "192.0.2.65"], native="relay")
    assert world.internet.run_until(lambda: alice.up, within=20)
    world.internet.give_native_ipv6(alice)
    world.internet.run(1)
    world.internet.take_native_ipv6(alice)
    world.internet.run(0.2)
    assert alice.status().facts["server"] == "192.0.2.65", "asked first, with no twelve seconds for the dead one"
