"""Words from afar reach a terminal as words."""

from ipaddress import IPv6Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnelmgr.api.events import Down, Notice, PeerSilent, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.status import PeerStatus, TunnelStatus
from tunnelmgr.api.texts import printable, worded

EVIL = "a\x1b[2J\x9b2J\r\nroot# \u202erm\u2066\udcff\x7f\u2028b"
TAME = "a\\x1b[2J\\x9b2J\\r\\nroot# \\u202erm\\u2066\\udcff\\x7f\\u2028b"


@given(st.text(st.characters(codec=None)))
def test_whatever_was_said_is_one_line_that_can_be_seen(text: str) -> None:
    assert printable(text).isprintable()
    printable(text).encode()


@pytest.mark.parametrize("text", ["", "user 'jörg' at 192.0.2.1: ok (ü, 漢字, 😀)", "a\\b"])
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_controls_of_every_kind_are_escaped() -> None:
    assert printable(EVIL) == TAME


def test_all_words_of_an_event_and_of_a_status_are_made_printable() -> None:
    config = HostConfig(addresses=(IPv6Interface("2001:db8::2/128"),))
    assert worded(Notice("tsp.accepted", EVIL)) == Notice("tsp.accepted", TAME)
    assert worded(Down(EVIL, EVIL)) == Down(TAME, TAME)
    assert worded(PeerSilent(EVIL)) == PeerSilent(TAME)
    assert worded(Up(config, {"name": EVIL})) == Up(config, {"name": TAME})
    said = TunnelStatus(EVIL, {"name": EVIL, "round_trip_s": 0.5}, (PeerStatus(EVIL, None, EVIL, 1.0),), 1, {EVIL: 1})
    assert worded(said) == TunnelStatus(
        TAME, {"name": TAME, "round_trip_s": 0.5}, (PeerStatus(TAME, None, TAME, 1.0),), 1, {TAME: 1}
    )
