"""Interfaces may have any name of 15 octets without spaces, slashes and colons (dev_valid_name of net/core/dev.c)."""

import json
import os
from pathlib import Path

from tests.netns.program import Tunnelmgr, ping
from tests.peers.teredo_internet import TeredoInternet
from tunnelmgr.lab.waiting import wait_for

NO_UTF8, UPLINK = os.fsdecode(b"a\xff\xfeb"), os.fsdecode(b'up\xff"\x1c')
NEXT_LINE, FILE_SEPARATOR, STEERING, QUOTES = "n\x85x", "f\x1cx", "e\x1b[8mx\u202e", "q\"'\\;$(id)"


def set_name(home: Tunnelmgr, before: str, after: str) -> None:
    home.host.run(["ip", "link", "set", before, "down"])
    home.host.run(["ip", "link", "set", before, "name", after])
    home.host.run(["ip", "link", "set", after, "up"])


def add(home: Tunnelmgr, name: str, number: int) -> None:
    home.host.run(["ip", "link", "add", f"odd{number}", "type", "bridge"])
    set_name(home, f"odd{number}", name)
    home.host.run(["ip", "address", "add", f"10.9.{number}.1/24", "dev", name])
    home.host.run(["ip", "address", "add", f"fd00:{number}::1/64", "dev", name])


def test_interfaces_of_any_name_are_there_come_and_are_the_uplink(far_end: TeredoInternet, home: Tunnelmgr) -> None:
    route = home.host.run(["ip", "-4", "route", "show", "default"]).stdout.split()
    set_name(home, route[4], UPLINK)
    home.host.run(["ip", "route", "add", *route[:4], UPLINK])
    for number, name in enumerate((NO_UTF8, NEXT_LINE, STEERING)):
        add(home, name, number)
    detected = home.run("detect", home.profile).stdout
    assert all(shown in detected for shown in (r"a\udcff\udcfeb", r"n\x85x"))
    assert "\x1b" not in detected
    home.up()
    assert ping(far_end.native, home.address(), 2) == 2
    for number, name in enumerate((FILE_SEPARATOR, QUOTES), 3):
        add(home, name, number)
    set_name(home, NO_UTF8, os.fsdecode(b"b\xfd"))
    home.host.run(["nft", "flush", "ruleset"])
    wait_for("firewall", lambda: home.running()["firewall_stands"] or None)
    wait_for("packets", lambda: ping(far_end.native, home.address(), 1) or None)
    assert json.loads(home.run("detect", "--json").stdout)


def test_a_lan_of_any_name_is_served_or_refused_by_name(home: Tunnelmgr, tmp_path: Path) -> None:
    for number, name in enumerate(("äö", QUOTES)):
        add(home, name, number)
