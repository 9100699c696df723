"""STUN messages, as the RFCs show them."""

import struct
from ipaddress import IPv4Address

import pytest
from aioice.stun import Class, Message, Method, parse_message
from hypothesis import given
from hypothesis import strategies as st

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint
from tunnelmgr.detect.stun import BindingError, BindingRequest, BindingResponse, ChangeRequest, parse_answer

# RFC 5769 section 2.2, its MESSAGE-INTEGRITY and FINGERPRINT left out: 192.0.2.1, port 32853.
SAMPLE = bytes.fromhex("0101000c2112a442b7e7a701bc34d686fa87dfae002000080001a147e112a643")
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")


def response(**attributes: object) -> bytes:
    named = {name.upper().replace("_", "-"): value for name, value in attributes.items()}
    return bytes(Message(Method.BINDING, Class.RESPONSE, TRANSACTION, named))


def endpoint(text: str) -> Endpoint:

    address, _, port = text.partition(":")
    return Endpoint(IPv4Address(address), int(port))


def test_the_sample_of_rfc_5769_maps_to_192_0_2_1_port_32853() -> None:
    assert BindingResponse.parse(SAMPLE) == BindingResponse(TRANSACTION, endpoint("192.0.2.1:32853"))


@pytest.mark.parametrize(
    ("change", "attribute"),
    [
        (ChangeRequest.NOTHING, ""),
        (ChangeRequest.PORT, "0003000400000002"),
        (ChangeRequest.ADDRESS_AND_PORT, "0003000400000006"),
    ],
)
def test_a_request_asks_for_the_change_of_rfc_5780(change: ChangeRequest, attribute: str) -> None:
    sent = BindingRequest(TRANSACTION, change).serialize()
    assert sent.hex() == f"0001{len(attribute) // 2:04x}2112a442{TRANSACTION.hex()}{attribute}"


def test_the_second_address_of_a_server_is_read() -> None:
    data = response(xor_mapped_address=("203.0.113.1", 4000), other_address=("192.0.2.6", 3479))
    assert BindingResponse.parse(data).other == endpoint("192.0.2.6:3479")


def test_a_server_of_rfc_3489_is_understood() -> None:
    data = response(mapped_address=("203.0.113.1", 4000), changed_address=("192.0.2.6", 3479))
    assert BindingResponse.parse(data) == BindingResponse(
        TRANSACTION, endpoint("203.0.113.1:4000"), endpoint("192.0.2.6:3479")
    )


def test_a_refusal_is_told_by_its_code() -> None:
    data = bytes(Message(Method.BINDING, Class.ERROR, TRANSACTION, {"ERROR-CODE": (420, "Unknown Attribute")}))
    assert parse_answer(data) == BindingError(TRANSACTION, 420)


@pytest.mark.parametrize(
    "data",
    [
        response(),
        response(xor_mapped_address=("2001:db8::1", 4000)),
        BindingRequest(TRANSACTION).serialize(),
        bytes(Message(Method.ALLOCATE, Class.RESPONSE, TRANSACTION)),
        bytes(Message(Method.BINDING, Class.ERROR, TRANSACTION)),
    ],
    ids=["no address", "IPv6", "a request", "another method", "an error without a code"],
)
def test_what_answers_no_binding_request_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        parse_answer(data)


@given(st.binary(max_size=120) | st.binary(max_size=100).map(lambda rest: SAMPLE[:8] + rest))
def test_arbitrary_bytes_raise_nothing_but_wire_errors(data: bytes) -> None:
    try:
        parse_answer(data)
    except WireError:
        return


@given(st.lists(st.tuples(st.sampled_from([1, 3, 5, 9, 0x20, 0x802C, 0x8028]), st.binary(max_size=12)), max_size=4))
def test_arbitrary_attributes_raise_nothing_but_wire_errors(attributes: list[tuple[int, bytes]]) -> None:
    body = b"".join(struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4) for kind, value in attributes)
    header = b"\x01\x01" + len(body).to_bytes(2, "big") + bytes.fromhex("2112a442") + TRANSACTION
    try:
        parse_answer(header + body)
    except WireError:
        return


def test_a_request_asks_for_an_answer_to_another_port() -> None:
    data = BindingRequest(TRANSACTION, response_port=4000).serialize()
    # RESPONSE-PORT (RFC 5780 section 7.5): 16 bits of port and as many of padding; aioice does not know it.
    assert data[20:] == bytes.fromhex("0027 0002 0fa0 0000")
    assert parse_message(data).transaction_id == TRANSACTION


@pytest.mark.parametrize("length", [24, 1252, 1472])
def test_a_request_may_be_filled_up_with_what_servers_pass_over(length: int) -> None:
    data = BindingRequest(TRANSACTION, length=length).serialize()
    assert len(data) == length
    assert parse_message(data).attributes == {}
    assert int.from_bytes(data[20:22], "big") >= 0x8000, "comprehension-optional: RFC 8489 section 14"


def test_a_text_that_is_no_utf8_hides_no_address() -> None:
    mapped = struct.pack("!HHBBH4s", 0x0001, 8, 0, 1, 4000, bytes([203, 0, 113, 9]))
    software = struct.pack("!HH4s", 0x8022, 4, b"\xff\xfe\x80\xc3")
    body = software + mapped
    answer = parse_answer(struct.pack("!HHI", 0x0101, len(body), 0x2112A442) + bytes(12) + body)
    assert isinstance(answer, BindingResponse)
    assert str(answer.mapped) == "203.0.113.9:4000"


def test_a_refusal_with_a_reason_that_is_no_utf8_is_one() -> None:
    body = struct.pack("!HHHBB3sx", 0x0009, 7, 0, 4, 20, b"\xff\xfe\x80")
    answer = parse_answer(struct.pack("!HHI", 0x0111, len(body), 0x2112A442) + bytes(12) + body)
    assert answer == BindingError(bytes(12), 420)
