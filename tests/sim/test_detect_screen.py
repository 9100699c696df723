"""What `tunnelmgr detect` says of typical networks, word for word; the networks are simulated."""

import json
from pathlib import Path
from random import Random

import jsonschema
import pytest

from tests.sim.stun_server import StunServer
from tests.sim.test_detection import LAB, SLOW, STUN, detect
from tunnelmgr.cli import render
from tunnelmgr.cli.detect_profile import commented
from tunnelmgr.cli.detect_screen import explained, screen
from tunnelmgr.cli.detecting import Detected
from tunnelmgr.cli.schemas import schema_of
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profile import Profile
from tunnelmgr.core.profile_loading import load_profile
from tunnelmgr.detect.plan import Plan, plan_for
from tunnelmgr.lab.simulated import Internet
from tunnelmgr.lab.simulated.internet import Behind
from tunnelmgr_teredo.server_settings import ServerSettings
from tunnelmgr_teredo.transport import Teredo

PROFILE = """\
name: home
methods:
  - {type: teredo, server: 192.0.2.1, when: {nat: not symmetric, native_ipv6: false}}
  - {type: teredo, server: 192.0.2.65, when: {nat: symmetric}}
detect: {stun: [192.0.2.5], ipv6: ["2001:db8:6::1"]}
"""


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    file = tmp_path / "home.yaml"
    file.write_text(PROFILE)
    return load_profile(file, PluginRegistry.from_environment())


@pytest.fixture
def internet() -> Internet:
    """A STUN server with two addresses, a Teredo server, routers that answer, and an IPv6 host."""
    internet = Internet(seed=1, icmp_errors=True)
    internet.add(StunServer(STUN), address=STUN, name="stun")
    addresses = ("192.0.2.1", "192.0.2.2")
    server = Teredo("server", ServerSettings.model_validate({"addresses": addresses}))
    internet.add(server.tunnel, address=addresses, native_ipv6=True, name="teredo")
    return internet


def detected(internet: Internet, behind: Behind, profile: Profile, *, native_ipv6: bool = False) -> Detected:
    return Detected.of(detect(internet, behind, plan_for(profile, Random(1)), native_ipv6=native_ipv6), profile)


HOME = """\
home: teredo, server 192.0.2.1, suits: `when: {nat: not symmetric, native_ipv6: false}` holds
  link      eth0 192.168.1.2/24
  IPv4      192.168.1.2 via 192.168.1.1, private, so a NAT is on the way
  seen as   203.0.113.1:59056
  NAT       mapping endpoint-independent, filtering address-and-port-dependent (port-restricted)
            keeps the port of the inside
            no hairpinning
  UDP       passes
  IPv6      none without a tunnel
  far ends  teredo server 192.0.2.1, UDP 3544: 100 ms
            teredo server 192.0.2.1, UDP 3544, second address: 100 ms
            teredo server 192.0.2.65, UDP 3544: cannot be reached (ICMP)
            teredo server 192.0.2.65, UDP 3544, second address: cannot be reached (ICMP)
  took      1.7 s

  methods, in the order `up` tries them
    1.  teredo, server 192.0.2.1   suits          `when: {nat: not symmetric, native_ipv6: false}` holds
    -   teredo, server 192.0.2.65  does not suit  `when: {nat: symmetric}` does not hold: the NAT is port-restricted

  evidence
    0.00 s  address    our own address 192.168.1.2 is private
    0.10 s  stun       192.0.2.5:3478 sees us as 203.0.113.1:59056 (100 ms)
    0.10 s  far-end    server 192.0.2.1, UDP 3544 sees us as 203.0.113.1:59056 (100 ms)
    0.10 s  far-end    server 192.0.2.1, UDP 3544, second address sees us as 203.0.113.1:59056 (100 ms)
    0.20 s  mapping    192.0.2.6:3478 sees us as 203.0.113.1:59056 (100 ms)
    0.20 s  mapping    192.0.2.6:3479 sees us as 203.0.113.1:59056 (100 ms)
    1.60 s  filtering  an answer from another address of 192.0.2.5 does not pass
    1.60 s  filtering  an answer from another port of 192.0.2.5 does not pass
    1.70 s  hairpin    a packet to our own outside endpoint does not come back in"""

CARRIER = """\
home: teredo, server 192.0.2.65, suits: `when: {nat: symmetric}` holds
  link      eth0 192.168.2.2/24
  IPv4      192.168.2.2 via 192.168.2.1, private, so a NAT is on the way
  seen as   203.0.113.1:31973
  NAT       mapping address-and-port-dependent, filtering address-and-port-dependent (symmetric)
            more than one NAT is on the way
            gives ports of its own
  UDP       passes
  IPv6      none without a tunnel
  far ends  teredo server 192.0.2.1, UDP 3544: 200 ms
            teredo server 192.0.2.1, UDP 3544, second address: 200 ms
            teredo server 192.0.2.65, UDP 3544: cannot be reached (ICMP)
            teredo server 192.0.2.65, UDP 3544, second address: cannot be reached (ICMP)
  took      1.9 s"""

