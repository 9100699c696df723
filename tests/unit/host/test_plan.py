"""From what is to what shall be, as text."""

import re
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Interface, IPv6Network

import pytest

from tunnelmgr.api.hostconfig import ProxiedNeighbour
from tunnelmgr.host.desired import (
    UNKNOWN_ADDRESS,
    UNKNOWN_SOURCE,
    Desired,
    Destination,
    Forwarding,
    Inbound,
    LanLink,
)
from tunnelmgr.host.firewall import inbound_rules
from tunnelmgr.host.items import Address, Advertisement, Item, LinkUp, Mtu, Purpose, Route, Rule, Sysctl, Table, Unreachable
from tunnelmgr.host.plan import Step, dry_run, lan_items, net, plan, taken_back
from tunnelmgr.host.resolvers import ResolverHelper

ADDRESS = IPv6Interface("2001:db8::2/64")
OTHER = IPv6Interface("2001:db8:1::2/64")
DEFAULT = IPv6Network("::/0")
HOME = Desired(
    "tm-home",
    addresses=(ADDRESS,),
    destinations=(Destination(DEFAULT, 1029),),
    sources=(IPv6Network(ADDRESS.ip),),
)

FIREWALL = """\
nft add table ip6 tunnelmgr_home
nft delete table ip6 tunnelmgr_home
nft add table ip6 tunnelmgr_home
nft add chain ip6 tunnelmgr_home input { type filter hook input priority filter; policy accept; }
nft add rule ip6 tunnelmgr_home input iifname != "tm-home" accept
nft add rule ip6 tunnelmgr_home input ct state established,related accept
nft add rule ip6 tunnelmgr_home input icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, \
parameter-problem, echo-request } accept
nft add rule ip6 tunnelmgr_home input counter drop
nft add chain ip6 tunnelmgr_home forward { type filter hook forward priority filter; policy accept; }
nft add rule ip6 tunnelmgr_home forward iifname != "tm-home" accept
nft add rule ip6 tunnelmgr_home forward ct state established,related accept
nft add rule ip6 tunnelmgr_home forward icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, \
parameter-problem, echo-request } accept
nft add rule ip6 tunnelmgr_home forward counter drop
"""
DEVICE = """\
sysctl -w net/ipv6/conf/tm-home/disable_ipv6=0
sysctl -w net/ipv6/conf/tm-home/accept_ra=0
sysctl -w net/ipv6/conf/tm-home/autoconf=0
sysctl -w net/ipv6/conf/tm-home/addr_gen_mode=1
ip link set dev tm-home mtu 1280
ip link set dev tm-home up
"""
ADDRESS_AND_ROUTES = """\
ip -6 address add 2001:db8::2/64 dev tm-home nodad
ip -6 route append default dev tm-home proto 116 metric 1024 table 1953330794
ip -6 rule add from 2001:db8::2/128 lookup main suppress_prefixlength 0 priority 7200 protocol 116
ip -6 rule add from 2001:db8::2/128 lookup 1953330794 priority 7201 protocol 116
ip -6 route append default dev tm-home proto 116 metric 1029
"""


def text(steps: list[Step]) -> str:
    """What is done, without the marks of rules."""
    return "".join(re.sub(' comment "tunnelmgr [^"]+"$', "", line) + "\n" for step in steps for line in step.lines())


def after(steps: list[Step], actual: frozenset[Item] = frozenset()) -> frozenset[Item]:
    """Return what is there when the steps have been taken."""
    return (actual | {step.after for step in steps if step.after}) - {step.before for step in steps if step.before}


CLOSED = Table.of("tm-home", Purpose.INBOUND, inbound_rules("tm-home", ("input", "forward")))
EXISTING = after(plan(HOME, ()))


def test_a_tunnel_is_made_behind_its_firewall() -> None:
    assert text(plan(HOME, ())) == FIREWALL + DEVICE + ADDRESS_AND_ROUTES


def test_planning_twice_gives_nothing_the_second_time() -> None:
    assert plan(HOME, EXISTING) == []


def test_an_open_tunnel_has_no_firewall() -> None:
    assert text(plan(Desired("tm-home", inbound=Inbound.OPEN), ())) == DEVICE


