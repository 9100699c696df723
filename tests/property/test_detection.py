"""Whatever arrives while a network is looked at: detection ends in its time, raises nothing, and believes no stranger."""

from ipaddress import IPv4Address, IPv4Interface
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tunnelmgr.api.datagrams import ChannelEvent, ChannelFailed, Closed, Connected, Datagram, IcmpReceived
from tunnelmgr.api.effects import Done, EffectResult, Failed, FailureCode, OpenChannel, Ping, Resolve
from tunnelmgr.api.events import Notice
from tunnelmgr.api.network import DefaultRoute, Endpoint, LocalAddress, Network
from tunnelmgr.api.reach import ReachProbe
from tunnelmgr.core.profile import ServerName
from tunnelmgr.detect.constants import DETECTION_TIMEOUT
from tunnelmgr.detect.detection import DONE, Detection
from tunnelmgr.detect.plan import Plan

SERVER = Endpoint(IPv4Address("192.0.2.5"), 3478)
HOME = Network(
    (LocalAddress("eth0", IPv4Interface("192.168.1.2/24")),), DefaultRoute("eth0", None), IPv4Address("192.168.1.2"), True
)
PLAN = Plan(
    stun=(ServerName("192.0.2.5"), ServerName("stun.example.net")),
    probes=(("paper", ReachProbe("paper", "paper.example.net", 4000, request=b"?")),),
)

channels = st.sampled_from(["mapping", "filtering", "hairpin", "hops", "far-end-0", "nobody's"])
endpoints = st.builds(Endpoint, st.sampled_from([SERVER.address, IPv4Address("192.0.2.6")]), st.integers(0, 65535))
# The beginnings of a success and of an error response, and anything.
data = st.binary(max_size=64) | st.binary(max_size=48).map(lambda rest: b"\x01\x01\x00\x0c\x21\x12\xa4\x42" + rest)
datagrams = st.builds(Datagram, channels, data, endpoints)
events: st.SearchStrategy[ChannelEvent] = (
    st.builds(
        IcmpReceived, channels, st.integers(0, 255), st.integers(0, 255), st.just(0), st.none() | endpoints, endpoints, data
    )
    | st.builds(Connected, channels, endpoints, endpoints)
    | st.builds(ChannelFailed, channels, st.integers(0, 130), st.none() | endpoints)
    | st.builds(Closed, channels)
)


@given(st.lists(st.tuples(st.floats(0, 1), datagrams | events), max_size=20), st.booleans())
def test_strangers_neither_stop_it_nor_make_it_believe_them(
    inputs: list[tuple[float, Datagram | ChannelEvent]], answers: bool
) -> None:
    detection = Detection(PLAN, Random(1))
    now, said = 0.0, []
    detection.start(now, HOME, {})
    for pause, given_input in inputs:
        now += pause
        if isinstance(given_input, Datagram):
            detection.receive_datagram(given_input, now)
        else:
            detection.channel_changed(given_input, now)
        for event in detection.events():
            said.append(event)
            if isinstance(event, OpenChannel | Resolve | Ping):
                result: EffectResult = (
                    Done(SERVER) if isinstance(event, OpenChannel) else Failed(FailureCode.TIMEOUT, "no answer")
                )
                if answers:
                    detection.effect_done(event, result, now)
        detection.datagrams_to_send()
    while (at := detection.next_timeout()) is not None:
        assert at <= DETECTION_TIMEOUT
        now = max(now, at)
        detection.handle_timeout(now)
        detection.datagrams_to_send()
    said += detection.events()
    assert [event.code for event in said if isinstance(event, Notice)] == [DONE]
    assert detection.findings().nat.mapped is None