BLOCKED = """\
home: teredo, server 192.0.2.1, suits, but no far end answered: `when: {nat: not symmetric, native_ipv6: false}` holds
  link      eth0 192.168.1.2/24
  IPv4      192.168.1.2 via 192.168.1.1, private, so a NAT is on the way
  NAT       not known, since no UDP passes (blocked)
  UDP       does not pass
  IPv6      none without a tunnel
  far ends  teredo server 192.0.2.1, UDP 3544: did not answer 3 requests
            teredo server 192.0.2.1, UDP 3544, second address: did not answer 3 requests
            teredo server 192.0.2.65, UDP 3544: did not answer 3 requests
            teredo server 192.0.2.65, UDP 3544, second address: did not answer 3 requests
  took      3.5 s"""

BROKEN_IPV6 = """\
home: teredo, server 192.0.2.1, suits: `when: {nat: not symmetric, native_ipv6: false}` holds
  link      eth0 203.0.113.1/32
  IPv4      203.0.113.1, public
  seen as   203.0.113.1:59056
  NAT       none
  UDP       passes
  IPv6      2001:db8::2, default route, but nobody answers
  far ends  teredo server 192.0.2.1, UDP 3544: 100 ms
            teredo server 192.0.2.1, UDP 3544, second address: 100 ms
            teredo server 192.0.2.65, UDP 3544: cannot be reached (ICMP)
            teredo server 192.0.2.65, UDP 3544, second address: cannot be reached (ICMP)
  took      4.0 s"""

NATIVE = """\
home: no method of the profile suits this network
  link      eth0 203.0.113.1/32
  IPv4      203.0.113.1, public
  seen as   203.0.113.1:59056
  NAT       none
  UDP       passes
  IPv6      2001:db8::2, default route, answered in 100 ms
  far ends  teredo server 192.0.2.1, UDP 3544: 100 ms
            teredo server 192.0.2.1, UDP 3544, second address: 100 ms
            teredo server 192.0.2.65, UDP 3544: cannot be reached (ICMP)
            teredo server 192.0.2.65, UDP 3544, second address: cannot be reached (ICMP)
  took      0.2 s"""

ALONE = """\
without a profile nobody is asked; name one for more than this host knows itself
  link  eth0 192.168.1.2/24
  IPv4  192.168.1.2 via 192.168.1.1, private, so a NAT is on the way
  NAT   not known
  UDP   not known whether it passes
  IPv6  none without a tunnel
  took  0.0 s"""


def test_a_home_behind_a_port_restricted_nat(internet: Internet, profile: Profile) -> None:
    assert explained(detected(internet, LAB.PORT_RESTRICTED, profile)) == HOME


def test_a_symmetric_nat_behind_that_of_the_provider(internet: Internet, profile: Profile) -> None:
    carrier = internet.site(LAB.SYMMETRIC, lan="100.64.0.0/24", link=SLOW)
    found = detected(internet, internet.site(LAB.FULL_CONE, behind=carrier), profile)
    assert screen(found) == CARRIER


def test_no_udp_at_all(internet: Internet, profile: Profile) -> None:
    assert screen(detected(internet, LAB.UDP_BLOCKED, profile)) == BLOCKED


def test_a_public_address_and_native_ipv6_that_leads_nowhere(internet: Internet, profile: Profile) -> None:
    assert screen(detected(internet, None, profile, native_ipv6=True)) == BROKEN_IPV6


def test_native_ipv6_that_works_needs_no_tunnel(internet: Internet, profile: Profile) -> None:
    internet.ipv6_host("2001:db8:6::1", link=SLOW)
    assert screen(detected(internet, None, profile, native_ipv6=True)) == NATIVE


def test_without_a_profile_it_says_what_this_host_knows_itself(internet: Internet) -> None:
    assert screen(Detected.of(detect(internet, LAB.PORT_RESTRICTED, Plan()), None)) == ALONE


@pytest.mark.parametrize("behind", [LAB.NONE, LAB.PORT_RESTRICTED, LAB.UDP_BLOCKED], ids=lambda kind: kind.value)
def test_the_json_follows_its_schema(internet: Internet, profile: Profile, behind: LAB) -> None:
    told = json.loads(render.envelope("detect", detected(internet, behind, profile, native_ipv6=True)))
    jsonschema.Draft202012Validator(schema_of("detect")).validate(told)
    assert told["data"]["nat"].keys() >= {"kind", "mapping", "filtering", "candidates", "evidence"}


def test_the_kind_in_json_is_one_of_the_words_or_null(internet: Internet, profile: Profile) -> None:
    def kind(behind: Behind) -> object:
        return json.loads(render.envelope("detect", detected(internet, behind, profile)))["data"]["nat"]["kind"]

    assert [kind(LAB.SYMMETRIC), kind(LAB.UDP_BLOCKED), kind(LAB.FULL_CONE)] == ["symmetric", "blocked", "full-cone"]


def test_a_written_profile_is_the_same_profile_with_what_was_found_before_it(
    internet: Internet, profile: Profile, tmp_path: Path
) -> None:
    text = commented(detected(internet, LAB.PORT_RESTRICTED, profile), PROFILE)
    assert text.endswith(f"\n\n{PROFILE}")
    assert "# home: teredo, server 192.0.2.1, suits: `when: {nat: not symmetric, native_ipv6: false}` holds\n" in text
    file = tmp_path / "written.yaml"
    file.write_text(text)
    assert load_profile(file, PluginRegistry.from_environment()).name == "home"