def test_closing_an_open_tunnel_comes_before_its_new_address() -> None:
    opened = after(plan(Desired("tm-home", inbound=Inbound.OPEN), ()))
    assert text(plan(HOME, opened)) == FIREWALL + ADDRESS_AND_ROUTES


def test_a_relay_keeps_its_own_doors_closed_and_passes_packets_on() -> None:
    steps = plan(Desired("tm-home", forwarding=Forwarding.OPEN), ())
    assert "input counter drop" in text(steps)
    assert "hook forward" not in text(steps)


def test_a_far_end_translates_what_it_passes_on() -> None:
    exit_nat66 = Desired("tm-home", inbound=Inbound.OPEN, translate=(IPv6Network("2001::/32"),))
    translation = """\
nft add table ip6 tunnelmgr_home_exit
nft delete table ip6 tunnelmgr_home_exit
nft add table ip6 tunnelmgr_home_exit
nft add chain ip6 tunnelmgr_home_exit postrouting { type nat hook postrouting priority srcnat; policy accept; }
nft add rule ip6 tunnelmgr_home_exit postrouting ip6 saddr 2001::/32 oifname != "tm-home" masquerade
"""
    steps = plan(exit_nat66, ())
    assert text(steps) == translation + DEVICE
    assert text(taken_back(steps)) == "nft delete table ip6 tunnelmgr_home_exit\n"
    assert text(plan(replace(exit_nat66, translate=()), after(steps))) == "nft delete table ip6 tunnelmgr_home_exit\n"


def test_addresses_behind_the_tunnel_are_answered_for_on_the_uplink() -> None:
    switch = "net/ipv6/conf/eth0/proxy_ndp"
    broker = Desired(
        "tm-broker",
        inbound=Inbound.OPEN,
        forwarding=Forwarding.OPEN,
        proxied=tuple(ProxiedNeighbour("eth0", IPv6Address(f"2001:db8::{number}")) for number in (2, 3)),
    )
    found: frozenset[Item] = frozenset({Sysctl("net/ipv6/conf/all/forwarding", "1"), Sysctl(switch, "0")})
    steps = plan(broker, found)
    assert text(steps).splitlines()[-3:] == [
        "sysctl -w net/ipv6/conf/eth0/proxy_ndp=1",
        "ip -6 neighbour add proxy 2001:db8::2 dev eth0 protocol 116",
        "ip -6 neighbour add proxy 2001:db8::3 dev eth0 protocol 116",
    ]
    fewer = replace(broker, proxied=broker.proxied[1:])
    assert text(plan(fewer, after(steps, found))) == "ip -6 neighbour delete proxy 2001:db8::2 dev eth0\n"
    assert text(taken_back(steps)).splitlines() == [
        "ip -6 neighbour delete proxy 2001:db8::3 dev eth0",
        "ip -6 neighbour delete proxy 2001:db8::2 dev eth0",
        f"sysctl -w {switch}=0",
    ]


RESOLVED = replace(HOME, resolvers=(IPv6Address("2001:db8::53"), IPv6Address("2001:db8::54")))


@pytest.mark.parametrize(
    ("helper", "added", "removed"),
    [
        (
            ResolverHelper.RESOLVECTL,
            "resolvectl dns tm-home 2001:db8::53 2001:db8::54\nresolvectl domain tm-home ~.\n",
            "resolvectl revert tm-home\n",
        ),
        (
            ResolverHelper.RESOLVCONF,
            "printf 'nameserver 2001:db8::53\\nnameserver 2001:db8::54\\n' | resolvconf -a tun.tm-home -m 0 -x\n",
            "resolvconf -d tun.tm-home -f\n",
        ),
    ],
)
def test_resolvers_come_last_and_go_first(helper: ResolverHelper, added: str, removed: str) -> None:
    steps = plan(RESOLVED, (), helper)
    assert text(steps) == text(plan(HOME, ())) + added
    assert plan(RESOLVED, after(steps), helper) == []
    assert text(plan(HOME, after(steps), helper)) == removed
    assert text(taken_back(steps)).startswith(removed)


def test_without_a_helper_resolvers_are_left_out() -> None:
    assert plan(RESOLVED, ()) == plan(HOME, ())


