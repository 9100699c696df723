"""Detection on networks of every kind, on the simulated internet: what it says, and exactly how long it takes.

The host's link takes 50 ms one way, so every round trip is 100 ms.
"""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from tests.sim.echoing import Echoing, asking
from tests.sim.stun_server import StunServer
from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.names import ServerName
from tunnelmgr.api.packets.icmp import EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet
from tunnelmgr.api.reach import Heard, ReachProbe
from tunnelmgr.api.report import Filtering, Mapping, NatKind
from tunnelmgr.detect.detection import DONE, Detection
from tunnelmgr.detect.findings import Findings, Scope
from tunnelmgr.detect.plan import Plan
from tunnelmgr.lab import vocabulary
from tunnelmgr.lab.simulated import Internet, SimulatedHost, Site
from tunnelmgr.lab.vocabulary import Link, Nat

STUN = (IPv4Address("192.0.2.5"), IPv4Address("192.0.2.6"))
SLOW = Link(delay=0.05)
ANSWERED = 1.7  # seconds: three round trips, and what it takes to be sure that an answer was filtered or not turned round
SILENT = 3.5  # seconds: three requests to a server nobody ever heard
UNCONTROLLED = 1.5  # seconds: three questions to a router that does not answer them
CONES = (NatKind.FULL_CONE, NatKind.ADDRESS_RESTRICTED, NatKind.PORT_RESTRICTED)
PLAN = Plan(stun=(ServerName("192.0.2.5"),))


def stun_server(internet: Internet, *, silent: bool = False, obeys: bool = True, addresses: int = 2) -> SimulatedHost:
    server = StunServer(STUN[:addresses], silent=silent, obeys=obeys)
    return internet.add(server, address=STUN[:addresses], name="stun")


def detect(
    internet: Internet,
    behind: vocabulary.NatKind | Nat | Site | None,
    plan: Plan = PLAN,
    *,
    native_ipv6: bool | str = False,
    within: float = 7,
) -> Findings:
    """Run one detection to its end."""
    host = internet.add(lambda random: Detection(plan, random), behind=behind, link=SLOW, native_ipv6=native_ipv6)
    assert internet.run_until(lambda: DONE in host.notices, within=within)
    assert isinstance(host.tunnel, Detection)
    return host.tunnel.findings()


LAB = vocabulary.NatKind
EIM, APDM = Mapping.ENDPOINT_INDEPENDENT, Mapping.ADDRESS_AND_PORT
EIF, ADF, APDF = Filtering.ENDPOINT_INDEPENDENT, Filtering.ADDRESS, Filtering.ADDRESS_AND_PORT


@pytest.mark.parametrize(
    ("behind", "kind", "mapping", "filtering", "preserved", "took"),
    [
        (LAB.NONE, NatKind.NONE, EIM, EIF, None, 0.2),
        (LAB.FULL_CONE, NatKind.FULL_CONE, EIM, EIF, True, ANSWERED),
        (LAB.ADDRESS_RESTRICTED, NatKind.ADDRESS_RESTRICTED, EIM, ADF, True, ANSWERED),
        (LAB.PORT_RESTRICTED, NatKind.PORT_RESTRICTED, EIM, APDF, True, ANSWERED),
        (LAB.PORT_RESTRICTED_OPEN_BOX, NatKind.PORT_RESTRICTED, EIM, APDF, True, ANSWERED),
        (LAB.SYMMETRIC, NatKind.SYMMETRIC, APDM, APDF, False, ANSWERED),
        (LAB.SYMMETRIC_SEQUENTIAL, NatKind.SYMMETRIC, APDM, APDF, False, ANSWERED),
        (LAB.SYMMETRIC_PORT_PRESERVING, NatKind.SYMMETRIC, APDM, APDF, True, ANSWERED),
    ],
    ids=lambda value: value.value if isinstance(value, LAB) else "",
)
def test_every_kind_of_the_lab_is_named_with_a_stun_server_of_two_addresses(
    internet: Internet,
    behind: vocabulary.NatKind,
    kind: NatKind,
    mapping: Mapping,
    filtering: Filtering,
    preserved: bool | None,
    took: float,
) -> None:
    stun_server(internet)
    found = detect(internet, behind)
    assert (found.nat.kind, found.nat.candidates) == (kind, (kind,))
    assert (found.nat.mapping, found.nat.filtering, found.nat.port_preserved) == (mapping, filtering, preserved)
    assert found.udp is True
    assert found.took == pytest.approx(took)


