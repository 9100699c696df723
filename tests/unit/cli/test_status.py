"""What people and scripts read of tunnels."""

import json
from dataclasses import replace
from ipaddress import IPv6Network

import pytest

from tests.home_snapshot import SNAPSHOT, with_running
from tunnelmgr.api.status import Fact, PeerStatus, TunnelStatus
from tunnelmgr.cli import render
from tunnelmgr.cli.commands.status import Style, profile_screen, screens
from tunnelmgr.cli.overview import ProfileStatus, Statuses
from tunnelmgr.core.choosing.method_status import MethodState, MethodStatus
from tunnelmgr.core.condition import BEGUN, Code, Condition, State
from tunnelmgr.core.condition import UP as IS_UP
from tunnelmgr.core.driving.traffic import Traffic
from tunnelmgr.core.running.lan_shares import LanStatus
from tunnelmgr.core.running.method_run import LOST_HINT
from tunnelmgr.core.running.snapshot import Running, Snapshot
from tunnelmgr.daemon.health import KILLED

QUALIFIED = TunnelStatus(
    "qualified",
    {
        "server": "192.0.2.1",
        "nat": "port-restricted",
        "mapped": "203.0.113.1:51631",
        "address": "2001:0:c000:201:2000:b5c8:34ff:8efe",
        "port_preserved": False,
        "hairpin": None,
        "round_trip_s": 0.0414,
        "refresh_interval_s": 30.0,
        "encrypted": False,
    },
    (
        PeerStatus("2001:db8:80::1", "198.51.100.1:3545", "relay", 1.2, 0.4),
        PeerStatus("2001:0:c000:201:8000:c7c8:34ff:8efd", None, "none", None, 75.0),
    ),
    peers_total=2,
)
UP = with_running(
    replace(SNAPSHOT, since=7985.0, log="journalctl TUNNELMGR_PROFILE=home"),
    addresses=("2001:0:c000:201:2000:b5c8:34ff:8efe",),
    default_route=True,
    verified="carries packets: 2 of 2 probes, 41 ms, via relay 198.51.100.1",
    datapath_reason="there is no path yet that the kernel could carry",
    tunnel=QUALIFIED,
    traffic=Traffic(1034, 1_300_000, 876, 348_160),
    lan=(),
)

UP_SCREEN = """\
home: up for 2 h 13 min
  method            teredo client, qualified
  device            tm-home, MTU 1280
  address           2001:0:c000:201:2000:b5c8:34ff:8efe
  default route     through this tunnel
  inbound           closed: answers, ICMPv6 errors and echo requests pass
  proof             carries packets: 2 of 2 probes, 41 ms, via relay 198.51.100.1
  server            192.0.2.1
  NAT               port-restricted
  mapped            203.0.113.1:51631
  port preserved    no
  round trip        41 ms
  refresh interval  30 s
  peers             2 (1 relay, 1 none)
  traffic           received 1.24 MiB in 1034 packets, sent 340 KiB in 876
  data path         plain (there is no path yet that the kernel could carry)
  privacy           not encrypted: whoever carries the packets can read them
  note              where a name has both, programs use IPv4: RFC 6724 ranks Teredo addresses below it, and nothing is wrong [TM-H013]
                    for IPv6 first, put these lines into /etc/gai.conf:
                      label ::1/128 0
                      label ::/0 1
                      label 2002::/16 2
                      label ::/96 3
                      label ::ffff:0:0/96 4
                      label fec0::/10 5
                      label fc00::/7 6
  profile           /etc/tunnelmgr/profiles/home.yaml
  log               journalctl TUNNELMGR_PROFILE=home"""  # noqa: E501 - a screen as it is shown

PEERS = """\

  peer                                 endpoint           path   heard    sent
  2001:db8:80::1                       198.51.100.1:3545  relay  1 s ago  0 s ago
  2001:0:c000:201:8000:c7c8:34ff:8efd  unknown            none   never    1 min ago"""

DOWN_SCREEN = """\
home: down for 12 s
  no answer from 192.0.2.1:3544 (3 tries); check that UDP passes [TM-H003]
  method   teredo client
  device   tm-home
  profile  /etc/tunnelmgr/profiles/home.yaml"""

PLAIN = Style()


def screen(snapshot: Snapshot, style: Style = PLAIN) -> str:
    return profile_screen(ProfileStatus.of(snapshot), style)


@pytest.mark.requirement("T-SE-008")
def test_the_screen_of_a_tunnel_that_is_up() -> None:
    assert screen(UP) == UP_SCREEN


@pytest.mark.requirement("T-SE-008")
def test_the_peers_are_listed_when_asked_for() -> None:
    assert screen(UP, Style(peers=True)) == f"{UP_SCREEN}\n{PEERS}"