def test_resolvers_another_helper_has_are_taken_from_it() -> None:
    before = after(plan(RESOLVED, (), ResolverHelper.RESOLVCONF))
    assert [step.lines()[0].split()[0] for step in plan(RESOLVED, before, ResolverHelper.RESOLVECTL)] == [
        "resolvconf",
        "resolvectl",
    ]


def test_a_new_address_is_in_before_the_old_one_is_out() -> None:
    desired = Desired("tm-home", addresses=(OTHER,), destinations=HOME.destinations, sources=(IPv6Network(OTHER.ip),))
    assert (
        text(plan(desired, EXISTING))
        == """\
ip -6 address add 2001:db8:1::2/64 dev tm-home nodad
ip -6 rule add from 2001:db8:1::2/128 lookup main suppress_prefixlength 0 priority 7200 protocol 116
ip -6 rule add from 2001:db8:1::2/128 lookup 1953330794 priority 7201 protocol 116
ip -6 rule delete from 2001:db8::2/128 lookup main suppress_prefixlength 0 priority 7200 protocol 116
ip -6 rule delete from 2001:db8::2/128 lookup 1953330794 priority 7201 protocol 116
ip -6 address delete 2001:db8::2/64 dev tm-home
"""
    )


def test_the_default_route_can_be_withdrawn_alone() -> None:
    desired = Desired("tm-home", addresses=HOME.addresses, sources=HOME.sources)
    assert text(plan(desired, EXISTING)) == "ip -6 route delete default dev tm-home proto 116 metric 1029\n"


def test_another_prefix_length_replaces_the_address() -> None:
    desired = Desired("tm-home", inbound=Inbound.OPEN, addresses=(IPv6Interface("2001:db8::2/128"),))
    actual = after(plan(Desired("tm-home", inbound=Inbound.OPEN, addresses=(ADDRESS,)), ()))
    assert (
        text(plan(desired, actual))
        == """\
ip -6 address delete 2001:db8::2/64 dev tm-home
ip -6 address add 2001:db8::2/128 dev tm-home nodad
"""
    )


def test_a_firewall_of_another_version_is_replaced() -> None:
    assert CLOSED in EXISTING
    strange = frozenset(EXISTING - {CLOSED} | {replace(CLOSED, mark="")})
    assert text(plan(HOME, strange)) == FIREWALL


def test_forwarding_does_not_cost_the_host_its_native_ipv6() -> None:
    actual = [
        Sysctl("net/ipv6/conf/all/forwarding", "0"),
        Sysctl("net/ipv6/conf/eth0/accept_ra", "1"),
        Sysctl("net/ipv6/conf/eth1/accept_ra", "0"),
        Sysctl("net/ipv6/conf/tm-home/accept_ra", "1"),
    ]
    steps = plan(Desired("tm-home", inbound=Inbound.OPEN, forwarding=Forwarding.ANSWERS), actual)
    assert (
        text(steps)
        == DEVICE
        + """\
sysctl -w net/ipv6/conf/eth0/accept_ra=2
sysctl -w net/ipv6/conf/all/forwarding=1
"""
    )
    assert (
        text(taken_back(steps))
        == """\
sysctl -w net/ipv6/conf/all/forwarding=0
sysctl -w net/ipv6/conf/eth0/accept_ra=1
"""
    )


def test_a_host_that_forwards_already_is_left_alone() -> None:
    actual = [Sysctl("net/ipv6/conf/all/forwarding", "1"), Sysctl("net/ipv6/conf/eth0/accept_ra", "1")]
    desired = Desired("tm-home", inbound=Inbound.OPEN, forwarding=Forwarding.OPEN)
    assert text(plan(desired, actual)) == DEVICE


def test_while_nothing_gets_through_the_way_into_the_device_is_barred() -> None:
    barred = replace(HOME, destinations=(), passes=False)
    barrier = Unreachable(DEFAULT, 1, 1953330794)
    lines = text(plan(barred, ())).splitlines()
    into_device = "ip -6 route append default dev tm-home proto 116 metric 1024 table 1953330794"
    assert (
        lines[lines.index(into_device) + 1] == "ip -6 route append unreachable default proto 116 metric 1 table 1953330794"
    )
    there = after(plan(barred, ()))
    assert plan(barred, there) == []
    assert text(plan(HOME, there)) == (
        "ip -6 route append default dev tm-home proto 116 metric 1029\n"
        "ip -6 route delete unreachable default proto 116 metric 1 table 1953330794\n"
    )
    assert plan(replace(HOME, passes=False), after(plan(HOME, ()))) == [Step(None, barrier)]
    assert plan(Desired("tm-home", passes=False), after(plan(Desired("tm-home"), ()))) == [], "nothing leads there"


