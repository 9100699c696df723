"""What counts as IPv6 without a tunnel, and as the way to the IPv4 internet: asked of a real kernel."""

import subprocess
from ipaddress import IPv6Address, IPv6Interface, IPv6Network

import pytest

from tests.netns.host.machine import add_link, sh
from tunnelmgr.api.network import DefaultRoute
from tunnelmgr.host.linux.host import LinuxHost

OUR_LAN = IPv6Network("2001:db8:1:8000::/64")


def native() -> tuple[bool | None, IPv6Address | None, str | None]:
    network = LinuxHost().surroundings().network
    return network.native_ipv6, network.native_source, network.native_interface


def give(interface: str, address: str) -> None:
    sh(f"ip -6 address add {address} dev {interface} nodad")


def route(*words: str) -> None:
    sh(f"ip -6 route add default via fe80::9 dev wan {' '.join(words)}")


@pytest.fixture(autouse=True)
def wan(machine: str) -> None:
    add_link("wan")


def test_a_global_address_and_a_default_route_are_native_ipv6() -> None:
    give("wan", "2001:db8:aaaa::2/64")
    assert native() == (False, None, None), "no route yet"
    route()
    assert native() == (True, IPv6Address("2001:db8:aaaa::2"), "wan")


def test_a_router_with_its_address_on_another_interface_has_native_ipv6() -> None:
    add_link("inside")
    give("inside", "2001:db8:aaaa::2/64")
    route()
    assert native() == (True, IPv6Address("2001:db8:aaaa::2"), "wan")


@pytest.mark.parametrize("address", ["fd00::2/64", "fe80::2/64"])
def test_an_address_that_nobody_outside_can_answer_is_none(address: str) -> None:
    give("wan", address)
    route()
    assert native() == (False, None, None)


def test_a_default_route_in_a_table_that_no_rule_uses_is_none() -> None:
    give("wan", "2001:db8:aaaa::2/64")
    route("table", "77")
    assert native() == (False, None, None)
    sh("ip -6 rule add from all lookup 77")
    assert native()[0] is True


def test_a_dead_link_is_none() -> None:
    give("wan", "2001:db8:aaaa::2/64")
    route()
    sh("ip link set wan-far down")
    assert native() == (False, None, None), "the kernel keeps the route of a cable that is pulled out"


def test_a_refused_default_route_is_none() -> None:
    give("wan", "2001:db8:aaaa::2/64")
    sh("ip -6 route add unreachable default")
    assert native() == (False, None, None)


def test_under_a_tunnel_of_ours_native_ipv6_is_still_seen() -> None:
    give("wan", "2001:db8:aaaa::2/64")
    route("metric", "1024")
    add_link("tm-home")
    give("tm-home", "2001:0:c000:201::2/128")
    sh("ip -6 route add default dev tm-home metric 100")
    assert native() == (True, IPv6Address("2001:db8:aaaa::2"), "wan")


@pytest.mark.parametrize("metric", ["100", "2000"])
def test_a_tunnel_of_ours_is_none_with_or_without_a_promise_beside_it(metric: str) -> None:
    give("wan", "fe80::2/64")
    route("metric", "1024")
    add_link("tm-home")
    add_link("tm-work")
    give("tm-home", "2001:0:c000:201::2/128")
    sh(f"ip -6 route add default dev tm-home metric {metric}")
    sh("ip -6 route add default dev tm-work metric 50")
    assert native() == (False, None, None), "the kernel would take the tunnel's address for a packet that leaves by wan"


def test_our_own_router_advertisement_on_a_second_interface_is_none() -> None:
    add_link("lan")
    give("lan", "fe80::9/64")
    lan_host = IPv6Interface(f"{OUR_LAN[7]}/64")
    give("wan", str(lan_host))
    route()
    assert native() == (False, None, None), "the gateway fe80::9 is this host itself"


def test_a_gateway_of_another_family_is_a_way_without_an_ipv4_gateway() -> None:
    sh("ip address add 192.0.2.7/32 dev wan")
    sh("ip nexthop add id 5 via fe80::9 dev wan")
    sh("ip route add default nhid 5")
    network = LinuxHost().surroundings().network
    assert (network.default_route, str(network.source)) == (DefaultRoute("wan", None), "192.0.2.7")


def test_a_vpn_that_halves_the_internet_is_the_way_to_it() -> None:
    sh("ip address add 192.0.2.7/24 dev wan")
    sh("ip route add default via 192.0.2.1 dev wan")
    add_link("vpn")
    sh("ip address add 10.8.0.2/24 dev vpn")
    sh("ip route add 0.0.0.0/1 dev vpn")
    sh("ip route add 128.0.0.0/1 dev vpn")
    assert LinuxHost().surroundings().network.default_route == DefaultRoute("vpn", None)


def test_an_interface_may_have_any_name_the_kernel_takes() -> None:
    for number, name in enumerate([b"caf\xe9", "a\u0085b".encode(), b"x\x1cy", b'q"uote']):
        done = subprocess.run(
            [b"ip", b"link", b"add", name, b"type", b"veth", b"peer", b"name", b"far%d" % number], check=False
        )
        assert done.returncode == 0
        subprocess.run([b"ip", b"address", b"add", b"192.0.2.%d/24" % number, b"dev", name], check=True)
    network = LinuxHost().surroundings().network
    assert len(network.addresses) == 4


def test_routes_by_the_hundred_thousand_cost_nothing() -> None:
    """Counted in messages: the kernel is asked for the way, and not for its list."""
    give("wan", "2001:db8:aaaa::2/64")
    route()
    batch = "".join(f"route add 2001:db8:{number // 65536:x}:{number % 65536:x}::/64 dev wan\n" for number in range(20_000))
    subprocess.run(["ip", "-6", "-batch", "-"], input=batch, text=True, check=True)
    assert native()[0] is True
