"""Reading what `ip` says about a host."""

import json

from tunnelmgr.lab.readymade.state import addresses_in

SAID = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}, {"local": "192.0.2.254", "prefixlen": 32}]},
    {"ifname": "eth0", "addr_info": [{"local": "192.168.1.2", "prefixlen": 24}, {"local": "fe80::1", "prefixlen": 64}]},
    {"ifname": "tm-home", "addr_info": [{"local": "2001:0:c000:201::1", "prefixlen": 128}, {}]},
    {},
]


def test_addresses_of_loopback_and_of_links_are_left_out() -> None:
    assert addresses_in(json.dumps(SAID)) == ("192.0.2.254", "192.168.1.2", "2001:0:c000:201::1")


def test_a_host_without_interfaces_has_no_addresses() -> None:
    assert addresses_in("[]") == ()
