from ipaddress import IPv4Address, IPv6Address

import pytest
from tests.teredo_world import vectors
from tests.teredo_world.vectors import NONCE, PACKETS

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr_teredo.wire.datagram import (
    Authentication,
    OriginIndication,
    Payload,
    SharedSecret,
    bubble,
    is_bubble,
    with_trailers,
)
from tunnelmgr_teredo.wire.trailers import (
    AlternateAddresses,
    Discovery,
    NeighbourDiscovery,
    NonceTrailer,
    RandomPort,
    UnknownTrailer,
    parse_trailers,
    serialize_trailers,
)

MALFORMED = {"neg-data-truncated", "neg-data-version4", "neg-auth-truncated", "neg-origin-before-auth", "neg-empty"}
CONDEMNED = {"neg-bubble-altaddr-len-10", "neg-bubble-altaddr-5-entries", "neg-bubble-unknown-trailer-discard"}
SECRET = SharedSecret(b"alice", b"correct horse battery")


@pytest.mark.requirement("T-PK-001", "T-PK-004")
@pytest.mark.parametrize("name", sorted(PACKETS.keys() - MALFORMED))
def test_every_well_formed_vector_is_read_and_written_again(name: str) -> None:
    payload = Payload.parse(PACKETS[name].payload)
    assert payload.serialize() == PACKETS[name].payload


@pytest.mark.requirement("T-PK-001", "T-PK-002", "T-PK-003", "T-PK-004")
@pytest.mark.requirement("T-PK-006", "T-EX-021")
@pytest.mark.parametrize("name", sorted(MALFORMED | CONDEMNED))
def test_every_malformed_vector_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        Payload.parse(PACKETS[name].payload).trailers()


@pytest.mark.requirement("T-PK-003")
@pytest.mark.parametrize("name", ["ra-primary", "bubble-indirect-nonce", "data-direct", "rs-secure-hmac-sha1"])
def test_no_beginning_of_a_datagram_is_taken_for_a_whole_one(name: str) -> None:
    whole = Payload.parse(PACKETS[name].payload)
    for length in range(len(PACKETS[name].payload) - len(whole.behind)):
        with pytest.raises(WireError):
            Payload.parse(PACKETS[name].payload[:length])


def test_the_origin_of_the_rfc_is_read() -> None:
    # RFC 4380 section 5.1.1: port 337 and address 1.2.3.4.
    origin = OriginIndication(Endpoint(IPv4Address("1.2.3.4"), 337))
    assert origin.serialize().hex() == "0000feaefefdfcfb"
    assert Payload.parse(PACKETS["bubble-origin-rfc-example"].payload).origin == origin


@pytest.mark.requirement("T-PK-008")
def test_a_bubble_is_an_ipv6_header_and_nothing_else() -> None:
    assert bubble(vectors.CLIENT_A, vectors.CLIENT_B) == PACKETS["bubble-direct"].payload
    assert bubble(vectors.CLIENT_A, IPv6Address("ff02::1"), hop_limit=1) == PACKETS["bubble-discovery"].payload
    assert is_bubble(IPv6Packet.parse(PACKETS["bubble-direct"].payload))
    assert not is_bubble(IPv6Packet.parse(PACKETS["data-direct"].payload))


@pytest.mark.requirement("T-PK-016")
@pytest.mark.parametrize("name", ["rs-secure-hmac-sha1", "ra-secure-hmac-sha1"])
def test_signatures_are_those_of_the_vectors(name: str) -> None:
    payload = Payload.parse(PACKETS[name].payload)
    assert SECRET.verifies(payload)
    assert SECRET.sign(payload.packet, NONCE, payload.origin) == payload


@pytest.mark.requirement("T-PK-016", "T-CL-024")
def test_a_signature_covers_nonce_confirmation_origin_and_packet() -> None:
    good = Payload.parse(PACKETS["ra-secure-hmac-sha1"].payload)
    header = good.authentication
    assert header is not None
    tampered = [
        Payload(good.packet, Authentication(bytes(8), header.client_id, header.value), good.origin),
        Payload(good.packet, Authentication(NONCE, header.client_id, header.value, confirmation=1), good.origin),
        Payload(good.packet, header, OriginIndication(Endpoint(IPv4Address("192.0.2.1"), 4097))),
        Payload(good.packet, header, None),
        Payload(good.packet[:-1] + b"\x01", header, good.origin),
        Payload(good.packet, Authentication(NONCE, b"bob", header.value), good.origin),
        Payload(good.packet, Authentication(NONCE, b"alice", b""), good.origin),
        Payload(good.packet, None, good.origin),
    ]
    assert [SECRET.verifies(payload) for payload in tampered] == [False] * len(tampered)


@pytest.mark.requirement("T-PK-005")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("data-with-trailer", (NonceTrailer(bytes.fromhex("01020304")),)),
        ("bubble-indirect-nonce", (NonceTrailer(bytes.fromhex("a1b2c3d4")),)),
        (
            "bubble-indirect-hairpin",
            (
                NonceTrailer(bytes.fromhex("a1b2c3d4")),
                AlternateAddresses(
                    (Endpoint(IPv4Address("192.168.1.10"), 4096), Endpoint(IPv4Address("198.51.100.50"), 4097))
                ),
            ),
        ),
        ("bubble-indirect-random-port", (NonceTrailer(bytes.fromhex("a1b2c3d4")), RandomPort(40001))),
        ("bubble-nd-solicit", (NeighbourDiscovery(Discovery.SOLICITATION),)),
        ("bubble-nd-advert", (NeighbourDiscovery(Discovery.ADVERTISEMENT),)),
    ],
)
def test_trailers_are_those_of_the_vectors(name: str, expected: tuple[NonceTrailer, ...]) -> None:
    payload = Payload.parse(PACKETS[name].payload)
    assert len(payload.packet) == 40 + int.from_bytes(payload.packet[4:6]), "what follows the packet is no part of it"
    assert payload.trailers() == expected
    assert with_trailers(payload.packet, *expected) == PACKETS[name].payload


@pytest.mark.requirement("T-PK-006")
def test_the_upper_bits_of_an_unknown_type_say_what_to_do() -> None:
    follows = NonceTrailer(b"abcd")
    for kind in set(range(256)) - {0x01, 0x03, 0x04, 0x05}:
        data = bytes((kind, 1, 0x55)) + serialize_trailers((follows,))
        if kind >> 6 == 0b01:
            with pytest.raises(WireError):
                parse_trailers(data)
        else:
            assert parse_trailers(data) == (UnknownTrailer(kind, b"\x55"), follows)


@pytest.mark.requirement("T-PK-007")
@pytest.mark.parametrize("bad", ["01", "01ff", "0103a1b2c3", "04020000", "0403000000", "0501aa", "0404020000"])
def test_reading_stops_at_a_malformed_trailer_and_keeps_what_came_before(bad: str) -> None:
    good = (RandomPort(1), NonceTrailer(b"abcd"))
    behind = serialize_trailers(good) + bytes.fromhex(bad) + serialize_trailers((RandomPort(2),))
    assert parse_trailers(behind)[:2] == good
    assert RandomPort(2) not in parse_trailers(behind)
