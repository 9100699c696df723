"""When the far end is asked, and when its silence is believed."""

import pytest
from tests.sixinfour_world.bench import Bench
from tests.sixinfour_world.vectors import CLIENT6, SERVER, SERVER6

from tunnelmgr.api.events import PeerSilent
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr_sixinfour.constants import KEEPALIVE_EAGER, KEEPALIVE_INTERVAL, SIGN_INTERVAL

STRAY = IPv6Packet(SERVER6, CLIENT6, IpProtocol.UDP, bytes(8))
"""What anybody can send who writes the far end's address on it."""


def only_strays_arrive(bench: Bench, seconds: float, period: float) -> None:
    end = bench.now + seconds
    while bench.now < end:
        bench.take_inner(STRAY)
        bench.wake_until(bench.now + period)


@pytest.mark.parametrize("period", [0.1, 0.4, 1.1, 3.0])
def test_a_far_end_that_sends_and_does_not_answer_is_judged_all_the_same(period: float) -> None:
    bench = Bench()
    only_strays_arrive(bench, 12.0, period)
    (silent,) = bench.said_of(PeerSilent)
    assert silent.reason == f"{SERVER6} does not answer through the tunnel, although {SERVER} sends protocol 41"


@pytest.mark.parametrize("period", [0.1, 0.4, 1.1, 3.0])
def test_strays_make_us_ask_six_times_a_minute_at_most(period: float) -> None:
    """After the dozen requests that come by themselves."""
    bench = Bench()
    only_strays_arrive(bench, 3600.0, period)
    assert bench.tunnel.status(bench.now).counters["packets-sent"] <= KEEPALIVE_EAGER + 1 + 3600 // SIGN_INTERVAL


def test_a_far_end_long_silent_is_asked_with_its_first_packet() -> None:
    bench = Bench()
    bench.wake_until(10 * KEEPALIVE_INTERVAL + 10.0)
    assert not bench.sent
    bench.take_inner(STRAY)
    assert len(bench.sent) == 1
    bench.reply()
    assert bench.tunnel.status(bench.now).state == "established"
