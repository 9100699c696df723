"""Whatever the bytes, they are explained."""

from hypothesis import given
from hypothesis import strategies as st

from tests.data.make_seed_2006 import seed
from tunnelmgr.core.capture.explanation import Decoder
from tunnelmgr.core.capture.frame import Frame, LinkType
from tunnelmgr_teredo.dissection.dissector import TeredoDissector

TRACE = seed()


@st.composite
def cuts_of_a_trace(draw: st.DrawFn) -> bytes:
    start = draw(st.integers(0, len(TRACE)))
    data = bytearray(TRACE[start : start + draw(st.integers(0, 200))])
    for _ in range(draw(st.integers(0, 3))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


PACKETS = st.one_of(
    st.binary(max_size=120),
    cuts_of_a_trace(),
    st.builds(bytes.__add__, st.sampled_from((b"\x45\0", b"\x60\0")), st.binary(max_size=120)),
)


@given(PACKETS, st.sampled_from(LinkType))
def test_a_frame_of_any_bytes_is_explained(data: bytes, link_type: LinkType) -> None:
    assert Decoder((TeredoDissector(),)).frame(Frame(1, None, link_type, data, len(data))).dissection.purpose


@given(PACKETS)
def test_a_payload_of_any_bytes_is_explained(data: bytes) -> None:
    assert Decoder((TeredoDissector(),)).payload(data).dissection.purpose
