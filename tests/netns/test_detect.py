"""`tunnelmgr detect` behind NATs of every kind: nftables is the NAT, Debian's coturn the STUN server with two addresses.

home (Host) --- NAT of the kind --- backbone --- 192.0.2.5, .6   coturn, stun.example.net
                                       `-------- 2001:db8:6::1   native
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.netns.conftest import peers_needed, require_program
from tests.netns.program import Tunnelmgr
from tests.peers import coturn, miniupnpd
from tests.peers.coturn import Coturn
from tests.peers.miniupnpd import Miniupnpd
from tests.peers.miredo import MiredoServer
from tests.peers.teredo_internet import teredo_internet
from tunnelmgr.api.report import Filtering
from tunnelmgr.lab.namespaces import NamespaceInternet, Site
from tunnelmgr.lab.vocabulary import Link, Nat, NatKind
from tunnelmgr.lab.waiting import wait_for

STUN_NAME = "stun.example.net"
PROFILE = """\
name: home
method: {type: teredo, server: 192.0.2.1}
detect: {stun: [stun.example.net]}
"""
RESTRICTED = ["address-restricted", "port-restricted"]
EIM, APDM = "endpoint-independent", "address-and-port-dependent"
EIF, ADF, APDF = "endpoint-independent", "address-dependent", "address-and-port-dependent"


@pytest.fixture
def coturn_programs() -> None:
    require_program("ss")
    with peers_needed():
        coturn.root()


@pytest.fixture
def stun(coturn_programs: None, internet: NamespaceInternet, tmp_path: Path) -> Coturn:
    """The STUN server, running."""
    server = Coturn(internet.host("stun", "192.0.2.5", "192.0.2.6", names=[STUN_NAME]), folder=tmp_path)
    server.start()
    return server


def found_by(home: Tunnelmgr, *options: str) -> dict[str, Any]:
    """Return what `detect` finds, and how it ranks the methods."""
    told = json.loads(home.run("detect", home.profile, "--json", *options).stdout)["data"]
    return {**told["findings"], "methods": told["methods"]}


def detect(internet: NamespaceInternet, kind: NatKind, folder: Path) -> dict[str, Any]:
    home = Tunnelmgr(internet.site("home", kind).inside, folder, PROFILE)
    return found_by(home)


@pytest.mark.usefixtures("stun")
@pytest.mark.parametrize(
    ("kind", "name", "mapping", "filtering", "preserved"),
    [
        (NatKind.NONE, "none", EIM, EIF, None),
        (NatKind.FULL_CONE, "full-cone", EIM, EIF, True),
        (NatKind.ADDRESS_RESTRICTED, "address-restricted", EIM, ADF, True),
        (NatKind.PORT_RESTRICTED, "port-restricted", EIM, APDF, True),
        (NatKind.PORT_RESTRICTED_OPEN_BOX, "port-restricted", EIM, APDF, True),
        (NatKind.SYMMETRIC, "symmetric", APDM, APDF, False),
        (NatKind.SYMMETRIC_SEQUENTIAL, "symmetric", APDM, APDF, False),
        (NatKind.SYMMETRIC_PORT_PRESERVING, "symmetric", APDM, APDF, True),
    ],
    ids=lambda value: value.value if isinstance(value, NatKind) else "",
)
def test_every_kind_of_nat_is_named_by_a_stun_server_nobody_here_wrote(
    internet: NamespaceInternet,
    tmp_path: Path,
    kind: NatKind,
    name: str,
    mapping: str,
    filtering: str,
    preserved: bool | None,
) -> None:
    nat = detect(internet, kind, tmp_path)["nat"]
    assert (nat["kind"], nat["candidates"]) == (name, [name])
    assert (nat["mapping"], nat["filtering"], nat["port_preserved"]) == (mapping, filtering, preserved)
    assert nat["mapped"].startswith("203.0.113.1:")


@pytest.mark.usefixtures("stun")
def test_where_no_udp_passes_it_says_so(internet: NamespaceInternet, tmp_path: Path) -> None:
    found = detect(internet, NatKind.UDP_BLOCKED, tmp_path)
    assert (found["udp"], found["nat"]["kind"]) == (False, "blocked")
    assert [one["suits"] for one in found["methods"]] == [False]


@pytest.fixture
def port_control(internet: NamespaceInternet, tmp_path: Path) -> Callable[[Site], None]:
    """Let Debian's miniupnpd run on the router of a site."""
    require_program("ss")
    with peers_needed():
        miniupnpd.root()
    return lambda site: Miniupnpd(site, site.lan, folder=tmp_path).start()