@pytest.mark.parametrize("hairpinning", [True, False])
def test_hairpinning_is_found(internet: Internet, hairpinning: bool) -> None:
    stun_server(internet)
    assert detect(internet, Nat(hairpinning=hairpinning)).nat.hairpinning is hairpinning


def test_where_no_udp_passes_two_silent_servers_say_so_in_their_time(internet: Internet) -> None:
    stun_server(internet)
    plan = Plan(stun=(ServerName("192.0.2.5"), ServerName("192.0.2.80")))
    found = detect(internet, LAB.UDP_BLOCKED, plan)
    assert (found.udp, found.nat.kind, found.nat.candidates) == (False, NatKind.BLOCKED, (NatKind.BLOCKED,))
    assert found.took == pytest.approx(SILENT)


def test_one_silent_server_proves_nothing(internet: Internet) -> None:
    stun_server(internet, silent=True)
    found = detect(internet, LAB.PORT_RESTRICTED)
    assert (found.udp, found.nat.kind, found.nat.candidates, found.nat.mapping) == (None, None, (), None)
    assert found.took == pytest.approx(SILENT)
    assert [one.found for one in found.nat.evidence if one.probe == "stun"] == ["192.0.2.5:3478 did not answer 3 requests"]


def test_a_server_that_says_itself_that_nobody_listens_was_reached_by_udp() -> None:
    internet = Internet(seed=1, icmp_errors=True)
    internet.add(Echoing(), address="192.0.2.5")
    found = detect(internet, LAB.PORT_RESTRICTED)
    assert (found.udp, found.nat.kind) == (True, None)
    assert found.took == pytest.approx(1.0), "the routers on the way had their second, the server was not asked again"


def test_a_dead_stun_server_beside_one_that_lives_only_costs_time(internet: Internet) -> None:
    stun_server(internet)
    found = detect(internet, LAB.FULL_CONE, Plan(stun=(ServerName("192.0.2.80"), ServerName("192.0.2.5"))))
    assert found.nat.kind is NatKind.FULL_CONE
    assert found.took == pytest.approx(SILENT)


@pytest.mark.parametrize(
    ("behind", "kind", "candidates", "mapping"),
    [
        (LAB.NONE, NatKind.NONE, (NatKind.NONE,), EIM),
        (LAB.FULL_CONE, NatKind.PORT_RESTRICTED, CONES, EIM),
        (LAB.PORT_RESTRICTED, NatKind.PORT_RESTRICTED, CONES, EIM),
        (LAB.SYMMETRIC, NatKind.SYMMETRIC, (NatKind.SYMMETRIC,), Mapping.ADDRESS),
    ],
    ids=lambda value: value.value if isinstance(value, LAB) else "",
)
def test_far_ends_that_say_where_they_see_us_tell_the_mapping_and_no_filtering(
    internet: Internet, behind: vocabulary.NatKind, kind: NatKind, candidates: tuple[NatKind, ...], mapping: Mapping
) -> None:
    internet.add(Echoing(), address=["192.0.2.1", "192.0.2.2"])
    found = detect(internet, behind, Plan(probes=(("paper", asking("192.0.2.1")), ("paper", asking("192.0.2.1", offset=1)))))
    assert (found.nat.kind, found.nat.candidates, found.nat.mapping, found.nat.filtering) == (
        kind,
        candidates,
        mapping,
        None,
    )
    assert [one.reached for one in found.far_ends] == [True, True]
    assert [one.round_trip for one in found.far_ends] == pytest.approx([0.1, 0.1])


def test_the_two_addresses_of_one_dead_server_do_not_make_a_blocked_network(internet: Internet) -> None:
    plan = Plan(probes=(("paper", asking("192.0.2.1")), ("paper", asking("192.0.2.1", offset=1))))
    assert detect(internet, LAB.PORT_RESTRICTED, plan).udp is None


def test_a_server_with_one_address_shows_a_nat_and_not_which(internet: Internet) -> None:
    stun_server(internet, addresses=1)
    found = detect(internet, LAB.PORT_RESTRICTED)
    assert (found.nat.kind, found.nat.candidates) == (None, (*CONES, NatKind.SYMMETRIC))
    assert "no STUN server with two addresses answered: not measured" in [one.found for one in found.nat.evidence]


