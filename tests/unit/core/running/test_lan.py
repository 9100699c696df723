"""What the hosts of a LAN are told, as time goes by and prefixes come and go."""

from ipaddress import IPv4Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Network
from tunnelmgr.core.profiles.profile import LanSettings, LanShare
from tunnelmgr.core.running.lan import Lan
from tunnelmgr.host.constants import VALID_LIFETIME
from tunnelmgr.host.desired import Desired
from tunnelmgr.host.surroundings import Surroundings

DEVICE = Desired("tm-home")
AROUND = Surroundings({"lan0": 1500}, Network())
OLD, NEW = IPv6Network("2001:db8:5::/48"), IPv6Network("2001:db8:6::/48")
DEPRECATED = """\
    prefix 2001:db8:5::/64 {
        AdvPreferredLifetime 0;
"""
LONG = 10 * VALID_LIFETIME


@pytest.fixture
def lan() -> Lan:
    return Lan(LanSettings(interfaces=("lan0",)), None, Path("/run/radvd.conf"))


def told(desired: Desired) -> str:
    """The configuration of radvd; nothing without one."""
    return desired.advertisement.config if desired.advertisement else ""


def shared(lan: Lan, prefix: IPv6Network, now: float) -> str:
    config = HostConfig(addresses=(IPv6Interface("2001:db8:41::2/64"),), delegated=(prefix,))
    return told(lan.shared(DEVICE, config, AROUND, carries=True, now=now))


def test_this_host_is_the_first_on_its_lan_and_never_at_the_address_of_the_tunnel(lan: Lan) -> None:
    for tunnel, expected in (("2001:db8:41::2/64", "2001:db8:5::1/64"), ("2001:db8:5::1/128", "2001:db8:5::2/64")):
        config = HostConfig(addresses=(IPv6Interface(tunnel),), delegated=(IPv6Network("2001:db8:5::/64"),))
        [link] = lan.shared(DEVICE, config, AROUND, carries=True, now=0.0).lan
        assert link.address == IPv6Interface(expected)


def test_a_prefix_that_goes_is_deprecated_however_long_it_was_there(lan: Lan) -> None:
    shared(lan, OLD, now=0.0)
    assert DEPRECATED in shared(lan, NEW, now=LONG)


def test_a_lan_of_a_tunnel_that_is_gone_is_told_so_however_long_it_was_there(lan: Lan) -> None:
    shared(lan, OLD, now=0.0)
    assert DEPRECATED in told(lan.withdrawn(DEVICE, AROUND, now=LONG))


def test_it_is_deprecated_for_two_hours_from_then_on(lan: Lan) -> None:
    shared(lan, OLD, now=0.0)
    shared(lan, NEW, now=LONG)
    assert DEPRECATED in shared(lan, NEW, now=LONG + VALID_LIFETIME - 1)
    assert DEPRECATED not in shared(lan, NEW, now=LONG + VALID_LIFETIME)


def test_a_prefix_that_returns_is_advertised_again(lan: Lan) -> None:
    shared(lan, OLD, now=0.0)
    lan.withdrawn(DEVICE, AROUND, now=LONG)
    assert DEPRECATED not in shared(lan, OLD, now=LONG + 1)


def test_a_prefix_of_this_hosts_own_is_not_bound_to_the_lease_of_the_tunnels() -> None:
    outer = IPv4Address("203.0.113.1")
    settings = LanSettings(interfaces=("lan0", "lan1"), share=LanShare.NAT66)
    lan = Lan(settings, IPv6Network("fd00:1:2::/48"), Path("/run/radvd.conf"))
    around = Surroundings({"lan0": 1500, "lan1": 1500}, Network(), {outer: 600.0})
    config = HostConfig(delegated=(IPv6Network("2001:db8:5::/64"),), delegated_with=outer)
    leased, own = told(lan.shared(DEVICE, config, around, carries=True, now=0.0)).split("interface ")[1:]
    assert "AdvValidLifetime 600;" in leased
    assert "AdvValidLifetime 7200;" in own