def test_taking_back_removes_the_firewall_last() -> None:
    assert (
        text(taken_back(plan(HOME, ())))
        == """\
ip -6 route delete default dev tm-home proto 116 metric 1029
ip -6 rule delete from 2001:db8::2/128 lookup 1953330794 priority 7201 protocol 116
ip -6 rule delete from 2001:db8::2/128 lookup main suppress_prefixlength 0 priority 7200 protocol 116
ip -6 route delete default dev tm-home proto 116 metric 1024 table 1953330794
ip -6 address delete 2001:db8::2/64 dev tm-home
nft delete table ip6 tunnelmgr_home
"""
    )


def test_taking_back_does_not_bring_back_what_was_stale_before() -> None:
    assert taken_back([Step(replace(CLOSED, mark=""), CLOSED)]) == [Step(CLOSED, None)]


def test_taking_back_does_not_bring_back_what_was_found_and_removed() -> None:
    assert taken_back([Step(Rule(IPv6Network(ADDRESS.ip), 254, 7200, 0), None)]) == []


def test_an_inverse_undoes_its_step() -> None:
    step = Step(None, Address("tm-home", ADDRESS))
    assert step.inverse().lines() == ["ip -6 address delete 2001:db8::2/64 dev tm-home"]
    assert step.inverse().inverse() == step


def test_the_net_of_steps_forgets_what_came_and_went() -> None:
    mtu, address, other = (Mtu("tm-home", 1280), Address("tm-home", ADDRESS), Address("tm-home", OTHER))
    steps = [
        Step(Mtu("tm-home", 1500), mtu),
        Step(None, address),
        Step(None, other),
        Step(address, None),
        Step(mtu, Mtu("tm-home", 1400)),
    ]
    assert net(steps) == [Step(Mtu("tm-home", 1500), Mtu("tm-home", 1400)), Step(None, other)]


def test_routes_of_two_metrics_are_two_routes() -> None:
    actual = EXISTING | {Route("tm-home", DEFAULT, 512)}
    assert text(plan(HOME, actual)) == "ip -6 route delete default dev tm-home proto 116 metric 512\n"


def test_links_and_settings_of_the_device_are_never_planned_away() -> None:
    rule = Rule(IPv6Network(ADDRESS.ip), 254, 7200, 0)
    nothing = Desired("tm-home", inbound=Inbound.OPEN)
    assert plan(nothing, after(plan(nothing, ())) | {LinkUp("tm-home"), rule}) == [Step(rule, None)]


def test_a_dry_run_marks_the_address_that_is_not_known_yet() -> None:
    desired = Desired(
        "tm-home",
        inbound=Inbound.OPEN,
        addresses=(UNKNOWN_ADDRESS,),
        destinations=HOME.destinations,
        sources=(UNKNOWN_SOURCE,),
    )
    lines = dry_run(desired)
    assert lines[0] == "[#] ip tuntap add dev tm-home mode tun"
    assert "[#] ip -6 address add <address> dev tm-home nodad" in lines
    assert "[#] ip -6 rule add from <address> lookup 1953330794 priority 7201 protocol 116" in lines
    assert len(lines) == 12


