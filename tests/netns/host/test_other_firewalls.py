"""What the rules of other firewalls do to a tunnel's packets, with the rulesets that their programs make, and real nft."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from tunnelmgr.host.linux.other_firewalls import OtherFirewalls
from tunnelmgr.host.passage import Passage
from tunnelmgr.lab.namespaces import Host, NamespaceInternet

INTO = {"oifname": "tm-home", "l4proto": "tcp", "dport": "443", "state": "new"}
OUT_OF = {"iifname": "tm-home", "l4proto": "tcp", "state": "established"}
SENT = Passage("what this host sends", "output", INTO)
ANSWERED = Passage("answers", "input", OUT_OF)
LAN = Passage("what the LAN sends", "forward", {"iifname": "lan0", **INTO})
SERVER = Passage("what clients send", "input", {"iifname": "eth0", "l4proto": "udp", "dport": "3544", "state": "new"}, "ip")
ALL = (SENT, ANSWERED, LAN, SERVER)

DOCKER = """
table ip6 filter {
  chain DOCKER-USER { return; }
  chain DOCKER-FORWARD {
    oifname "docker0" ct state related,established counter accept
    iifname "docker0" counter accept
  }
  chain FORWARD {
    type filter hook forward priority filter; policy drop;
    counter jump DOCKER-USER
    counter jump DOCKER-FORWARD
  }
}
"""
UFW = """
table ip6 filter {
  chain ufw6-before-forward {
    ct state related,established counter accept
    meta l4proto ipv6-icmp icmpv6 type echo-request counter accept
  }
  chain ufw6-user-forward { }
  chain ufw6-skip-to-policy-input { counter drop; }
  chain ufw6-before-input {
    iifname "lo" counter accept
    ct state related,established counter accept
    meta l4proto udp udp sport 547 udp dport 546 counter accept
  }
  chain INPUT {
    type filter hook input priority filter; policy drop;
    counter jump ufw6-before-input
    meta l4proto tcp tcp dport 22 counter accept
    goto ufw6-skip-to-policy-input
  }
  chain FORWARD {
    type filter hook forward priority filter; policy drop;
    counter jump ufw6-before-forward
    counter jump ufw6-user-forward
  }
}
table ip filter {
  chain INPUT {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    tcp dport { 22, 80 } accept
    udp dport 53 accept
  }
}
"""
FIREWALLD = """
table inet firewalld {
  chain filter_INPUT {
    type filter hook input priority filter + 10; policy accept;
    ct state { established, related } accept
    iifname "lo" accept
    ct state invalid drop
    jump filter_INPUT_ZONES
    reject with icmpx admin-prohibited
  }
  chain filter_FORWARD {
    type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    ip6 daddr ::/96 reject with icmpv6 addr-unreachable
    jump filter_FORWARD_ZONES
    reject with icmpx admin-prohibited
  }
  chain filter_INPUT_ZONES { iifname "eth0" goto filter_IN_public; goto filter_IN_public; }
  chain filter_FORWARD_ZONES { }
  chain filter_IN_public { jump filter_IN_public_allow; meta l4proto { icmp, ipv6-icmp } accept; }
  chain filter_IN_public_allow { tcp dport 22 accept; }
}
"""
WORKSTATION = """
table inet filter {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iif "lo" accept
    udp dport 3544 accept
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    iifname "lan*" oifname "tm-*" accept
    ct state established accept
  }
  chain output { type filter hook output priority 0; policy accept; }
}
"""
NOTHING_LEAVES = """
table inet lockdown {
  chain output { type filter hook output priority 0; policy accept; oifname != { "lo", "eth0" } drop; }
}
"""
NOT_CERTAIN = """
table inet filter {
  set friends { type ipv6_addr; }
  chain forward { type filter hook forward priority 0; policy drop; ip6 saddr @friends accept; }
  chain input { type filter hook input priority 0; policy drop; meta mark 7 accept; limit rate 5/second accept; }
}
"""
ONLY_STATES = """
table ip6 filter {
  chain input { type filter hook input priority 0; policy accept; ct state != { established, related } drop; }
  chain forward { type filter hook forward priority 0; ct state established accept; drop; }
}
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Host]:
    with NamespaceInternet(f"t{os.getpid()}n0") as internet:  # the fixture `lab_name` counts from 1
        yield internet.host("home", "203.0.113.66")


@pytest.mark.parametrize(
    ("ruleset", "expected"),
    [
        pytest.param("", [], id="none"),
        pytest.param(DOCKER, [(LAN, "ip6", "filter", "FORWARD")], id="docker"),
        pytest.param(UFW, [(LAN, "ip6", "filter", "FORWARD"), (SERVER, "ip", "filter", "INPUT")], id="ufw"),
        pytest.param(
            FIREWALLD,
            [(LAN, "inet", "firewalld", "filter_FORWARD"), (SERVER, "inet", "firewalld", "filter_INPUT")],
            id="firewalld",
        ),
        pytest.param(WORKSTATION, [], id="a workstation that lets us pass"),
        pytest.param(NOTHING_LEAVES, [(SENT, "inet", "lockdown", "output")], id="a list of interfaces"),
        pytest.param(NOT_CERTAIN, [], id="what depends on more than we know"),
        pytest.param(ONLY_STATES, [(LAN, "ip6", "filter", "forward")], id="states only"),
    ],
)
def test_what_another_firewall_drops_for_certain(
    home: Host, ruleset: str, expected: list[tuple[Passage, str, str, str]]
) -> None:
    home.run(["nft", "-f", "-"], stdin=f"flush ruleset\n{ruleset}")
    firewalls = OtherFirewalls()
    with home.enter():
        assert list(asyncio.run(firewalls.cuts(ALL))) == expected
        assert not firewalls.are_new()
    home.run(["nft", "add", "table", "ip6", "another"])
    with home.enter():
        assert firewalls.are_new()


@pytest.mark.parametrize("ruleset", [DOCKER, UFW, FIREWALLD, ONLY_STATES], ids=["docker", "ufw", "firewalld", "states only"])
def test_the_rule_that_the_hint_names_lets_it_pass(home: Host, ruleset: str) -> None:
    home.run(["nft", "-f", "-"], stdin=f"flush ruleset\n{ruleset}")
    with home.enter():
        found = asyncio.run(OtherFirewalls().cuts((LAN, SERVER)))
    assert found
    for cut in found:
        home.run(["sh", "-c", cut.hint.partition("let it pass: ")[2].partition(", or")[0].replace('"', '\\"')])
    with home.enter():
        assert asyncio.run(OtherFirewalls().cuts((LAN, SERVER))) == ()


@pytest.mark.parametrize(
    ("rules", "is_cut"),
    [
        ("policy drop; ct state established,related accept; tcp dport 22 accept", True),
        ("policy drop; ct state established accept; meta l4proto ipv6-icmp accept", False),
        ("policy drop; ct state established accept; icmpv6 type echo-request accept", False),
        ("policy drop; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept", False),  # may be: it is not certain
        ("policy accept; meta l4proto ipv6-icmp drop", True),
    ],
)
def test_pings_to_a_far_end_are_followed_too(home: Host, rules: str, is_cut: bool) -> None:
    pinged = Passage("pings", "input", {"iifname": "tm-home", "l4proto": "ipv6-icmp", "state": "new"})
    chain = f"chain input {{ type filter hook input priority 0; {rules}; }}"
    home.run(["nft", "-f", "-"], stdin=f"flush ruleset\ntable inet filter {{ {chain}; }}")
    with home.enter():
        assert bool(asyncio.run(OtherFirewalls().cuts((pinged,)))) is is_cut
