"""Arbitrary bytes raise nothing but WireError; what is written is read back."""

import contextlib
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnelmgr.api.errors import WireError
from tunnelmgr_tsp.wire.capability import Capability, TunnelType
from tunnelmgr_tsp.wire.datagrams import ControlMessage
from tunnelmgr_tsp.wire.digest import DigestChallenge, DigestResponse
from tunnelmgr_tsp.wire.documents import parse_document
from tunnelmgr_tsp.wire.framing import Reply, StreamReader, framed
from tunnelmgr_tsp.wire.messages import Create, KeepaliveWish, Offer, Referral, parse_request

READERS: list[Callable[[bytes], object]] = [
    ControlMessage.parse,
    Reply.parse,
    StreamReader().feed,
    Capability.parse,
    DigestChallenge.parse,
    DigestResponse.parse,
    parse_document,
    parse_request,
    Offer.parse,
    Referral.parse,
    lambda data: parse_request(framed(data)),
]
SEEDS = [
    (
        b'<tunnel action="info" type="v6v4" lifetime="1"><server><address type="ipv4">1.2.3.4</address></server>'
        b'<client><router><prefix length="56">2001:db8::</prefix></router><keepalive interval="3"/></client></tunnel>'
    ),
    b"Content-length: 4\r\n200 \r\n",
    b"1200 x\r\n<tunnel><broker/></tunnel>",
    b"CAPABILITY TUNNEL=V6V4 AUTH=PLAIN\r\n",
    b"cmVhbG09ImEiLG5vbmNlPSJiIg==\r\n",
    b"\xf0\0\0\xf0\0\0\0\0VERSION=2.0.0\r\n",
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return something that is nearly right."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 5))] = draw(st.binary(max_size=5))
    return bytes(data)


@pytest.mark.parametrize("number", range(len(READERS)))
@given(data=st.binary(max_size=300) | damaged())
def test_bytes_raise_nothing_but_wire_errors(number: int, data: bytes) -> None:
    reader = StreamReader().feed if number == 2 else READERS[number]
    with contextlib.suppress(WireError):
        reader(data)


offers = st.builds(
    Offer,
    st.sampled_from(TunnelType),
    *[st.builds(IPv4Address, st.integers(0, 2**32 - 1)), st.builds(IPv6Address, st.integers(0, 2**128 - 1))] * 2,
    lifetime=st.integers(0, 10**9),
    name=st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cc", "Zs"]), max_size=40),
    dns=st.lists(st.builds(IPv6Address, st.integers(1, 2**128 - 1)), max_size=3).map(tuple),
    prefix=st.none() | st.integers(0, 2**64 - 1).map(lambda bits: IPv6Network((bits << 64, 64))),
    keepalive=st.none()
    | st.builds(KeepaliveWish, st.integers(1, 10**6), st.builds(IPv6Address, st.integers(1, 2**128 - 1))),
)


@given(offers)
def test_an_offer_is_read_back(offer: Offer) -> None:
    assert Offer.parse(offer.serialize()) == offer


@given(
    st.builds(
        Create,
        st.sampled_from(TunnelType),
        st.builds(IPv4Address, st.integers(0, 2**32 - 1)),
        st.none() | st.integers(0, 10**6),
        st.integers(0, 128),
        st.lists(st.sampled_from(["ns.example", "192.0.2.1", "2001:db8::1"]), max_size=3).map(tuple),
    )
)
def test_a_request_is_read_back(create: Create) -> None:
    assert parse_request(create.serialize()) == create


@given(st.integers(0, 2**28 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=50))
def test_a_header_is_read_back(sequence: int, timestamp: int, text: bytes) -> None:
    message = ControlMessage(sequence, timestamp, text)
    assert ControlMessage.parse(message.serialize()) == message
