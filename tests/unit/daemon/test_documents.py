"""Snapshots as plain data and back."""

from dataclasses import replace
from ipaddress import IPv6Address
from types import MappingProxyType

import pytest

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.status import PeerStatus
from tunnelmgr.core.running.snapshot import LanStatus, OuterSocket, Snapshot, Stand, Standing, State, Traffic, Trouble
from tunnelmgr.daemon.documents import as_plain, snapshot_from_plain

SNAPSHOT = Snapshot(
    name="home",
    file="/etc/tunnelmgr/profiles/home.yaml",
    pid=4711,
    state=State.UP,
    reason="",
    hint="",
    method="teredo",
    role="client",
    device="tm-home",
    since=12.5,
    addresses=("2001:0:c000:201::1",),
    mtu=1280,
    facts={"server": "192.0.2.1", "nat": None},
    peers=(PeerStatus("2001:db8::1", None, "relay", 1.0),),
    peers_total=1,
    traffic=Traffic(1, 2, 3, 4),
    sockets=(OuterSocket("udp", "192.0.2.9", 51631), OuterSocket("raw41", "192.0.2.9", 0, "192.0.2.1")),
    lan=(LanStatus("br-lan", "2001:db8:5::/64", advertised=True),),
)


def test_a_snapshot_survives_the_socket() -> None:
    assert snapshot_from_plain(as_plain(SNAPSHOT)) == SNAPSHOT


def test_so_do_the_methods_and_the_trouble() -> None:
    held = Standing("teredo", "server 192.0.2.1", Stand.HELD, "nobody home", 26.5)
    troubled = replace(SNAPSHOT, state=State.IMPAIRED, trouble=Trouble.LOST, methods=(held,))
    assert snapshot_from_plain(as_plain(troubled)) == troubled


def test_what_a_newer_process_says_besides_is_left_out() -> None:
    assert snapshot_from_plain({**as_plain(SNAPSHOT), "mood": "fine"}) == SNAPSHOT


def test_what_an_older_process_does_not_say_takes_its_default() -> None:
    told = as_plain(SNAPSHOT)
    del told["traffic"], told["mtu"]
    assert snapshot_from_plain(told) == replace(SNAPSHOT, traffic=Traffic(), mtu=None)


@pytest.mark.parametrize("change", [{"state": "floating"}, {"peers": [{}]}, {"traffic": 1}])
def test_what_cannot_be_understood_says_how_to_go_on(change: dict[str, object]) -> None:
    with pytest.raises(TunnelError, match="installed version"):
        snapshot_from_plain({**as_plain(SNAPSHOT), **change})


def test_addresses_and_mappings_of_any_kind_become_plain() -> None:
    assert as_plain(MappingProxyType({"a": (IPv6Address("::1"), State.UP)})) == {"a": ["::1", "up"]}
