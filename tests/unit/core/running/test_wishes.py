"""What the Tunnel wishes, narrowed by the profile."""

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Network
from tunnelmgr.core.profiles.profile import DefaultRouteWish, FirewallSettings, NetworkSettings, Profile
from tunnelmgr.core.running.wishes import bare_device, wants_default_route, wished_device
from tunnelmgr.host.desired import Destination, Forwarding, Inbound

ADDRESS = IPv6Interface("2001:db8:1::2/64")
DELEGATED = IPv6Network("2001:db8:8::/56")
CONFIG = HostConfig(addresses=(ADDRESS,), routes=(IPv6Network("2001::/32"),), default_route=True, mtu=1400)
PROFILE = Profile(name="home", file=Path("home.yaml"), methods=(), device="tm-home")


def with_network(**settings: object) -> Profile:
    return replace(PROFILE, network=NetworkSettings.model_validate(settings))


@pytest.mark.parametrize(
    ("wish", "native", "expected"),
    [
        (DefaultRouteWish.IF_NO_NATIVE, True, False),
        (DefaultRouteWish.IF_NO_NATIVE, False, True),
        (DefaultRouteWish.IF_NO_NATIVE, None, True),
        (DefaultRouteWish.ALWAYS, True, True),
        (DefaultRouteWish.NEVER, False, False),
    ],
)
def test_the_default_route_follows_the_profile_and_native_ipv6(
    wish: DefaultRouteWish, native: bool | None, expected: bool
) -> None:
    profile = with_network(default_route=wish)
    assert wants_default_route(profile, CONFIG, Network(native_ipv6=native)) is expected


def test_a_tunnel_that_offers_no_default_route_gets_none_even_if_always_is_written() -> None:
    profile = with_network(default_route=DefaultRouteWish.ALWAYS)
    assert not wants_default_route(profile, replace(CONFIG, default_route=False), Network())


def test_the_routes_have_the_metric_of_the_profile() -> None:
    device = wished_device(with_network(metric=77), CONFIG, default_route=True)
    assert device.destinations == (Destination(IPv6Network("2001::/32"), 77), Destination(IPv6Network("::/0"), 77))
    assert wished_device(PROFILE, CONFIG, default_route=False).destinations == (Destination(IPv6Network("2001::/32"), 1029),)


@pytest.mark.parametrize("offers_default_route", [True, False])
def test_own_addresses_and_delegated_prefixes_answer_through_the_tunnel(offers_default_route: bool) -> None:
    config = replace(CONFIG, delegated=(DELEGATED,), default_route=offers_default_route)
    assert wished_device(PROFILE, config, default_route=False).sources == (IPv6Network(ADDRESS.ip), DELEGATED)


@pytest.mark.parametrize(("written", "expected"), [("auto", 1400), (1300, 1300), (9000, 1400)])
def test_the_profile_may_make_the_mtu_smaller_never_larger(written: object, expected: int) -> None:
    assert wished_device(with_network(mtu=written), CONFIG, default_route=False).mtu == expected


@pytest.mark.requirement("T-SE-004")
def test_a_tunnel_that_is_not_up_has_a_firewall_and_nothing_else() -> None:
    device = bare_device(PROFILE)
    assert (device.inbound, device.addresses, device.destinations, device.sources) == (Inbound.ESTABLISHED, (), (), ())


def test_an_open_profile_and_a_relay_say_so() -> None:
    profile = replace(PROFILE, firewall=FirewallSettings(inbound=Inbound.OPEN))
    device = wished_device(profile, replace(CONFIG, forwarding=True), default_route=False)
    assert (device.inbound, device.forwarding) == (Inbound.OPEN, Forwarding.OPEN)


def test_what_is_to_be_translated_is_told_to_the_host() -> None:
    prefix = IPv6Network("2001::/32")
    assert wished_device(PROFILE, replace(CONFIG, translate=(prefix,)), default_route=False).translate == (prefix,)


def test_a_link_local_address_needs_no_rule_for_its_answers() -> None:
    config = HostConfig(addresses=(IPv6Interface("2001:db8::2/64"), IPv6Interface("fe80::c000:201/64")))
    device = wished_device(PROFILE, config, default_route=False)
    assert device.addresses == config.addresses
    assert device.sources == (IPv6Network("2001:db8::2"),)


def test_a_tunnel_is_open_to_what_has_its_address_as_soon_as_packets_flow() -> None:
    assert wished_device(PROFILE, CONFIG, default_route=False, carries=False).passes
    assert not wished_device(PROFILE, CONFIG, default_route=False, carries=False, passes=False).passes


def test_resolvers_are_used_when_the_profile_asks_and_packets_flow() -> None:
    config = replace(CONFIG, dns=(IPv6Address("2001:db8::53"),))
    asks = with_network(dns=True)
    assert wished_device(asks, config, default_route=False, carries=True).resolvers == config.dns
    assert wished_device(asks, config, default_route=False, carries=False).resolvers == ()
    assert wished_device(PROFILE, config, default_route=False, carries=True).resolvers == ()
