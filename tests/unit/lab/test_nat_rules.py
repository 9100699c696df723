"""The rules of each NAT as text; tests/netns measures what they do."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.report import Filtering, Mapping
from tunnelmgr.lab.namespaces.nat_rules import flow_settings, nat_rules
from tunnelmgr.lab.vocabulary import Nat, NatKind, PortChoice

WAN = IPv4Address("203.0.113.1")
LAN = IPv4Network("192.168.1.0/24")


def test_port_restricted() -> None:
    assert (
        nat_rules(Nat(), WAN, LAN)
        == """\
flush ruleset
table ip nat {
	chain postrouting {
		type nat hook postrouting priority srcnat
		oifname "wan" snat to 203.0.113.1
	}
}
table ip filter {
	chain input {
		type filter hook input priority filter
		iifname "wan" meta l4proto { udp, 41 } ct state new drop
	}
	chain forward {
		type filter hook forward priority filter
		iifname "lan" accept
		ct state established,related accept
		ct status dnat accept
		drop
	}
}
"""
    )


def test_full_cone_with_hairpinning() -> None:
    assert (
        nat_rules(Nat(filtering=Filtering.ENDPOINT_INDEPENDENT, hairpinning=True, mapping_timeout=30.0), WAN, LAN)
        == """\
flush ruleset
table ip nat {
	map inside {
		type inet_service : ipv4_addr
		flags dynamic,timeout
		timeout 30s
	}
	chain learn {
		type filter hook forward priority filter + 10
		iifname "lan" oifname "wan" meta l4proto udp update @inside { udp sport : ip saddr }
		iifname "wan" meta l4proto udp update @inside { udp dport : ip daddr }
	}
	chain prerouting {
		type nat hook prerouting priority dstnat
		ip daddr 203.0.113.1 meta l4proto udp dnat to udp dport map @inside
	}
	chain postrouting {
		type nat hook postrouting priority srcnat
		oifname "lan" ct status dnat ip saddr 192.168.1.0/24 snat to 203.0.113.1
		oifname "wan" snat to 203.0.113.1
	}
}
table ip filter {
	chain input {
		type filter hook input priority filter
		iifname "wan" meta l4proto { udp, 41 } ct state new drop
	}
	chain forward {
		type filter hook forward priority filter
		iifname "lan" accept
		ct state established,related accept
		ct status dnat accept
		drop
	}
}
"""
    )


@pytest.mark.parametrize(
    ("nat", "line"),
    [
        (
            NatKind.ADDRESS_RESTRICTED.nat,
            'iifname "wan" ip daddr 203.0.113.1 meta l4proto udp dnat to udp dport . ip saddr map @inside',
        ),
        (NatKind.SYMMETRIC.nat, 'oifname "wan" meta l4proto udp snat to 203.0.113.1 random,fully-random'),
        (
            NatKind.SYMMETRIC_PORT_PRESERVING.nat,
            'oifname "wan" udp sport @used snat to 203.0.113.1 random,fully-random',
        ),
        (NatKind.SYMMETRIC_PORT_PRESERVING.nat, 'oifname "wan" meta l4proto udp update @used { udp sport }'),
        (NatKind.UDP_BLOCKED.nat, "meta l4proto udp drop"),
        (Nat(passes_protocol41=False), "meta l4proto 41 drop"),
    ],
)
def test_rule_that_makes_the_kind(nat: Nat, line: str) -> None:
    assert f"\t\t{line}\n" in nat_rules(nat, WAN, LAN)


def test_sequential_ports_count_up_and_come_round() -> None:
    nat = NatKind.SYMMETRIC_SEQUENTIAL.nat
    assert nat is not None
    rules = nat_rules(nat, WAN, LAN)
    assert "numgen inc mod 1024 map { 0 : 203.0.113.1 . 40000, 1 : 203.0.113.1 . 40001, " in rules
    assert "1023 : 203.0.113.1 . 41023 }" in rules


def test_open_box_accepts_unsolicited_packets() -> None:
    assert "chain input" not in nat_rules(Nat(open_box=True), WAN, LAN)


@pytest.mark.parametrize(
    ("nat", "what"),
    [
        (Nat(mapping=Mapping.ADDRESS, filtering=Filtering.ADDRESS), "address-dependent mapping"),
        (Nat(mapping=Mapping.ADDRESS_AND_PORT, filtering=Filtering.ADDRESS), "address-dependent filtering"),
        (Nat(port_choice=PortChoice.RANDOM), "random ports"),
        (Nat(hairpinning=True), "hairpinning"),
        (Nat(maps_ports=True), "mappings on request"),
    ],
)
def test_what_nftables_cannot_make_is_refused(nat: Nat, what: str) -> None:
    with pytest.raises(TunnelError, match=what):
        nat_rules(nat, WAN, LAN)


def test_flows_live_whole_seconds_and_at_least_one() -> None:
    assert "nf_conntrack_udp_timeout=1 " in flow_settings(Nat(mapping_timeout=0.2))
    assert flow_settings(Nat(mapping_timeout=30.0)).endswith("nf_conntrack_udp_timeout_stream=30")
