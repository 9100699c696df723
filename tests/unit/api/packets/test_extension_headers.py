import pytest

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.extension_headers import FragmentHeader, RoutingHeader, UpperLayer, find_upper_layer
from tunnelmgr.api.packets.protocol import IpProtocol

UDP = IpProtocol.UDP


def options(next_header: int, extra_words: int = 0) -> bytes:
    """Hop-by-hop or destination options that are one PadN."""
    return bytes((next_header, extra_words, 1, 4 + 8 * extra_words)) + bytes(4 + 8 * extra_words)


def fragment(next_header: int, offset: int, more: bool) -> bytes:
    return bytes((next_header, 0)) + (offset | more).to_bytes(2, "big") + b"\xca\xfe\xba\xbe"


def test_without_extension_headers_the_upper_layer_is_at_the_start() -> None:
    assert find_upper_layer(UDP, b"") == UpperLayer(UDP, offset=0)


def test_the_order_rfc_8200_recommends_is_walked_to_its_end() -> None:
    routing = bytes((IpProtocol.FRAGMENT, 2, 2, 1)) + bytes(20)
    authentication = bytes((IpProtocol.DESTINATION_OPTIONS, 4)) + bytes(22)
    payload = (
        options(IpProtocol.DESTINATION_OPTIONS, extra_words=1)
        + options(IpProtocol.ROUTING)
        + routing
        + fragment(IpProtocol.AUTHENTICATION, 0, more=True)
        + authentication
        + options(UDP)
        + b"udp header"
    )
    upper = find_upper_layer(IpProtocol.HOP_BY_HOP_OPTIONS, payload)
    assert payload[upper.offset :] == b"udp header"
    assert upper.protocol == UDP
    assert upper.fragment == FragmentHeader(0, more=True, identification=0xCAFEBABE)
    assert upper.begins_here
    assert upper.routing == (RoutingHeader(type=2, segments_left=1),)


def test_every_routing_header_is_reported() -> None:
    payload = bytes((43, 0, 0, 3, 0, 0, 0, 0)) + bytes((59, 0, 4, 0, 0, 0, 0, 0))
    assert find_upper_layer(43, payload).routing == ((0, 3), (4, 0))


def test_a_later_fragment_ends_the_walk_with_data() -> None:
    upper = find_upper_layer(IpProtocol.FRAGMENT, fragment(IpProtocol.DESTINATION_OPTIONS, 1232, more=False) + b"data")
    assert upper == UpperLayer(60, offset=8, fragment=FragmentHeader(1232, more=False, identification=0xCAFEBABE))
    assert not upper.begins_here


@pytest.mark.parametrize("protocol", [IpProtocol.ESP, IpProtocol.NO_NEXT_HEADER, 139])
def test_the_walk_ends_at_what_it_cannot_look_behind(protocol: int) -> None:
    assert find_upper_layer(IpProtocol.DESTINATION_OPTIONS, options(protocol) + bytes(8)) == UpperLayer(protocol, 8)


@pytest.mark.parametrize(
    ("next_header", "payload", "reason"),
    [
        (0, b"", "at byte 0"),
        (60, options(UDP, extra_words=1)[:-1], "16 bytes"),
        (44, fragment(UDP, 0, more=True)[:-1], "at byte 0"),
        (44, fragment(60, 0, more=True), "at byte 8"),
        (51, bytes((UDP, 255)) + bytes(6), "1028 bytes"),
        (60, options(0) + options(UDP), "behind another"),
        (44, fragment(44, 0, more=True) + fragment(UDP, 0, more=True), "second"),
        (60, options(60) * 17, "more than 16"),
    ],
)
def test_a_chain_that_is_wrong_is_refused(next_header: int, payload: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        find_upper_layer(next_header, payload)
