"""What people and scripts read."""

import json
from dataclasses import replace

import pytest

from tests.unit.daemon.test_documents import SNAPSHOT
from tunnelmgr.api.status import PeerStatus
from tunnelmgr.cli import render
from tunnelmgr.cli.overview import ProfileStatus, Statuses
from tunnelmgr.core.snapshot import Snapshot, State, Traffic
from tunnelmgr.daemon.health import KILLED

UP = replace(
    SNAPSHOT,
    since=7985.0,
    addresses=("2001:0:c000:201:2000:b5c8:34ff:8efe",),
    default_route=True,
    verified="carries packets: 2 of 2 probes, 41 ms, via relay 198.51.100.1",
    datapath_reason="this version has no other",
    protocol_state="qualified",
    facts={
        "server": "192.0.2.1",
        "nat": "port-restricted",
        "mapped": "203.0.113.1:51631",
        "address": "2001:0:c000:201:2000:b5c8:34ff:8efe",
        "port_preserved": False,
        "hairpin": None,
        "round_trip": 0.0414,
        "refresh_interval": 30.0,
        "encrypted": False,
    },
    peers=(
        PeerStatus("2001:db8:80::1", "198.51.100.1:3545", "relay", 1.2, 0.4),
        PeerStatus("2001:0:c000:201:8000:c7c8:34ff:8efd", None, "none", None, 75.0),
    ),
    peers_total=2,
    traffic=Traffic(1034, 1_300_000, 876, 348_160),
    log="journalctl TUNNELMGR_PROFILE=home",
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
  data path         plain (this version has no other)
  privacy           not encrypted: whoever carries the packets can read them
  profile           /etc/tunnelmgr/profiles/home.yaml
  log               journalctl TUNNELMGR_PROFILE=home"""

PEERS = """\

  peer                                 endpoint           path   heard    sent
  2001:db8:80::1                       198.51.100.1:3545  relay  1 s ago  0 s ago
  2001:0:c000:201:8000:c7c8:34ff:8efd  unknown            none   never    1 min ago"""

DOWN_SCREEN = """\
home: down for 12 s
  no answer from 192.0.2.1:3544 (3 tries); check that UDP passes
  method   teredo client
  device   tm-home
  profile  /etc/tunnelmgr/profiles/home.yaml"""

PLAIN = render.Style()


def screen(snapshot: Snapshot, style: render.Style = PLAIN) -> str:
    return render.status(ProfileStatus.of(snapshot), style)


@pytest.mark.requirement("T-SE-008")
def test_the_screen_of_a_tunnel_that_is_up() -> None:
    assert screen(UP) == UP_SCREEN


@pytest.mark.requirement("T-SE-008")
def test_the_peers_are_listed_when_asked_for() -> None:
    assert screen(UP, render.Style(peers=True)) == f"{UP_SCREEN}\n{PEERS}"


@pytest.mark.requirement("T-SE-008")
def test_the_screen_of_a_tunnel_that_is_down_leads_with_why() -> None:
    down = Snapshot(
        name="home",
        file=UP.file,
        pid=1,
        state=State.DOWN,
        reason="no answer from 192.0.2.1:3544 (3 tries)",
        hint="check that UDP passes",
        method="teredo",
        role="client",
        device="tm-home",
        since=12.7,
    )
    assert screen(down) == DOWN_SCREEN


def test_a_tunnel_that_starts_says_what_it_waits_for() -> None:
    starting = replace(UP, state=State.STARTING, since=3.0, reason="no answer yet")
    assert screen(starting).startswith("home: starting for 3 s: no answer yet\n")


def test_several_addresses_share_one_label() -> None:
    shown = screen(replace(UP, addresses=("2001:db8::1", "2001:db8::2")))
    assert "  address           2001:db8::1\n                    2001:db8::2\n" in shown


def test_those_that_do_not_run_come_last_a_line_each() -> None:
    office = ProfileStatus("office", "/etc/tunnelmgr/profiles/office.yaml", "stopped", None)
    killed = ProfileStatus("lab", None, "stopped", None, (KILLED,))
    assert render.statuses([office, ProfileStatus.of(UP), killed], PLAIN) == (
        f"{UP_SCREEN}\n\n"
        "office: stopped (/etc/tunnelmgr/profiles/office.yaml)\n"
        "lab: stopped\n"
        "  its process was killed and could not take back what it changed; run `tunnelmgr cleanup`, or bring it up again"
    )


def test_colours_only_touch_the_state() -> None:
    coloured = screen(UP, render.Style(colour=True))
    assert coloured.replace("\x1b[32m\x1b[1mup\x1b[0m", "up") == UP_SCREEN


def test_too_many_peers_are_counted_without_their_paths() -> None:
    assert "peers             300\n" in screen(replace(UP, peers_total=300))
    assert "the 2 peers used last, of 300\n" in screen(replace(UP, peers_total=300), render.Style(peers=True))


def test_json_is_one_line_in_an_envelope() -> None:
    text = render.envelope("status", Statuses((ProfileStatus.of(UP),)))
    assert "\n" not in text
    told = json.loads(text)
    assert (told["schema"], told["schema_version"]) == ("tunnelmgr.status", 1)
    (profile,) = told["data"]["profiles"]
    assert (profile["state"], profile["snapshot"]["mtu"], profile["snapshot"]["facts"]["hairpin"]) == ("up", 1280, None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h 0 min"),
        (86399, "23 h 59 min"),
        (93600, "1 d 2 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert render.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "0.977 KiB"), (1 << 20, "1 MiB"), (5 << 40, "5 TiB")]
)
def test_sizes(number: int, text: str) -> None:
    assert render.size(number) == text
