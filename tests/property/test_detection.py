"""Whatever arrives while a network is looked at: detection ends in its time, raises nothing, and believes no stranger."""

from ipaddress import IPv4Address, IPv4Interface
from random import Random

from aioice.stun import Class, Message, Method, parse_message
from hypothesis import given
from hypothesis import strategies as st

from tunnelmgr.api.datagrams import ChannelEvent, ChannelFailed, Closed, Connected, Datagram, IcmpReceived
from tunnelmgr.api.effects import Done, EffectResult, Failed, FailureCode, OpenChannel, Ping, Resolve
from tunnelmgr.api.events import Notice
from tunnelmgr.api.names import ServerName
from tunnelmgr.api.network import DefaultRoute, Endpoint, LocalAddress, Network
from tunnelmgr.api.packets.port_control import PORT_CONTROL_PORT
from tunnelmgr.api.reach import ReachProbe
from tunnelmgr.detect.constants import DETECTION_TIMEOUT
from tunnelmgr.detect.detection import DONE, Detection
from tunnelmgr.detect.plan import Plan

SERVER = Endpoint(IPv4Address("192.0.2.5"), 3478)
CHANNELS = (
    "mapping",
    "filtering",
    "confirming",
    "hairpin",
    "hops",
    "router",
    "path-mtu",
    "lifetime",
    "lifetime-0",
    "far-end-0",
)
ROUTER = IPv4Address("192.168.1.1")
HOME = Network(
    (LocalAddress("eth0", IPv4Interface("192.168.1.2/24")),),
    DefaultRoute("eth0", ROUTER),
    IPv4Address("192.168.1.2"),
    native_ipv6=True,
)
PLAN = Plan(
    lifetime=60.0,
    stun=(ServerName("192.0.2.5"), ServerName("stun.example.net")),
    probes=(("paper", ReachProbe("paper", "paper.example.net", 4000, request=b"?")),),
)

channels = st.sampled_from([*CHANNELS, "nobody's"])
endpoints = st.builds(
    Endpoint,
    st.sampled_from([SERVER.address, IPv4Address("192.0.2.6"), ROUTER]),
    st.integers(0, 65535).filter(lambda port: port != PORT_CONTROL_PORT),
)
# The beginnings of a success response, whole answers of a router from anywhere but its port, and anything.
MAPPED = bytes.fromhex("0101000c2112a442")
OUTSIDE = bytes.fromhex("0080000000000e1008080808")
ANNOUNCED = bytes.fromhex("0280000000000000") + bytes(16)
data = st.binary(max_size=64) | st.binary(max_size=48).map(MAPPED.__add__) | st.sampled_from([OUTSIDE, ANNOUNCED])
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
    strangers = 0
    detection.start(now, HOME, {})
    for pause, given_input in inputs:
        now += pause
        if isinstance(given_input, Datagram):
            detection.receive_datagram(given_input, now)
            strangers += 1
        else:
            detection.channel_changed(given_input, now)
        for event in detection.outbox.drain_events():
            said.append(event)
            if isinstance(event, OpenChannel | Resolve | Ping):
                result: EffectResult = (
                    Done(SERVER) if isinstance(event, OpenChannel) else Failed(FailureCode.TIMEOUT, "no answer")
                )
                if answers:
                    detection.effect_done(event, result, now)
        detection.outbox.drain_datagrams()
    while (at := detection.next_timeout()) is not None:
        assert at <= DETECTION_TIMEOUT + 60.0
        now = max(now, at)
        detection.handle_timeout(now)
        detection.outbox.drain_datagrams()
    said += detection.outbox.drain_events()
    assert [event.code for event in said if isinstance(event, Notice)] == [DONE]
    found = detection.findings()
    assert (found.nat.mapped, found.path.mtu, found.nat.lifetime_min) == (None, None, None)
    assert (found.router.external, found.router.pcp or False) == (None, False)
    assert found.strays == strangers


def binding_response(transaction_id: bytes) -> bytes:
    attributes = {"XOR-MAPPED-ADDRESS": ("203.0.113.9", 4000), "OTHER-ADDRESS": ("192.0.2.6", 3479)}
    return bytes(Message(Method.BINDING, Class.RESPONSE, transaction_id, attributes))


@given(
    mask=st.binary(min_size=12, max_size=12).filter(any),
    length=st.integers(0, len(binding_response(bytes(12))) - 1),
    router=st.integers(0, len(OUTSIDE) - 1),
    announced=st.integers(0, len(ANNOUNCED) - 1),
)
def test_an_answer_to_another_question_or_cut_short_is_not_believed(
    mask: bytes, length: int, router: int, announced: int
) -> None:
    detection = Detection(PLAN, Random(1))
    detection.start(0.0, HOME, {})
    for event in detection.outbox.drain_events():
        if isinstance(event, Resolve):
            detection.effect_done(event, Failed(FailureCode.TIMEOUT, "no answer"), 0.0)
    [asked] = [parse_message(one.data) for one in detection.outbox.drain_datagrams() if one.channel == "mapping"]
    forged = bytes(one ^ other for one, other in zip(asked.transaction_id, mask, strict=True))
    control = Endpoint(ROUTER, PORT_CONTROL_PORT)
    for datagram in (
        Datagram("mapping", binding_response(forged), SERVER),
        Datagram("mapping", binding_response(asked.transaction_id)[:length], SERVER),
        Datagram("router", OUTSIDE[:router], control),
        Datagram("router", ANNOUNCED[:announced], control),
    ):
        detection.receive_datagram(datagram, 0.1)
    found = detection.findings()
    assert (found.nat.mapped, found.router.external, found.router.pcp, found.strays) == (None, None, None, 4)
    # The true ones are.
    detection.receive_datagram(Datagram("mapping", binding_response(asked.transaction_id), SERVER), 0.1)
    detection.receive_datagram(Datagram("router", OUTSIDE, control), 0.1)
    found = detection.findings()
    assert (found.nat.mapped, str(found.router.external)) == ("203.0.113.9:4000", "8.8.8.8")