def test_a_server_that_ignores_change_requests_does_not_show_the_filter(internet: Internet) -> None:
    stun_server(internet, obeys=False)
    found = detect(internet, LAB.FULL_CONE)
    assert (found.nat.kind, found.nat.candidates, found.nat.filtering) == (NatKind.PORT_RESTRICTED, CONES, None)
    assert "192.0.2.5:3478 does not answer from elsewhere when asked to" in [one.found for one in found.nat.evidence]


def test_of_two_nats_the_stricter_shows_and_the_routers_tell_that_they_are_two() -> None:
    internet = Internet(seed=1, icmp_errors=True)
    stun_server(internet)
    carrier = internet.site(LAB.SYMMETRIC, lan="100.64.0.0/24", link=SLOW)
    home = internet.site(LAB.FULL_CONE, behind=carrier)
    found = detect(internet, home)
    assert (found.nat.kind, found.nat.several) == (NatKind.SYMMETRIC, True)
    assert "router 2 on the way has the shared address 100.64.0.1" in [one.found for one in found.nat.evidence]


def test_one_nat_is_known_to_be_one_where_the_routers_answer() -> None:
    internet = Internet(seed=1, icmp_errors=True)
    stun_server(internet)
    assert detect(internet, LAB.PORT_RESTRICTED).nat.several is False


def test_where_no_router_answers_nobody_knows_how_many_nats_there_are(internet: Internet) -> None:
    stun_server(internet)
    assert detect(internet, LAB.PORT_RESTRICTED).nat.several is None


def test_an_address_of_100_64_is_behind_the_provider_s_nat(internet: Internet) -> None:
    stun_server(internet)
    found = detect(internet, internet.site(LAB.PORT_RESTRICTED, lan="100.64.0.0/24", link=SLOW))
    assert (found.ipv4.scope, found.nat.several, found.report().public_ipv4) == (Scope.SHARED, True, None)
    assert found.nat.kind is NatKind.PORT_RESTRICTED


CONTROLLED = Nat(maps_ports=True)


def test_the_router_says_whether_ports_may_be_mapped_and_its_address_outside(internet: Internet) -> None:
    stun_server(internet)
    found = detect(internet, CONTROLLED)
    assert (found.router.pcp, found.router.nat_pmp, found.router.scope) == (True, True, Scope.PUBLIC)
    assert found.nat.mapped is not None
    assert str(found.router.external) == found.nat.mapped.partition(":")[0]
    assert found.nat.several is False, "the address the router has outside is the one the server sees"


@pytest.mark.parametrize(("icmp", "offered"), [(True, False), (False, None)], ids=["refuses", "keeps silent"])
def test_a_router_without_port_control_refuses_or_nobody_knows(icmp: bool, offered: bool | None) -> None:
    found = detect(Internet(seed=1, icmp_errors=icmp), LAB.PORT_RESTRICTED, Plan())
    assert (found.router.pcp, found.router.nat_pmp, found.router.external) == (offered, offered, None)


@pytest.mark.parametrize(
    ("lan", "scope"), [("100.64.0.0/24", Scope.SHARED), ("10.0.0.0/24", Scope.PRIVATE)], ids=["carrier", "double"]
)
def test_a_router_that_has_no_public_address_itself_is_behind_another_nat(
    internet: Internet, lan: str, scope: Scope
) -> None:
    found = detect(internet, internet.site(CONTROLLED, behind=internet.site(LAB.SYMMETRIC, lan=lan)), Plan())
    assert (found.nat.several, found.router.scope) == (True, scope)
    assert f"192.168.2.1 has the {scope.value} address {found.router.external} outside" in [
        one.found for one in found.nat.evidence
    ]


@pytest.mark.parametrize("icmp", [True, False], ids=["routers answer", "routers keep silent"])
@pytest.mark.parametrize(("mtu", "silent"), [(1500, 1500), (1492, 1492), (1454, 1400), (1280, 1280), (1000, None)])
def test_the_path_mtu_is_the_largest_size_that_passes_or_what_a_router_says(
    icmp: bool, mtu: int, silent: int | None
) -> None:
    internet = Internet(seed=1, icmp_errors=icmp)
    stun_server(internet)
    found = detect(internet, internet.site(LAB.PORT_RESTRICTED, link=Link(mtu=mtu)))
    assert found.path.mtu == (mtu if icmp and silent else silent)
    assert found.took == pytest.approx(ANSWERED)


