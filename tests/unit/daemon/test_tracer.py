"""Where the packets of a profile pass."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest

from tests.home_snapshot import RUNNING
from tunnelmgr.api.network import LocalAddress, Network
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.core.driving.traffic import OuterSocket
from tunnelmgr.daemon.tracer import Tap, TunnelSide, taps_of
from tunnelmgr.host.linux.packet_filter import OuterEnd

ANYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound here
HERE = Network((LocalAddress("eth0", IPv4Interface("192.0.2.9/24")), LocalAddress("wlan0", IPv4Interface("10.0.0.9/8"))))


def taps(*sockets: OuterSocket, sides: tuple[TunnelSide, ...] = (TunnelSide.OUTER,)) -> frozenset[Tap]:
    return taps_of(replace(RUNNING, sockets=sockets), HERE, sides)


def test_a_socket_with_an_address_is_watched_where_that_address_is() -> None:
    end = OuterEnd(IpProtocol.UDP, IPv4Address("192.0.2.9"), 3544)
    assert taps(OuterSocket("udp", "192.0.2.9", 3544)) == {Tap(TunnelSide.OUTER, "eth0", (end,))}


@pytest.mark.parametrize(("address", "wanted"), [(ANYWHERE, None), ("224.0.0.253", IPv4Address("224.0.0.253"))])
def test_a_socket_without_an_address_is_watched_on_every_interface(address: str, wanted: IPv4Address | None) -> None:
    ends = (OuterEnd(IpProtocol.UDP, wanted, 3544),)
    assert taps(OuterSocket("udp", address, 3544)) == {Tap(TunnelSide.OUTER, name, ends) for name in ("eth0", "wlan0")}


def test_sockets_of_one_interface_share_a_tap() -> None:
    (tap,) = taps(OuterSocket("udp", "192.0.2.9", 1), OuterSocket("raw41", "192.0.2.9", 0, "192.0.2.1"))
    assert [(end.protocol, end.port, end.remote) for end in tap.ends] == [
        (IpProtocol.UDP, 1, None),
        (IpProtocol.IPV6, 0, IPv4Address("192.0.2.1")),
    ]


def test_loopback_is_watched_for_sockets_on_it_only() -> None:
    assert {tap.interface for tap in taps(OuterSocket("udp", "127.0.0.1", 9))} == {"lo"}


def test_the_device_is_watched_for_everything() -> None:
    assert taps(sides=tuple(TunnelSide)) == {Tap(TunnelSide.INNER, "tm-home")}


def test_only_the_sides_wanted_are_watched() -> None:
    outer = OuterSocket("udp", "192.0.2.9", 1)
    assert {tap.side for tap in taps(outer, sides=(TunnelSide.INNER,))} == {TunnelSide.INNER}
    assert {tap.side for tap in taps(outer, sides=(TunnelSide.OUTER,))} == {TunnelSide.OUTER}


def test_an_address_that_has_left_this_host_is_watched_nowhere() -> None:
    assert taps(OuterSocket("udp", "192.0.2.77", 1)) == frozenset()