def detect_in(site: Site, folder: Path, *options: str) -> dict[str, Any]:
    home = Tunnelmgr(site.inside, folder, PROFILE)
    return found_by(home, *options)


@pytest.mark.usefixtures("stun")
def test_miniupnpd_is_heard_by_each_protocol_and_shows_that_its_nat_is_the_only_one(
    internet: NamespaceInternet, tmp_path: Path, port_control: Callable[[Site], None]
) -> None:
    # miniupnpd takes no documentation address (RFC 5737) for a public one.
    site = internet.site("home", NatKind.PORT_RESTRICTED, "1.2.3.4")
    port_control(site)
    found = detect_in(site, tmp_path)
    assert found["router"] == {"pcp": True, "nat_pmp": True, "upnp": True, "external": "1.2.3.4", "scope": "public"}
    assert (found["nat"]["kind"], found["nat"]["several"]) == ("port-restricted", False)


@pytest.mark.usefixtures("stun")
@pytest.mark.parametrize("lan", ["10.0.0.1/24", "100.64.0.1/24"], ids=["double", "carrier"])
def test_miniupnpd_behind_another_nat_says_that_it_has_no_address_outside(
    internet: NamespaceInternet, tmp_path: Path, port_control: Callable[[Site], None], lan: str
) -> None:
    carrier = internet.site("carrier", NatKind.SYMMETRIC, lan=lan)
    site = internet.site("home", NatKind.FULL_CONE, behind=carrier)
    port_control(site)
    found = detect_in(site, tmp_path)
    assert (found["nat"]["kind"], found["nat"]["several"]) == ("symmetric", True)
    assert found["router"] == {"pcp": True, "nat_pmp": True, "upnp": True, "external": None, "scope": None}
    assert "192.168.1.1 says that it has no address outside (NETWORK_FAILURE)" in [
        one["found"] for one in found["nat"]["evidence"]
    ]


@pytest.mark.usefixtures("stun")
def test_two_nats_show_by_the_routers_on_the_way(internet: NamespaceInternet, tmp_path: Path) -> None:
    carrier = internet.site("carrier", NatKind.PORT_RESTRICTED, lan="10.0.0.1/24")
    found = detect_in(internet.site("home", NatKind.PORT_RESTRICTED, behind=carrier), tmp_path)
    assert (found["nat"]["kind"], found["nat"]["several"]) == ("port-restricted", True)
    assert found["router"] == {"pcp": False, "nat_pmp": False, "upnp": False, "external": None, "scope": None}


@pytest.mark.usefixtures("stun")
def test_an_address_of_100_64_is_behind_the_provider_s_nat(internet: NamespaceInternet, tmp_path: Path) -> None:
    found = detect_in(internet.site("home", NatKind.PORT_RESTRICTED, lan="100.64.0.1/24"), tmp_path)
    assert (found["ipv4"]["scope"], found["nat"]["several"]) == ("shared", True)
    assert found["nat"]["kind"] == "port-restricted"


@pytest.mark.usefixtures("stun")
@pytest.mark.parametrize("hairpinning", [True, False])
def test_hairpinning_is_found(internet: NamespaceInternet, tmp_path: Path, hairpinning: bool) -> None:
    nat = Nat(filtering=Filtering.ENDPOINT_INDEPENDENT, hairpinning=hairpinning)
    assert detect_in(internet.site("home", nat), tmp_path)["nat"]["hairpinning"] is hairpinning


