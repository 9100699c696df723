"""Far ends with several addresses, and those whose channel could not be had."""

from ipaddress import IPv4Address
from random import Random

import pytest

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.effects import Failed, FailureCode, OpenChannel
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.reach import ReachProbe
from tunnelmgr.detect.far_ends import ADDRESSES_MAX, FarEnds
from tunnelmgr.detect.inquiries import Inquiries


@pytest.mark.parametrize(
    ("failed", "reached", "trouble"),
    [
        (Failed(FailureCode.NO_PERMISSION, "opening raw41 channel: not permitted"), None, "not tried: that takes root"),
        (Failed(FailureCode.UNSUPPORTED, "no protocol 41 here"), None, "no protocol 41 here"),
        (Failed(FailureCode.UNREACHABLE, "network is down"), None, "network is down"),
    ],
    ids=lambda value: value.code.value if isinstance(value, Failed) else "",
)
def test_a_channel_that_cannot_be_opened_says_nothing_of_the_network(
    failed: Failed, reached: bool | None, trouble: str
) -> None:
    probe = ReachProbe("far end 192.0.2.80, protocol 41", "192.0.2.80", 0, ChannelKind.RAW41, b"?")
    outbox = Outbox()
    far_ends = FarEnds((("6in4", probe),), Inquiries(outbox, Random(1)), "udp", outbox)
    far_ends.resolved("192.0.2.80", [IPv4Address("192.0.2.80")], now=0.0)
    [wish] = outbox.drain_events()
    assert isinstance(wish, OpenChannel)
    assert not far_ends.done
    far_ends.channel_opened(wish, failed, now=0.0)
    [far_end] = far_ends.all
    assert (far_end.reached, far_end.trouble, far_ends.done) == (reached, trouble, True)


def test_a_name_with_several_addresses_is_asked_at_each_but_not_at_any_number() -> None:
    probes = (
        ("teredo", ReachProbe("server s.example, UDP 3544", "s.example", 3544, request=b"?")),
        ("tsp", ReachProbe("broker s.example, TCP 3653", "s.example", 3653, ChannelKind.TCP_CONNECT)),
    )
    outbox = Outbox()
    far_ends = FarEnds(probes, Inquiries(outbox, Random(1)), "udp", outbox)
    far_ends.resolved("s.example", [IPv4Address("192.0.2.1") + number for number in range(100)], now=0.0)
    asked = [str(datagram.remote) for datagram in outbox.drain_datagrams()]
    assert asked == [f"192.0.2.{number}:3544" for number in range(1, 1 + ADDRESSES_MAX)]
    opened = [event for event in outbox.drain_events() if isinstance(event, OpenChannel)]
    assert len({wish.channel for wish in opened}) == ADDRESSES_MAX
    whats = [one.probe.what for one in far_ends.all]
    assert "server s.example, UDP 3544" in whats
    assert "server s.example, UDP 3544, at 192.0.2.2" in whats
