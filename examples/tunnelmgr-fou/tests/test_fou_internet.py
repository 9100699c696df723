"""Both ends on the simulated internet, run by the pump and the forwarding table that ship."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Interface
from random import Random

import pytest

from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr.lab.simulated import Internet, SimulatedHost
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr_fou.settings import FouSettings
from tunnelmgr_fou.transport import Fou

LEFT, RIGHT = "198.51.100.1", "198.51.100.2"
NAT_MEMORY = 180  # seconds; the lab's NATs forget a silent flow after this


def end(internet: Internet, address: str, peer: str, number: int, keepalive: float | None = None) -> SimulatedHost:
    """Add an end that has the public address, and IPv6 address 2001:db8:f00::<number>."""
    return internet.add(tunnel(peer, number, keepalive), address=address)


def tunnel(peer: str, number: int, keepalive: float | None = None) -> Callable[[Random], Tunnel]:
    inner = IPv6Interface(f"2001:db8:f00::{number}/64")
    return Fou("peer", FouSettings(peer=IPv4Address(peer), address=inner, keepalive=keepalive)).tunnel


@pytest.mark.parametrize("data_plane", [True, False])
def test_two_ends_ping_each_other(data_plane: bool) -> None:
    internet = Internet(data_plane=data_plane)
    left, right = end(internet, LEFT, RIGHT, 1), end(internet, RIGHT, LEFT, 2)
    internet.run(1)
    pings = [left.send_ping(to=right), right.send_ping(to=left)]
    internet.run(1)
    assert all(ping.answered for ping in pings)
    assert bool(left.status().counters) is not data_plane, "the Tunnel is asked only where nothing carries for it"


@pytest.mark.parametrize(("keepalive", "reachable"), [(25.0, True), (None, False)])
def test_keepalives_keep_a_nat_open(keepalive: float | None, reachable: bool) -> None:
    internet = Internet()
    site = internet.site(NatKind.PORT_RESTRICTED, address=LEFT)
    inside = internet.add(tunnel(RIGHT, 1, keepalive), behind=site)
    outside = end(internet, RIGHT, LEFT, 2)
    internet.run(1)
    assert_answered(internet, inside, outside)
    internet.run(3 * NAT_MEMORY)
    ping = outside.send_ping(to=inside)
    internet.run(1)
    assert ping.answered is reachable


def assert_answered(internet: Internet, asker: SimulatedHost, target: SimulatedHost) -> None:
    ping = asker.send_ping(to=target)
    internet.run(1)
    assert ping.answered