@pytest.mark.requirement("T-SE-008")
def test_the_screen_of_a_tunnel_that_is_down_leads_with_why() -> None:
    down = Snapshot(
        name="home",
        file=UP.file,
        pid=1,
        condition=Condition(State.DOWN, Code.DOWN, "no answer from 192.0.2.1:3544 (3 tries)", "check that UDP passes"),
        since=12.7,
        method="teredo",
        role="client",
        running=Running("tm-home", TunnelStatus("")),
    )
    assert screen(down) == DOWN_SCREEN


def test_a_tunnel_that_starts_says_what_it_waits_for() -> None:
    starting = replace(UP, condition=BEGUN, since=3.0)
    assert screen(starting).startswith("home: starting for 3 s: no answer yet\n")


SIXINFOUR = Snapshot(
    name="home",
    file="/etc/tunnelmgr/profiles/home.yaml",
    pid=1,
    condition=IS_UP,
    since=192.0,
    method="6in4",
    role="peer",
    running=Running(
        device="tm-home",
        tunnel=TunnelStatus("established"),
        addresses=("2001:db8:41::2",),
        mtu=1480,
        default_route=True,
        verified="carries packets: 2 of 2 probes, 12 ms",
    ),
)
METHODS = (
    MethodStatus("6in4", "remote 192.0.2.80", MethodState.RUNNING, ""),
    MethodStatus(
        "tsp", "broker broker.example.net", MethodState.REFUSED, "`when: {nat: symmetric}` does not hold: there is no NAT"
    ),
    MethodStatus("teredo", "server teredo.example.net", MethodState.READY, "UDP passes, and Teredo needs no more"),
)

FIRST_CHOICE = """\
home: up for 3 min
  method         6in4 peer, established
  methods        6in4, remote 192.0.2.80: in use
                 tsp, broker broker.example.net: does not suit: `when: {nat: symmetric}` does not hold: there is no NAT
                 teredo, server teredo.example.net: in reserve: UDP passes, and Teredo needs no more
  device         tm-home, MTU 1480
  address        2001:db8:41::2
  default route  through this tunnel
  inbound        closed: answers, ICMPv6 errors and echo requests pass
  proof          carries packets: 2 of 2 probes, 12 ms
  traffic        received 0 B in 0 packets, sent 0 B in 0
  data path      plain
  privacy        not encrypted: whoever carries the packets can read them
  profile        /etc/tunnelmgr/profiles/home.yaml"""

STOPPED = """\
home: impaired for 3 min
  packets stopped: 2001:db8:6::1 does not answer through the tunnel (0 of 4 probes); it comes back by itself when packets \
flow; status --peers shows where they went [TM-H007]
  method         6in4 peer, established
  device         tm-home, MTU 1480
  address        2001:db8:41::2
  default route  not through this tunnel
  inbound        closed: answers, ICMPv6 errors and echo requests pass
  traffic        received 0 B in 0 packets, sent 0 B in 0
  data path      plain
  privacy        not encrypted: whoever carries the packets can read them
  profile        /etc/tunnelmgr/profiles/home.yaml"""

SECOND_CHOICE = """\
  methods        6in4, remote 192.0.2.80: failed: packets stopped; looked at again in 26 s
                 tsp, broker broker.example.net: in use
                 teredo, server teredo.example.net: failed, and is not tried again: login refused
"""

NOTHING_SUITS = """\
home: down for 3 min
  no method of /etc/tunnelmgr/profiles/home.yaml suits this network: 6in4: there is no IPv4 default route; add a method \
that does, or change `when:` [TM-H004]
  method   6in4 peer, not running
  profile  /etc/tunnelmgr/profiles/home.yaml"""

BESIDE_NATIVE = """\
  default route  not through this tunnel
"""
BESIDE_NATIVE_NOTE = """\
  note           IPv6 without this tunnel has the default route; the tunnel's own addresses keep working [TM-H012]
"""


def test_the_screen_of_several_methods_tells_how_each_stands() -> None:
    assert screen(replace(SIXINFOUR, methods=METHODS)) == FIRST_CHOICE
    failed = replace(METHODS[0], state=MethodState.HELD, reason="packets stopped", waits=26.4)
    running = replace(METHODS[1], state=MethodState.RUNNING, reason="")
    hopeless = replace(METHODS[2], state=MethodState.FAILED, reason="login refused")
    assert SECOND_CHOICE in screen(replace(SIXINFOUR, methods=(failed, running, hopeless)))


def test_the_screen_of_a_tunnel_whose_packets_stopped_says_so_and_shows_no_proof() -> None:
    lost = "packets stopped: 2001:db8:6::1 does not answer through the tunnel (0 of 4 probes)"
    condition = Condition(State.IMPAIRED, Code.PACKETS_STOPPED, lost, LOST_HINT)
    stopped = with_running(replace(SIXINFOUR, condition=condition), default_route=False)
    assert screen(stopped) == STOPPED


