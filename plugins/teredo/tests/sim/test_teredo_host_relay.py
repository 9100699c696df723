"""A relay for its own host alone: what a Teredo client becomes while there is native IPv6 (RFC 4380 section 5.5)."""

from ipaddress import IPv6Network

import pytest
from tests.teredo_world.internets import LINK, TeredoWorld, world

from tunnelmgr.api.events import Up
from tunnelmgr.lab.simulated import SimulatedHost
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr_teredo.constants import SERVICE_PORTS
from tunnelmgr_teredo.relay.settings import RelayServiceSettings
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
    """Add a host with native IPv6 that is its own relay."""
    settings = RelayServiceSettings.model_validate({"serves": "host", "port": 0})
    host = world.internet.add(Teredo("relay", settings).tunnel, behind=kind, native_ipv6=True, name="alice", link=LINK)
    world.internet.run(1)
    return host


@pytest.mark.parametrize("kind", NATS, ids=lambda kind: kind.value)
def test_a_host_with_native_ipv6_is_its_own_relay_behind_whatever_nat(world: TeredoWorld, kind: NatKind) -> None:
    alice, bob = relay_of(world, kind), world.qualified("bob", NatKind.PORT_RESTRICTED)
    assert alice.config is not None
    assert (alice.config.addresses, alice.config.default_route) == ((), False)
    assert alice.config.routes == (IPv6Network("2001::/32"),)
    assert (alice.config.forwarding, alice.status().state) == (False, "listening")
    assert answered(world, alice, bob) == 3
    assert bob.received_directly_from(alice)
    assert world.relay.carried == 0, "no other relay is needed"


def test_it_asks_no_server_for_an_address(world: TeredoWorld) -> None:
    relay_of(world, NatKind.PORT_RESTRICTED)
    assert world.server.solicited == []


def test_it_goes_on_from_another_ipv4_address(world: TeredoWorld) -> None:
    alice, bob = relay_of(world, NatKind.PORT_RESTRICTED), world.qualified("bob", NatKind.PORT_RESTRICTED)
    assert answered(world, alice, bob) == 3
    world.internet.move(alice, link=LINK)
    world.internet.run(1)
    assert answered(world, alice, bob) == 3


def test_a_port_of_its_own_is_drawn_from_the_dynamic_ones(world: TeredoWorld) -> None:
    ports = [str(event.details["relay"]) for event in relay_of(world, NatKind.NONE).events if isinstance(event, Up)]
    assert [int(port.rpartition(":")[2]) in SERVICE_PORTS for port in ports] == [True]
