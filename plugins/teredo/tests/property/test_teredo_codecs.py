from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.wire.address import TeredoAddress, is_teredo
from tunnelmgr_teredo.wire.datagram import Authentication, OriginIndication, Payload, bubble
from tunnelmgr_teredo.wire.trailers import (
    AlternateAddresses,
    Discovery,
    NeighbourDiscovery,
    NonceTrailer,
    RandomPort,
    Trailer,
    parse_trailers,
    serialize_trailers,
)

endpoints = st.builds(Endpoint, st.ip_addresses(v=4), st.integers(0, 65535))
addresses = st.builds(TeredoAddress, st.ip_addresses(v=4), st.integers(0, 65535), endpoints)
authentications = st.builds(
    Authentication,
    st.binary(min_size=8, max_size=8),
    st.binary(max_size=255),
    st.binary(max_size=255),
    st.integers(0, 255),
)
trailers = st.one_of(
    st.builds(NonceTrailer, st.binary(min_size=4, max_size=4)),
    st.builds(AlternateAddresses, st.lists(endpoints, min_size=1, max_size=4).map(tuple)),
    st.builds(NeighbourDiscovery, st.sampled_from(Discovery)),
    st.builds(RandomPort, st.integers(0, 65535)),
)


@given(addresses)
def test_addresses_survive_the_wire(address: TeredoAddress) -> None:
    assert is_teredo(address.ipv6)
    assert TeredoAddress.parse(address.ipv6) == address


@given(st.ip_addresses(v=6))
def test_any_address_is_a_teredo_address_or_refused(address: IPv6Address) -> None:
    try:
        assert TeredoAddress.parse(address).ipv6 == address
    except WireError:
        assert not is_teredo(address)


@given(st.none() | authentications, st.none() | st.builds(OriginIndication, endpoints), st.lists(trailers).map(tuple))
def test_payloads_survive_the_wire(
    authentication: Authentication | None, origin: OriginIndication | None, behind: tuple[Trailer, ...]
) -> None:
    packet = bubble(IPv6Address("2001::1"), IPv6Address("2001::2"))
    payload = Payload(packet, authentication, origin, serialize_trailers(behind))
    assert Payload.parse(payload.serialize()) == payload
    assert payload.trailers() == behind


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        payload = Payload.parse(data)
        payload.trailers()
    except WireError:
        return
    assert payload.serialize() == data


@given(st.binary(max_size=80))
def test_arbitrary_bytes_behind_a_packet_are_read_or_refused(data: bytes) -> None:
    try:
        found = parse_trailers(data)
    except WireError:
        return
    assert data.startswith(serialize_trailers(found)) or any(
        isinstance(one, AlternateAddresses | NeighbourDiscovery) for one in found
    )


@given(st.sampled_from([b"\x00\x01", b"\x00\x00", b"\x60"]), st.binary(max_size=120))
def test_bytes_that_begin_well_are_read_or_refused(start: bytes, rest: bytes) -> None:
    try:
        payload = Payload.parse(start + rest)
    except WireError:
        return
    assert payload.serialize() == start + rest
