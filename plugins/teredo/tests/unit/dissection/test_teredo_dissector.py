"""Teredo datagrams explained: each kind told apart, every part named."""

from ipaddress import IPv6Address

import pytest
from tests.teredo_world.vectors import ADDRESSES, CLIENT_A, CLIENT_B_MAPPED, NATIVE_HOST, PACKETS, RELAY

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.dissection import Dissection, Outer
from tunnelmgr_teredo.dissection.dissector import TeredoDissector

KINDS = {
    "rs-restricted-nonce": "router-solicitation",
    "rs-cone": "router-solicitation",
    "rs-secure-hmac-sha1": "router-solicitation",
    "ra-primary": "router-advertisement",
    "ra-obsolete-prefix": "router-advertisement",
    "bubble-direct": "direct-bubble",
    "bubble-direct-nonce-reply": "direct-bubble",
    "bubble-nd-solicit": "direct-bubble",
    "bubble-indirect-nonce": "indirect-bubble",
    "bubble-origin": "indirect-bubble",
    "bubble-malformed-trailer": "indirect-bubble",
    "bubble-relay": "indirect-bubble",
    "bubble-relay-linklocal": "relay-bubble",
    "bubble-discovery": "discovery-bubble",
    "echo-test-request": "echo-test",
    "data-direct": "data",
    "data-with-trailer": "data",
    "neg-data-truncated": "malformed",  # known as Teredo's only because its sender talked to a server before
}


def seen(name: str, dissector: TeredoDissector | None = None) -> Dissection:
    vector = PACKETS[name]
    outer = Outer(ChannelKind.UDP, vector.source, vector.destination)
    found = (dissector or TeredoDissector()).dissect(vector.payload, outer)
    assert found is not None
    return found


def unenveloped(name: str) -> Dissection | None:
    return TeredoDissector().dissect(PACKETS[name].payload, None)


def values(dissection: Dissection) -> dict[str, str]:
    return {field.name: field.value for field in dissection.fields}


def test_each_kind_of_datagram_is_told_apart() -> None:
    dissector = TeredoDissector()
    assert {name: seen(name, dissector).kind for name in KINDS} == KINDS


@pytest.mark.parametrize("name", PACKETS)
def test_fields_lie_within_the_payload_one_behind_the_other(name: str) -> None:
    vector = PACKETS[name]
    found = TeredoDissector().dissect(vector.payload, None)
    ends = 0
    for field in found.fields if found else ():
        assert ends <= field.offset
        ends = field.offset + field.length
    assert ends <= len(vector.payload)


def test_a_solicitation_with_the_cone_bit_says_who_shall_answer() -> None:
    assert seen("rs-cone").purpose.endswith("cone bit set: the server's other address shall answer")


def test_an_advertisement_tells_the_mapping_and_the_prefix() -> None:
    purpose = "router advertisement: your NAT shows you as 192.0.2.1:4096, your prefix is 2001:0:cb00:7178::/64"
    assert seen("ra-primary").purpose == purpose


def test_authentication_is_taken_apart() -> None:
    found = values(seen("rs-secure-hmac-sha1"))
    assert found["client identifier"] == "alice"
    assert len(bytes.fromhex(found["authentication value"])) == 20
    assert found["nonce"] == "1122334455667788"
    assert found["confirmation"] == "0"


def test_a_refused_key_is_told() -> None:
    assert seen("neg-ra-confirmation-1").purpose == "router advertisement: the server refuses the key, get a new one"


def test_an_origin_is_shown_as_it_was_before_it_was_inverted() -> None:
    assert values(seen("bubble-origin-rfc-example"))["origin indication"] == "1.2.3.4:337"


@pytest.mark.parametrize(
    ("name", "trailer", "value"),
    [
        ("bubble-indirect-nonce", "nonce trailer", "a1b2c3d4"),
        ("bubble-indirect-hairpin", "alternate address trailer", "192.168.1.10:4096, 198.51.100.50:4097"),
        ("bubble-indirect-random-port", "random port trailer", "40001"),
        ("bubble-nd-solicit", "neighbour discovery trailer", "solicitation"),
        ("bubble-unknown-trailer-skip", "trailer 0x80", ""),
    ],
)
def test_trailers_are_named(name: str, trailer: str, value: str) -> None:
    assert values(seen(name))[trailer].startswith(value[:17])


def test_a_malformed_trailer_is_shown_as_unread() -> None:
    names = [field.name for field in seen("bubble-malformed-trailer").fields]
    assert names[-2:] == ["nonce trailer", "unread trailer"]


def test_an_echo_reply_is_the_answer_to_a_test_only_when_the_test_was_seen() -> None:
    dissector = TeredoDissector()
    assert seen("echo-test-reply", dissector).kind == "data"
    seen("echo-test-request", dissector)
    answer = seen("echo-test-reply", dissector)
    assert answer.kind == "echo-test-reply"
    assert answer.purpose == f"echo-test reply: proves that the relay at {RELAY} speaks for {NATIVE_HOST}"
    assert seen("neg-echo-test-reply-bad-nonce", dissector).kind == "data"


def test_the_two_sides_of_a_relay_bubble_are_told() -> None:
    assert seen("bubble-relay-linklocal").purpose.startswith(
        f"indirect bubble: the server shall tell {CLIENT_B_MAPPED} that a relay calls"
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("neg-auth-truncated", "authentication header runs past the end"),
        ("neg-origin-before-auth", "an authentication header behind another header: it must be the first"),
        ("neg-ra-bad-icmp6-checksum", "ICMPv6 checksum 954c is wrong"),
        ("neg-bubble-unknown-trailer-discard", "trailer of unknown type 0x41, which condemns the packet"),
        ("neg-bubble-altaddr-len-10", "alternate address trailer of 10 bytes"),
    ],
)
def test_what_is_broken_is_explained(name: str, reason: str) -> None:
    found = unenveloped(name)
    assert found is not None
    assert found.kind == "malformed"
    assert found.purpose.startswith(f"malformed: {reason}")


def test_without_an_envelope_it_says_what_only_the_envelope_tells() -> None:
    bubble, echo = unenveloped("bubble-direct"), unenveloped("echo-test-request")
    assert bubble is not None
    assert bubble.purpose.endswith("only the envelope tells")
    assert echo is not None
    assert echo.kind == "echo-request"


def test_what_is_not_teredo_is_left_to_others() -> None:
    stranger = Outer(ChannelKind.UDP, RELAY, CLIENT_B_MAPPED)
    assert TeredoDissector().dissect(b"GET / HTTP/1.1", stranger) is None
    assert TeredoDissector().dissect(PACKETS["bubble-direct"].payload, stranger._replace(kind=ChannelKind.RAW41)) is None


@pytest.mark.parametrize(
    "vector", [vector for vector in ADDRESSES if "fe80" not in vector["prefix"]], ids=lambda v: v["address"]
)
def test_an_address_is_taken_apart(vector: dict[str, str]) -> None:
    found = TeredoDissector().dissect_address(IPv6Address(vector["address"]))
    assert found is not None
    assert [field.value for field in found.fields][1:] == [
        vector["server_ipv4"],
        vector["flags"],
        str(vector["port"]),
        vector["client_ipv4"],
    ]
    assert ("which nothing routes" in found.purpose) == ("obsolete" in vector["prefix"])


def test_a_native_address_is_none_of_teredo() -> None:
    assert TeredoDissector().dissect_address(NATIVE_HOST) is None
    assert TeredoDissector().dissect_address(CLIENT_A) is not None