@pytest.mark.parametrize("icmp", [True, False], ids=["says that nobody listens", "keeps silent"])
def test_without_a_stun_server_the_path_mtu_shows_where_nobody_listens(icmp: bool) -> None:
    internet = Internet(seed=1, icmp_errors=icmp)
    internet.add(Echoing(), address="192.0.2.1")
    site = internet.site(LAB.PORT_RESTRICTED, link=Link(mtu=1480))
    assert detect(internet, site, Plan(probes=(("paper", asking("192.0.2.1")),))).path.mtu == (1480 if icmp else None)


@pytest.mark.parametrize("kind", [LAB.FULL_CONE, LAB.ADDRESS_RESTRICTED, LAB.PORT_RESTRICTED, LAB.SYMMETRIC])
def test_how_long_a_mapping_lives_is_found_out_on_request(internet: Internet, kind: LAB) -> None:
    stun_server(internet)
    assert kind.nat is not None
    nat = replace(kind.nat, mapping_timeout=65.0)
    found = detect(internet, nat, replace(PLAN, lifetime=100.0), within=110)
    assert (found.nat.lifetime_min, found.nat.lifetime_max) == (60.0, 70.0)
    assert found.took == pytest.approx(100.0 + 0.3 + 1.4), "two round trips, the longest wait, and silence"


def test_a_mapping_that_outlives_all_waiting_has_no_upper_bound(internet: Internet) -> None:
    stun_server(internet)
    found = detect(internet, LAB.PORT_RESTRICTED, replace(PLAN, lifetime=100.0), within=110)
    assert (found.nat.lifetime_min, found.nat.lifetime_max) == (100.0, None)


def test_a_server_that_answers_to_no_other_port_says_nothing_about_lifetimes(internet: Internet) -> None:
    stun_server(internet, obeys=False)
    found = detect(internet, LAB.PORT_RESTRICTED, replace(PLAN, lifetime=100.0))
    assert (found.nat.lifetime_min, found.nat.lifetime_max) == (None, None)
    assert "lifetime" in [one.probe for one in found.nat.evidence]


def test_without_a_stun_server_that_answers_nobody_waits_for_lifetimes(internet: Internet) -> None:
    stun_server(internet, silent=True)
    assert detect(internet, LAB.PORT_RESTRICTED, replace(PLAN, lifetime=100.0)).took == pytest.approx(SILENT)


def test_a_public_address_of_its_own_is_told_from_one_of_a_nat(internet: Internet) -> None:
    stun_server(internet)
    own, translated = detect(internet, None), detect(internet, LAB.PORT_RESTRICTED)
    assert own.report().public_ipv4 == own.ipv4.address
    assert translated.report().public_ipv4 is None
    assert translated.nat.mapped is not None


@pytest.mark.parametrize(
    ("there", "native", "reach", "judged", "took"),
    [(True, True, True, True, 0.1), (False, True, False, False, 4.0), (False, False, False, False, 0.0)],
    ids=["works", "present but broken", "none"],
)
def test_native_ipv6_is_what_answers_over_it(
    internet: Internet, there: bool, native: bool, reach: bool, judged: bool, took: float
) -> None:
    target = IPv6Address("2001:db8:6::1")
    if there:
        internet.ipv6_host(str(target), link=SLOW)
    found = detect(internet, None, Plan(ipv6=(target,)), native_ipv6=native)
    assert (found.ipv6.default_route, found.ipv6.reach, found.report().native_ipv6) == (native, reach, judged)
    assert found.took == pytest.approx(took)


def test_an_address_of_one_s_own_making_is_no_promise(internet: Internet) -> None:
    found = detect(internet, None, Plan(), native_ipv6="fd00::2")
    assert [one.found for one in found.ipv6.evidence] == [
        "our own address fd00::2 is unique-local: it leads outside only where it is translated",
        "there is a default route, and nobody is named to prove it with",
    ]


def test_native_ipv6_nobody_was_named_for_is_not_proven(internet: Internet) -> None:
    found = detect(internet, None, Plan(), native_ipv6=True)
    assert (found.ipv6.default_route, found.ipv6.reach, found.report().native_ipv6) == (True, None, True)


