"""The facts of a machine."""

from ipaddress import IPv4Address

import pytest

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.network import DefaultRoute, Network
from tunnelmgr.host.surroundings import Surroundings


def test_a_kernel_without_ipv6_is_named() -> None:
    Surroundings({}, Network()).require_ipv6()
    with pytest.raises(TunnelError, match=r"this kernel runs without IPv6; start it without ipv6\.disable=1"):
        Surroundings({}, Network(kernel_has_ipv6=False)).require_ipv6()


def test_an_uplink_leads_to_the_internet_by_ipv4_or_by_ipv6() -> None:
    network = Network(default_route=DefaultRoute("wan4", IPv4Address("192.0.2.1")), native_interface="wan6")
    assert Surroundings({}, network).uplinks == {"wan4", "wan6"}
