"""`tunnelmgr detect` behind NATs of every kind: nftables is the NAT, Debian's coturn the STUN server with two addresses.

home (Host) --- NAT of the kind --- backbone --- 192.0.2.5, .6   coturn, stun.example.net
                                       `-------- 2001:db8:6::1   native
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.netns.conftest import lacking, require_program
from tests.netns.program import Tunnelmgr
from tests.peers import coturn, debian
from tests.peers.coturn import Coturn
from tests.peers.teredo_internet import teredo_internet
from tunnelmgr.lab.namespaces import NamespaceInternet
from tunnelmgr.lab.vocabulary import Nat, NatKind
from tunnelmgr.lab.waiting import wait_for

STUN_NAME = "stun.example.net"
PROFILE = """\
name: home
method: {type: teredo, server: 192.0.2.1}
detect: {stun: [stun.example.net]}
"""
EIM, APDM = "endpoint-independent", "address-and-port-dependent"
EIF, ADF, APDF = "endpoint-independent", "address-dependent", "address-and-port-dependent"


@pytest.fixture
def coturn_programs() -> None:
    require_program("ss")
    try:
        coturn.root()
    except debian.Unavailable as reason:
        lacking(str(reason))


@pytest.fixture
def stun(coturn_programs: None, internet: NamespaceInternet, tmp_path: Path) -> Coturn:
    """The STUN server, running."""
    server = Coturn(internet.host("stun", "192.0.2.5", "192.0.2.6", names=[STUN_NAME]), folder=tmp_path)
    server.start()
    return server


def detect(internet: NamespaceInternet, kind: NatKind, folder: Path) -> dict[str, Any]:
    home = Tunnelmgr(internet.site("home", kind).inside, folder, PROFILE)
    told: dict[str, Any] = json.loads(home.run("detect", home.profile, "--json").stdout)["data"]
    return told


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
    ipv6 = json.loads(tunnelmgr.run("detect", tunnelmgr.profile, "--json").stdout)["data"]["ipv6"]
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
    found = json.loads(home.run("detect", home.profile, "--json").stdout)["data"]
    assert (found["protocol41"], [one["suits"] for one in found["methods"]]) == (passes, [passes])