@pytest.mark.usefixtures("stun")
@pytest.mark.parametrize("mtu", [1500, 1454])
def test_the_path_mtu_is_found_by_what_routers_say(internet: NamespaceInternet, tmp_path: Path, mtu: int) -> None:
    site = internet.site("home", NatKind.PORT_RESTRICTED, link=Link(mtu=mtu))
    assert detect_in(site, tmp_path)["path"]["mtu"] == mtu


@pytest.mark.usefixtures("stun")
def test_the_own_link_s_mtu_is_told_by_this_host_itself(internet: NamespaceInternet, tmp_path: Path) -> None:
    site = internet.site("home", NatKind.PORT_RESTRICTED)
    site.inside.run(["ip", "link", "set", "eth0", "mtu", "1430"])
    path = detect_in(site, tmp_path)["path"]
    assert path["mtu"] == 1430
    assert "1500 bytes to 192.0.2.5 do not pass: our own link takes 1430" in [one["found"] for one in path["evidence"]]


@pytest.mark.usefixtures("stun")
def test_how_long_a_mapping_lives_is_found_out_on_request(internet: NamespaceInternet, tmp_path: Path) -> None:
    nat = detect_in(internet.site("home", Nat(mapping_timeout=5.0)), tmp_path, "--lifetime", "10")["nat"]
    # The kernel forgets some time after the seconds are over.
    assert 3.0 <= nat["lifetime_min"] < nat["lifetime_max"] <= 8.0


@pytest.mark.parametrize(
    ("kind", "name", "candidates"),
    [
        (NatKind.NONE, "none", ["none"]),
        (NatKind.FULL_CONE, "full-cone", ["full-cone"]),
        (NatKind.ADDRESS_RESTRICTED, "port-restricted", RESTRICTED),
        (NatKind.PORT_RESTRICTED, "port-restricted", RESTRICTED),
        (NatKind.SYMMETRIC, "symmetric", ["symmetric"]),
        (NatKind.SYMMETRIC_SEQUENTIAL, "symmetric", ["symmetric"]),
        (NatKind.SYMMETRIC_PORT_PRESERVING, "symmetric", ["symmetric"]),
        (NatKind.UDP_BLOCKED, None, []),
    ],
    ids=lambda value: value.value if isinstance(value, NatKind) else "",
)
@pytest.mark.usefixtures("miredo_programs")
def test_debian_s_teredo_server_alone_tells_how_a_nat_maps_and_whether_it_lets_in_everybody(
    internet: NamespaceInternet, tmp_path: Path, kind: NatKind, name: str | None, candidates: list[str]
) -> None:
    server = internet.host("server", "192.0.2.1", "192.0.2.2", names=["stun.example.net"])
    MiredoServer(server, folder=tmp_path).start()
    found = detect(internet, kind, tmp_path)
    filtering = EIF if kind in {NatKind.NONE, NatKind.FULL_CONE} else None
    assert (found["nat"]["kind"], found["nat"]["candidates"], found["nat"]["filtering"]) == (name, candidates, filtering)


@pytest.mark.usefixtures("miredo_programs")
def test_beside_a_silent_stun_server_the_teredo_server_still_tells_the_mapping(
    internet: NamespaceInternet, tmp_path: Path
) -> None:
    silent = internet.host("stun", "192.0.2.5", names=[STUN_NAME])
    silent.run(["nft", "add table ip t; add chain ip t i { type filter hook input priority 0; policy drop; }"])
    MiredoServer(internet.host("server", "192.0.2.1", "192.0.2.2"), folder=tmp_path).start()
    nat = detect(internet, NatKind.PORT_RESTRICTED, tmp_path)["nat"]
    assert (nat["kind"], nat["candidates"]) == ("port-restricted", RESTRICTED)
    assert "192.0.2.5:3478 did not answer 3 requests" in [one["found"] for one in nat["evidence"]]


def test_a_dead_stun_server_says_itself_that_it_is_dead(internet: NamespaceInternet, tmp_path: Path) -> None:
    internet.host("stun", "192.0.2.5", names=[STUN_NAME])
    found = detect(internet, NatKind.PORT_RESTRICTED, tmp_path)
    assert (found["udp"], found["nat"]["kind"]) == (True, None)


