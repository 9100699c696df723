"""The facts of a machine."""

from ipaddress import IPv4Address

import pytest

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.network import DefaultRoute, Network
from tunnelmgr.host.surroundings import Surroundings


def test_a_missing_nft_names_the_package_and_the_way_without() -> None:
    Surroundings({}, Network()).require_nft()
    with pytest.raises(TunnelError, match=r"nft is missing.*install the package nftables, or write .*inbound: open"):
        Surroundings({}, Network(), has_nft=False).require_nft()


def test_an_uplink_leads_to_the_internet_by_ipv4_or_by_ipv6() -> None:
    network = Network(default_route=DefaultRoute("wan4", IPv4Address("192.0.2.1")), native_interface="wan6")
    assert Surroundings({}, network).uplinks == {"wan4", "wan6"}
