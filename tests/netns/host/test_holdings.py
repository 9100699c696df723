"""What of IPv6 this host has already, asked of a real kernel: no far end may have it too."""

from ipaddress import IPv6Network
from pathlib import Path

import pytest

from tests.netns.host.machine import add_link, sh
from tunnelmgr.host.linux.host import LinuxHost


def held(*claimed: str) -> str | None:
    found = LinuxHost().holder_of(map(IPv6Network, claimed))
    return found and found[1]


@pytest.fixture(autouse=True)
def wan(machine: str) -> None:
    add_link("wan")
    sh("ip -6 address add 2001:db8:1::5/64 dev wan nodad")
    sh("ip -6 route add default via fe80::9 dev wan")
    sh("ip -6 route add 2001:db8:77::/48 via fe80::9 dev wan")
    sh("ip -6 route add unreachable 2001:db8:88::/48")


@pytest.mark.parametrize("claimed", ["2001:db8:1::5/128", "2001:db8:1::9/128", "2001:db8:1::/48", "2001:db8::/32"])
def test_an_address_or_its_link_is_this_hosts_own(claimed: str) -> None:
    assert held(claimed) == "2001:db8:1::5/64 of wan"


def test_what_is_routed_elsewhere_is_somebodys() -> None:
    assert held("2001:db8:77:5::/64") == "the route to 2001:db8:77::/48 by wan"
    assert held("2001:db8:77::/48") == "the route to 2001:db8:77::/48 by wan"
    assert held("2001:db8:88:5::/64") == "a route that refuses packets to 2001:db8:88:5::"


def test_a_part_of_the_claim_that_is_routed_elsewhere_is_somebodys_too() -> None:
    sh("ip -6 route add 2001:db8:99:5::/64 via fe80::9 dev wan")
    assert held("2001:db8:99::/48") == "the route to 2001:db8:99:5::/64 by wan"
    assert held("2001:db8:99:4::/64", "2001:db8:98::/48") is None


def test_a_full_table_is_looked_through(tmp_path: Path) -> None:
    lines = [f"route add 2600:{number:x}::/32 via fe80::9 dev wan\n" for number in range(30_000)]
    (tmp_path / "routes").write_text("".join(lines))
    sh(f"ip -6 -batch {tmp_path / 'routes'}")
    assert held("2001:db8:99::/48") is None
    assert held("2600:7000::/20") == "the route to 2600:7000::/32 by wan"


def test_what_only_a_default_route_leads_to_is_free() -> None:
    assert held("2001:db8:99::/48", "2600::1/128") is None


def test_a_host_that_refuses_everything_holds_nothing_by_that() -> None:
    sh("ip -6 route replace unreachable default metric 1")
    assert held("2001:db8:99::/48") is None


def test_the_first_claim_that_is_held_is_named() -> None:
    found = LinuxHost().holder_of(map(IPv6Network, ("2001:db8:99::/48", "2001:db8:77::/48", "2001:db8:1::/64")))
    assert found is not None
    assert str(found[0]) == "2001:db8:77::/48"