@pytest.mark.parametrize("answers", [True, False])
def test_native_ipv6_is_proven_or_found_broken(internet: NamespaceInternet, tmp_path: Path, answers: bool) -> None:
    native = internet.host("native", "2001:db8:6::1")
    home = internet.host("home", "203.0.113.7", "2001:db8:7::1")
    if not answers:
        native.run(["nft", "add table ip6 t; add chain ip6 t i { type filter hook input priority 0; policy drop; }"])
    profile = f'{PROFILE.replace("[stun.example.net]", "[]")}network: {{probe: ["{native.ipv6}"]}}\n'
    tunnelmgr = Tunnelmgr(home, tmp_path, profile)
    ipv6 = found_by(tunnelmgr)["ipv6"]
    assert (ipv6["default_route"], ipv6["reach"], ipv6["address"]) == (True, answers, "2001:db8:7::1")


BY_NAT = """\
name: home
methods:
  - {type: teredo, server: 192.0.2.65, when: {nat: symmetric}}
  - {type: teredo, server: teredo.example.net, when: {nat: not symmetric}}
detect: {stun: [192.0.2.5]}
"""


@pytest.mark.usefixtures("miredo_programs", "coturn_programs")
def test_up_takes_the_method_whose_condition_the_nat_fulfils(lab_name: Callable[[], str], tmp_path: Path) -> None:
    with teredo_internet(lab_name(), tmp_path) as far_end:
        Coturn(far_end.internet.host("stun", "192.0.2.5", "192.0.2.6"), folder=tmp_path).start()
        home = Tunnelmgr(far_end.home.inside, tmp_path, BY_NAT)
        story = home.up()
        assert story[:3] == [
            "home: looking at the network, since `when:` asks what this host does not know by itself",
            "home: teredo does not suit: `when: {nat: symmetric}` does not hold: the NAT is port-restricted",
            "home: starting, teredo, server teredo.example.net",
        ]
        home.run("down", "home")
        assert home.traces() == []


@pytest.mark.usefixtures("miredo_programs", "coturn_programs")
def test_a_profile_that_detect_wrote_is_valid_and_comes_up(lab_name: Callable[[], str], tmp_path: Path) -> None:
    with teredo_internet(lab_name(), tmp_path) as far_end:
        Coturn(far_end.internet.host("stun", "192.0.2.5", "192.0.2.6"), folder=tmp_path).start()
        home = Tunnelmgr(far_end.home.inside, tmp_path, BY_NAT)
        written = home.folder / "written.yaml"
        home.run("detect", home.profile, "--write", written)
        assert "# home: teredo, server teredo.example.net, suits this network" in written.read_text().splitlines()
        home.run("check", written)
        home.run("up", written)
        assert home.status()["condition"]["state"] == "up"
        home.run("down", "home")
        assert home.traces() == []


SIXINFOUR = """\
name: home
method: {type: 6in4, remote: 192.0.2.80, address: "2001:db8:41::2/64"}
"""
# It keeps silent: what it sends before home has spoken makes a flow with the NAT itself, and protocol 41 has no ports to
# tell a second one from it by.
FAR_END = """\
name: home
method: {type: 6in4, remote: 203.0.113.1, address: "2001:db8:41::1/64", routes: [], keepalive: null}
"""


@pytest.mark.parametrize("passes", [True, False])
def test_protocol_41_is_really_tried_with_the_far_end(internet: NamespaceInternet, tmp_path: Path, passes: bool) -> None:
    far = Tunnelmgr(internet.host("far", "192.0.2.80"), tmp_path, FAR_END)
    far.start("up", "-f", far.profile)
    site = internet.site("home", Nat(passes_protocol41=passes))
    wait_for("the far end listens", lambda: "tm-home" in far.host.run(["ip", "-6", "address"]).stdout)
    home = Tunnelmgr(site.inside, tmp_path, SIXINFOUR)
    found = found_by(home)
    assert (found["protocol41"], [one["suits"] for one in found["methods"]]) == (passes, [passes])