RADVD = Advertisement("tm-home", "/run/tunnelmgr/home.radvd", "interface br-lan {\n    AdvSendAdvert on;\n};\n")
SHARED = Desired(
    "tm-home",
    mtu=1480,
    inbound=Inbound.OPEN,
    forwarding=Forwarding.ANSWERS,
    delegated=(IPv6Network("2001:db8:5::/48"),),
    lan=(LanLink("br-lan", IPv6Interface("2001:db8:5::1/64"), 1480),),
    advertisement=RADVD,
)
LAN_TABLE = """\
nft add table ip6 tunnelmgr_home_lan
nft delete table ip6 tunnelmgr_home_lan
nft add table ip6 tunnelmgr_home_lan
nft add chain ip6 tunnelmgr_home_lan forward { type filter hook forward priority mangle; policy accept; }
nft add rule ip6 tunnelmgr_home_lan forward iifname "tm-home" tcp flags & (syn | rst) == syn \
tcp option maxseg size set 1420
nft add rule ip6 tunnelmgr_home_lan forward oifname "tm-home" tcp flags & (syn | rst) == syn \
tcp option maxseg size set 1420
"""
BEFORE = frozenset(
    {
        Sysctl("net/ipv6/conf/all/forwarding", "0"),
        Sysctl("net/ipv6/conf/eth0/accept_ra", "1"),
        Sysctl("net/ipv6/conf/br-lan/accept_ra", "1"),
        Sysctl("net/ipv6/conf/br-lan/mtu", "1500"),
    }
)


def test_a_lan_is_told_when_all_the_rest_is_there() -> None:
    steps = plan(SHARED, BEFORE)
    assert (
        text(steps)
        == DEVICE.replace("1280", "1480")
        + """\
sysctl -w net/ipv6/conf/eth0/accept_ra=2
sysctl -w net/ipv6/conf/all/forwarding=1
"""
        + LAN_TABLE
        + """\
sysctl -w net/ipv6/conf/br-lan/mtu=1480
ip -6 route append unreachable 2001:db8:5::/48 proto 116 metric 2147483647
ip -6 address add 2001:db8:5::1/64 dev br-lan nodad
cat > /run/tunnelmgr/home.radvd <<'END'
interface br-lan {
    AdvSendAdvert on;
};
END
radvd --config /run/tunnelmgr/home.radvd --pidfile /run/tunnelmgr/home.radvd.pid
"""
    )
    assert (
        text(taken_back(steps))
        == """\
kill $(cat /run/tunnelmgr/home.radvd.pid)
rm /run/tunnelmgr/home.radvd
ip -6 address delete 2001:db8:5::1/64 dev br-lan
ip -6 route delete unreachable 2001:db8:5::/48 proto 116 metric 2147483647
sysctl -w net/ipv6/conf/br-lan/mtu=1500
nft delete table ip6 tunnelmgr_home_lan
sysctl -w net/ipv6/conf/all/forwarding=0
sysctl -w net/ipv6/conf/eth0/accept_ra=1
"""
    )
    assert plan(SHARED, after(steps, BEFORE)) == []


def test_a_lan_behind_a_closed_tunnel_is_closed_too() -> None:
    steps = plan(replace(SHARED, inbound=Inbound.ESTABLISHED), BEFORE)
    assert text(steps).startswith(FIREWALL)


def test_a_lan_that_nobody_knows_appears_as_this_host() -> None:
    hidden = IPv6Network("fd12:3456:789a::/64")
    lines = text(plan(replace(SHARED, hidden=(hidden,)), BEFORE))
    assert (
        LAN_TABLE
        + """\
nft add chain ip6 tunnelmgr_home_lan postrouting { type nat hook postrouting priority srcnat; policy accept; }
nft add rule ip6 tunnelmgr_home_lan postrouting ip6 saddr fd12:3456:789a::/64 oifname "tm-home" masquerade
"""
        in lines
    )


def test_a_withdrawn_lan_hears_of_it_before_it_is_taken_down() -> None:
    there = after(plan(SHARED, BEFORE), BEFORE)
    silent = replace(RADVD, config="interface br-lan {\n    AdvDefaultLifetime 0;\n};\n")
    bare = Desired("tm-home", mtu=1480, inbound=Inbound.OPEN, advertisement=silent)
    lines = text(plan(bare, there)).splitlines()
    assert "    AdvDefaultLifetime 0;" in lines
    assert lines.index("    AdvDefaultLifetime 0;") < lines.index("ip -6 address delete 2001:db8:5::1/64 dev br-lan")


def test_what_others_put_on_a_lan_is_not_ours() -> None:
    assert Address("tm-home", ADDRESS).is_of_device
    assert not any(item.is_of_device for item in [Address("br-lan", ADDRESS), *lan_items(SHARED)])