def test_the_screen_of_a_profile_without_a_method_for_this_network_gives_every_reason() -> None:
    down = Snapshot(
        name="home",
        file="/etc/tunnelmgr/profiles/home.yaml",
        pid=1,
        condition=Condition(
            State.DOWN,
            Code.NOTHING_SUITS,
            "no method of /etc/tunnelmgr/profiles/home.yaml suits this network: 6in4: there is no IPv4 default route",
            "add a method that does, or change `when:`",
        ),
        since=192.0,
        method="6in4",
        role="peer",
    )
    assert screen(down) == NOTHING_SUITS


def test_the_screen_beside_native_ipv6_says_who_has_the_default_route() -> None:
    shown = screen(with_running(SIXINFOUR, default_route=False, beside_native=True))
    assert BESIDE_NATIVE in shown
    assert BESIDE_NATIVE_NOTE in shown


def test_the_screen_says_which_interface_has_the_default_route_and_whether_the_firewall_stands() -> None:
    shown = screen(with_running(UP, default_route=False, way_out="tm-work", firewall_stands=False))
    assert "  default route     not through this tunnel but through tm-work\n" in shown
    assert "  inbound           shut: the firewall was taken away, and nothing comes in until it is back\n" in shown


def test_several_addresses_share_one_label() -> None:
    shown = screen(with_running(UP, addresses=("2001:db8::1", "2001:db8::2")))
    assert "  address           2001:db8::1\n                    2001:db8::2\n" in shown


def test_those_that_do_not_run_come_last_a_line_each() -> None:
    office = ProfileStatus("office", "/etc/tunnelmgr/profiles/office.yaml", "stopped", None)
    killed = ProfileStatus("lab", None, "stopped", None, (KILLED,))
    assert screens([office, ProfileStatus.of(UP), killed], PLAIN) == (
        f"{UP_SCREEN}\n\n"
        "office: stopped (/etc/tunnelmgr/profiles/office.yaml)\n"
        "lab: stopped\n"
        "  its process was killed and could not take back what it changed; run `tunnelmgr cleanup`, or bring it up again"
        " [TM-H001]"
    )


def test_colours_only_touch_the_state() -> None:
    coloured = screen(UP, Style(colour=True))
    assert coloured.replace("\x1b[32m\x1b[1mup\x1b[0m", "up") == UP_SCREEN


def test_too_many_peers_are_counted_without_their_paths() -> None:
    assert "peers             300\n" in screen(with_running(UP, peers_total=300))
    assert "the 2 peers used last, of 300\n" in screen(with_running(UP, peers_total=300), Style(peers=True))


def test_json_is_one_line_in_an_envelope() -> None:
    text = render.envelope("status", Statuses((ProfileStatus.of(UP),)))
    assert "\n" not in text
    told = json.loads(text)
    assert (told["schema"], told["schema_version"]) == ("tunnelmgr.status", 2)
    (profile,) = told["data"]["profiles"]
    running = profile["snapshot"]["running"]
    assert (profile["state"], running["mtu"], running["tunnel"]["facts"]["hairpin"]) == ("up", 1280, None)


@pytest.mark.parametrize(
    ("name", "fact", "shown"),
    [
        ("nat_candidates", "none", "NAT candidates none"),
        ("path_mtu_bytes", 1454, "path MTU 1454"),
        ("dont_fragment", True, "don't fragment yes"),
        ("broker_round_trip_s", 1.2345, "broker round trip 1.23 s"),
        ("renewal_in_s", 86400, "renewal in 86400 s"),
        ("clients", 3, "clients 3"),
    ],
)
def test_a_fact_stands_with_its_name_in_words_and_its_unit(name: str, fact: Fact, shown: str) -> None:
    lines = screen(with_running(UP, facts={name: fact})).splitlines()
    assert shown in [" ".join(line.split()) for line in lines]


def test_a_lan_stands_with_its_prefixes_and_what_lacks_stands_above() -> None:
    snapshot = with_running(
        UP,
        lan=(
            LanStatus("br-lan", IPv6Network("2001:db8:5::/64"), advertised=True),
            LanStatus("br-guest", IPv6Network("fd12:3456:789a:1::/64"), translated=True),
            LanStatus("eth9", trouble="there is no interface eth9", hint="it will be served when it appears"),
        ),
    )
    screen = profile_screen(ProfileStatus.of(snapshot), Style())
    assert "  LAN eth9: there is no interface eth9; it will be served when it appears [TM-H010]\n" in screen
    assert "  LAN br-lan        2001:db8:5::/64 advertised\n" in screen
    assert "  LAN br-guest      fd12:3456:789a:1::/64 withdrawn while no packets flow, translated to the tunnel's" in screen
    assert "  LAN eth9          not served\n" in screen
