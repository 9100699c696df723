"""NAT-PMP (RFC 6886) and PCP (RFC 6887), as far as asking whether they are there."""

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.port_control import (
    AnnounceRequest,
    AnnounceResponse,
    ExternalAddressRequest,
    ExternalAddressResponse,
    NatPmpResult,
    PcpResult,
)

# The layouts of RFC 6886 section 3.2 and RFC 6887 section 7 with values filled in; the RFCs print no bytes.
ADDRESS = bytes.fromhex("0080 0000 00000e10 cb007101")
ANNOUNCE = bytes.fromhex("0200 0000 00000000 00000000000000000000ffffc0a80102")
ANNOUNCED = bytes.fromhex("0280 0000 00000000 00000e10 000000000000000000000000")

parsers = pytest.mark.parametrize(
    "parse",
    [ExternalAddressRequest.parse, ExternalAddressResponse.parse, AnnounceRequest.parse, AnnounceResponse.parse],
    ids=lambda parse: parse.__self__.__name__,
)
seconds = st.integers(0, 0xFFFF_FFFF)


def test_the_external_address_is_read() -> None:
    answer = ExternalAddressResponse(NatPmpResult.SUCCESS, 3600, IPv4Address("203.0.113.1"))
    assert ExternalAddressResponse.parse(ADDRESS) == answer
    assert answer.serialize() == ADDRESS
    assert ExternalAddressRequest().serialize() == b"\0\0"


def test_announce_carries_our_own_address_and_is_answered_by_a_header() -> None:
    assert AnnounceRequest(IPv4Address("192.168.1.2")).serialize() == ANNOUNCE
    assert AnnounceResponse.parse(ANNOUNCED) == AnnounceResponse(PcpResult.SUCCESS, 0, 3600)


def test_options_after_the_answer_are_no_concern() -> None:
    assert AnnounceResponse.parse(ANNOUNCED + bytes(4)).result is PcpResult.SUCCESS


@pytest.mark.parametrize(
    ("parse", "data"),
    [
        (ExternalAddressResponse.parse, ADDRESS[:-1]),
        (ExternalAddressResponse.parse, ADDRESS + b"\0"),
        (ExternalAddressResponse.parse, b"\0\x81" + ADDRESS[2:]),
        (ExternalAddressResponse.parse, b"\0\x80\0\x09" + ADDRESS[4:]),
        (ExternalAddressResponse.parse, b"\x02" + ADDRESS[1:]),
        (AnnounceResponse.parse, ANNOUNCE),
        (AnnounceResponse.parse, ANNOUNCED[:-4]),
        (AnnounceResponse.parse, ANNOUNCED + b"\0"),
        (AnnounceResponse.parse, ANNOUNCED + bytes(1100)),
        (AnnounceResponse.parse, b"\x01" + ANNOUNCED[1:]),
        (AnnounceResponse.parse, b"\x02\x80\0\x0e" + ANNOUNCED[4:]),
        (AnnounceResponse.parse, ADDRESS),
        (AnnounceRequest.parse, ANNOUNCE[:-1]),
        (AnnounceRequest.parse, ANNOUNCE[:8] + bytes(16)),
        (ExternalAddressRequest.parse, b"\0\x01"),
    ],
)
def test_what_says_something_else_is_refused(parse: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(WireError):
        parse(data)


@pytest.mark.parametrize("build", [lambda: AnnounceResponse(PcpResult.SUCCESS, 1 << 32, 0)])
def test_fields_that_do_not_fit_are_refused(build: Callable[[], object]) -> None:
    with pytest.raises(WireError):
        build()


@given(st.builds(ExternalAddressResponse, st.sampled_from(NatPmpResult), seconds, st.ip_addresses(v=4)))
def test_external_addresses_come_back_from_the_wire(answer: ExternalAddressResponse) -> None:
    assert ExternalAddressResponse.parse(answer.serialize()) == answer


@given(st.builds(AnnounceResponse, st.sampled_from(PcpResult), seconds, seconds))
def test_announcements_come_back_from_the_wire(answer: AnnounceResponse) -> None:
    assert AnnounceResponse.parse(answer.serialize()) == answer


@given(st.builds(AnnounceRequest, st.ip_addresses(v=4)))
def test_requests_come_back_from_the_wire(request: AnnounceRequest) -> None:
    assert AnnounceRequest.parse(request.serialize()) == request


@parsers
@given(data=st.binary(max_size=64) | st.binary(max_size=24).map(lambda rest: b"\x02\x80\0\0" + rest))
def test_arbitrary_bytes_raise_nothing_but_wire_errors(parse: Callable[[bytes], object], data: bytes) -> None:
    try:
        parse(data)
    except WireError:
        return
