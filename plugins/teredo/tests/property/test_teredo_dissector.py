from hypothesis import given
from hypothesis import strategies as st
from tests.teredo_world.vectors import PACKETS, RELAY

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.dissection import Outer
from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.dissection.dissector import TeredoDissector

endpoints = st.builds(Endpoint, st.ip_addresses(v=4), st.sampled_from((3544, 4096)))
envelopes = st.none() | st.builds(Outer, st.just(ChannelKind.UDP), endpoints, endpoints)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(list(PACKETS.values()))).payload)
    for _ in range(draw(st.integers(0, 3))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))]) + draw(st.binary(max_size=12))


@given(st.one_of(st.binary(max_size=200), damaged()), envelopes)
def test_whatever_the_bytes_they_are_explained_or_left(data: bytes, outer: Outer | None) -> None:
    found = TeredoDissector().dissect(data, outer)
    assert found is None or (found.purpose and all(field.offset + field.length <= len(data) for field in found.fields))


def test_what_runs_on_the_port_of_servers_is_never_left() -> None:
    outer = Outer(ChannelKind.UDP, RELAY, RELAY._replace(port=3544))
    assert TeredoDissector().dissect(b"", outer) is not None