@pytest.mark.parametrize("passes", [True, False])
def test_protocol_41_is_really_tried_with_the_far_end(internet: Internet, passes: bool) -> None:
    internet.add(Echoing(), address="192.0.2.80")
    echo = icmpv6_packet(EchoRequest(1, 1, b""), IPv6Address("2001:db8::2"), IPv6Address("2001:db8::1"), 64).serialize()
    probe = ReachProbe("peer 192.0.2.80, protocol 41", "192.0.2.80", 0, ChannelKind.RAW41, echo, lambda _: Heard())
    found = detect(internet, Nat(passes_protocol41=passes), Plan(probes=(("6in4", probe),)))
    assert (found.protocol41, found.udp) == (passes, None)
    assert found.took == pytest.approx(UNCONTROLLED if passes else SILENT)


@pytest.mark.parametrize("listens", [True, False])
def test_tcp_is_reached_by_connecting(listens: bool) -> None:
    internet = Internet(seed=1, icmp_errors=True)
    internet.add(Echoing(tcp=listens), address="192.0.2.17")
    probe = ReachProbe("broker 192.0.2.17, TCP 3653", "192.0.2.17", 3653, ChannelKind.TCP_CONNECT)
    [far_end] = detect(internet, LAB.UDP_BLOCKED, Plan(probes=(("tsp", probe),))).far_ends
    assert far_end.reached is listens


def test_a_server_that_answers_by_tcp_and_not_by_udp_shows_that_udp_is_blocked(internet: Internet) -> None:
    internet.add(Echoing(tcp=True), address="192.0.2.17")
    tcp = ReachProbe("broker 192.0.2.17, TCP 3653", "192.0.2.17", 3653, ChannelKind.TCP_CONNECT)
    plan = Plan(probes=(("tsp", tcp), ("tsp", asking("192.0.2.17"))))
    assert detect(internet, LAB.UDP_BLOCKED, plan).nat.kind is NatKind.BLOCKED
    assert detect(internet, LAB.PORT_RESTRICTED, plan).nat.kind is None


def test_a_name_that_does_not_exist_is_the_far_end_s_reason_and_delays_nobody(internet: Internet) -> None:
    internet.name("paper.example.net")
    stun_server(internet)
    found = detect(internet, LAB.FULL_CONE, Plan(PLAN.stun, (("paper", asking("paper.example.net")),)))
    assert found.nat.kind is NatKind.FULL_CONE
    assert [(one.reached, one.reason) for one in found.far_ends] == [(None, "paper.example.net has no IPv4 address")]
    assert found.took == pytest.approx(ANSWERED)


def test_a_silent_name_server_and_a_silent_server_take_less_than_six_seconds_together(internet: Internet) -> None:
    internet.directory.names["stun.example.net"] = None
    plan = Plan(stun=(ServerName("stun.example.net"), ServerName("192.0.2.5")))
    assert detect(internet, LAB.PORT_RESTRICTED, plan).took == pytest.approx(5.5)


def test_servers_are_ranked_by_their_round_trip(internet: Internet) -> None:
    internet.add(Echoing(), address="192.0.2.1", link=Link(delay=0.04))
    internet.add(Echoing(), address="192.0.2.2", link=Link(delay=0.01))
    probes = (("paper", asking("192.0.2.80")), ("paper", asking("192.0.2.1")), ("paper", asking("192.0.2.2")))
    found = detect(internet, LAB.PORT_RESTRICTED, Plan(probes=probes))
    assert [one.what for one in found.far_ends] == [f"paper server 192.0.2.{number}" for number in (2, 1, 80)]


def test_lost_requests_are_repeated(internet: Internet) -> None:
    stun_server(internet)
    lossy = Link(delay=0.05, loss=frozenset({0, 7, 8}))
    found = detect(internet, internet.site(LAB.ADDRESS_RESTRICTED, link=lossy))
    assert found.nat.kind is NatKind.ADDRESS_RESTRICTED


def test_without_anybody_to_ask_it_says_what_this_host_and_its_router_know(internet: Internet) -> None:
    found = detect(internet, LAB.PORT_RESTRICTED, Plan())
    assert (found.nat.kind, found.udp, found.took) == (None, None, UNCONTROLLED)
    assert (found.ipv4.scope, found.ipv4.gateway) == (Scope.PRIVATE, IPv4Address("192.168.1.1"))
