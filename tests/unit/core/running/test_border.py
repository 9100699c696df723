"""What a far end may want of this host, and what not."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network

import pytest

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.core.running.border import WISHES_MAX, Border
from tunnelmgr.host.fake import FakeHost
from tunnelmgr.host.items import Address

HELD = IPv6Interface("2001:db8:7::5/64")
FAIR = HostConfig(
    addresses=(IPv6Interface("2001:db8:1::2/128"),),
    routes=(IPv6Network("2001:db8:1::1/128"),),
    default_route=True,
    delegated=(IPv6Network("2001:db8:8::/48"),),
    dns=(IPv6Address("2001:db8:1::53"), IPv4Address("192.0.2.53")),
    far_end="broker tsp.example.net",
)


def network(text: str) -> tuple[IPv6Network]:
    return (IPv6Network(text),)


def address(text: str) -> tuple[IPv6Interface]:
    return (IPv6Interface(text),)


@pytest.fixture
def border() -> Border:
    return Border(FakeHost(items=[Address("eth0", HELD)]))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"addresses": address("fd00:1:2:3::2/64"), "routes": ()},
        {"delegated": network("2002:c000:204::/48")},
        {"delegated": network("2600::/24")},
        {"delegated": network("2001:db9:8::/48"), "routes": network("2001:db9::/32")},
    ],
)
def test_what_tunnels_are_made_of_passes(border: Border, changes: dict[str, object]) -> None:
    border.check(Up(replace(FAIR, **changes)))  # type: ignore[arg-type]  # the fields are named by the parameters


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"delegated": network("2000::/8")}, "2000::/8"),
        ({"delegated": network("::/0")}, "::/0"),
        ({"delegated": network("2002::/16")}, "2002::/16"),
        ({"delegated": network("2001::/32")}, "2001::/32"),
        ({"delegated": network("fd00::/8")}, "fd00::/8"),
        ({"delegated": network("fe80::/64")}, "fe80::/64"),
        ({"delegated": network("ff00::/64")}, "ff00::/64"),
        ({"delegated": network("2001:db8:7::/48")}, "this host has 2001:db8:7::5/64 of eth0"),
        ({"delegated": network("2001:db8:7::/64")}, "this host has 2001:db8:7::5/64 of eth0"),
        ({"addresses": address("2001:db8:7::5/128"), "routes": ()}, "this host has 2001:db8:7::5/64 of eth0"),
        ({"addresses": address("2001:db8:7::9/128"), "routes": ()}, "this host has 2001:db8:7::5/64 of eth0"),
        ({"addresses": address("2001:db8:1::2/32")}, "the address 2001:db8:1::2/32"),
        ({"addresses": address("::1/128"), "routes": ()}, "the address ::1/128"),
        ({"addresses": address("ff02::1/128"), "routes": ()}, "the address ff02::1/128"),
        ({"addresses": address("fe80::1%\n/128"), "routes": ()}, "scope id"),
        ({"routes": network("2001:4860:4860::8888/128")}, "a route to 2001:4860:4860::8888"),
        ({"routes": network("2000::/3")}, "the prefix 2000::/3"),
        ({"dns": (IPv6Address("fe80::1%lo; reboot"),)}, "scope id"),
        ({"dns": (IPv6Address("::1"),)}, "::1 as a resolver"),
        ({"dns": (IPv4Address("127.0.0.1"),)}, "127.0.0.1 as a resolver"),
        ({"dns": (IPv4Address("169.254.169.254"),)}, "169.254.169.254 as a resolver"),
        ({"dns": (IPv6Address("2001:db8::1"),) * (WISHES_MAX + 1)}, "16 are enough"),
        ({"mtu": 68}, "an MTU of 68"),
    ],
)
def test_what_no_far_end_may_want_is_refused_with_its_name_the_value_and_a_next_step(
    border: Border, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(TunnelError) as refused:
        border.check(Up(replace(FAIR, **changes)))  # type: ignore[arg-type]  # the fields are named by the parameters
    assert complaint in refused.value.message
    assert refused.value.message.startswith("broker tsp.example.net asks for ")
    assert refused.value.hint
    assert refused.value.exit_code is ExitCode.PROTOCOL


def test_what_the_profile_says_itself_may_be_this_host_s_own(border: Border) -> None:
    border.check(Up(replace(FAIR, delegated=network("2001:db8:7::/48"), routes=network("2000::/3"), far_end="")))


def test_a_scope_id_passes_for_nobody(border: Border) -> None:
    with pytest.raises(TunnelError, match="scope id"):
        border.check(Up(replace(FAIR, addresses=address("fe80::1%eth0/64"), far_end="")))


@pytest.mark.parametrize("host", ["2001:db8:1::2", "::1", "fe80::1", "ff02::1"])
def test_this_host_and_nobody_prove_nothing(border: Border, host: str) -> None:
    border.check(Up(FAIR, probe=(IPv6Address("2001:db8:1::1"), IPv6Address("2001:db8:6::1"))))
    with pytest.raises(TunnelError, match=f"a ping to {host} as a proof"):
        border.check(Up(replace(FAIR, far_end=""), probe=(IPv6Address(host),)))


def test_what_was_passed_before_is_here_because_of_that() -> None:
    host = FakeHost()
    border = Border(host)
    border.check(Up(FAIR))
    for device, text in (("tm-home", "2001:db8:1::2/128"), ("br-lan", "2001:db8:8::1/64")):
        item = Address(device, IPv6Interface(text))
        host.items[item.key] = item
    border.check(Up(FAIR))
