"""Far ends whose channel could not be had."""

from ipaddress import IPv4Address
from random import Random

import pytest

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.effects import Failed, FailureCode, OpenChannel
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.reach import ReachProbe
from tunnelmgr.detect.far_ends import FarEnds
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
    far_ends.resolved("192.0.2.80", IPv4Address("192.0.2.80"), now=0.0)
    [wish] = outbox.drain_events()
    assert isinstance(wish, OpenChannel)
    assert not far_ends.done
    far_ends.channel_opened(wish, failed, now=0.0)
    [far_end] = far_ends.all
    assert (far_end.reached, far_end.trouble, far_ends.done) == (reached, trouble, True)
