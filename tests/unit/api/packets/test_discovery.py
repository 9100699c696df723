from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network

import pytest

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.packets.discovery import (
    NeighbourAdvertisement,
    NeighbourSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
)
from tunnelmgr.api.packets.discovery_options import (
    LIFETIME_INFINITE,
    MtuOption,
    OtherOption,
    PrefixInformation,
    RouteInformation,
)
from tunnelmgr.api.packets.icmpv6 import parse_icmpv6
from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet

PREFIX = PrefixInformation(
    IPv6Network("2001:0:cb00:7178::/64"),
    on_link=False,
    autonomous=True,
    valid_lifetime=LIFETIME_INFINITE,
    preferred_lifetime=LIFETIME_INFINITE,
)
SOURCE_LINK_LAYER = OtherOption(1, bytes.fromhex("00005e005301"))


def inner(payload: bytes) -> IPv6Packet:
    """The IPv6 packet behind the authentication and origin headers of a Teredo server's answer."""
    return IPv6Packet.parse(payload[payload.index(bytes.fromhex("60000000")) :])


def test_the_answer_of_a_teredo_server_is_read(teredo: Callable[[str], bytes]) -> None:
    advertisement = parse_icmpv6(inner(teredo("ra-primary")))
    assert advertisement == RouterAdvertisement(retransmit_timer=2000, options=(PREFIX, MtuOption(1280)))
    assert advertisement.prefixes == (PREFIX,)
    assert advertisement.mtu == 1280


def test_an_advertisement_without_mtu_says_none(teredo: Callable[[str], bytes]) -> None:
    advertisement = parse_icmpv6(inner(teredo("ra-no-mtu-option")))
    assert isinstance(advertisement, RouterAdvertisement)
    assert (advertisement.mtu, advertisement.current_hop_limit) == (None, 64)
    assert advertisement.prefixes[0].on_link


def test_a_second_prefix_is_seen(teredo: Callable[[str], bytes]) -> None:
    advertisement = parse_icmpv6(inner(teredo("neg-ra-two-prefixes")))
    assert isinstance(advertisement, RouterAdvertisement)
    assert len(advertisement.prefixes) == 2


def test_a_mtu_below_the_minimum_is_left_to_the_receiver(teredo: Callable[[str], bytes]) -> None:
    advertisement = parse_icmpv6(inner(teredo("neg-ra-mtu-1279")))
    assert isinstance(advertisement, RouterAdvertisement)
    assert advertisement.mtu == 1279


@pytest.mark.parametrize(("name", "reason"), [("neg-ra-hoplimit-254", "254"), ("neg-ra-bad-icmp6-checksum", "checksum")])
def test_advertisements_from_afar_or_damaged_are_refused(teredo: Callable[[str], bytes], name: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        parse_icmpv6(inner(teredo(name)))


@pytest.mark.parametrize("name", ["rs-restricted-nonce", "rs-restricted-plain", "rs-windows-ll", "rs-cone"])
def test_teredo_clients_solicit_without_options(teredo: Callable[[str], bytes], name: str) -> None:
    assert parse_icmpv6(inner(teredo(name))) == RouterSolicitation()


def test_reachability_probes_of_a_tunnel_are_read(sixinfour: Callable[[str], bytes]) -> None:
    far_end = IPv6Address("fe80::cb00:7104")

    def message(name: str) -> object:
        return parse_icmpv6(IPv6Packet.parse(IPv4Packet.parse(sixinfour(name)).payload))

    assert message("p41-nud-ns") == NeighbourSolicitation(far_end)
    assert message("p41-nud-na") == NeighbourAdvertisement(far_end, router=True, solicited=True)
    probe = message("p41-nud-ns-slla")
    assert isinstance(probe, NeighbourSolicitation)
    assert [option.type for option in probe.options] == [1]


@pytest.mark.parametrize(
    ("prefix", "size"),
    [("::/0", 8), ("2001:db8::/32", 16), ("2001:db8::/64", 16), ("2001:db8::/65", 24), ("2001:db8::1/128", 24)],
)
def test_a_route_takes_as_much_room_as_its_prefix_needs(prefix: str, size: int) -> None:
    route = RouteInformation(IPv6Network(prefix), 1800, preference=3)
    advertisement = RouterAdvertisement(options=(PREFIX, route))
    assert len(route.serialize()) + 2 == size
    assert RouterAdvertisement.parse(0, advertisement.serialize()).routes == (route,)


@pytest.mark.parametrize("body", ["80000000070820010db8000000000000", "4000000007080000", "81" + "00" * 21])
def test_a_route_longer_than_its_room_is_refused(body: str) -> None:
    with pytest.raises(WireError):
        RouteInformation.parse(bytes.fromhex(body))


def test_unknown_options_are_kept_in_their_place() -> None:
    rdnss = OtherOption(25, bytes(22))  # RFC 8106
    advertisement = RouterAdvertisement(options=(SOURCE_LINK_LAYER, PREFIX, rdnss, MtuOption(1480)))
    assert RouterAdvertisement.parse(0, advertisement.serialize()) == advertisement


def test_prefix_bits_beyond_its_length_are_ignored() -> None:
    body = bytearray(PREFIX.serialize())
    body[-1] = 0xFF
    assert PrefixInformation.parse(bytes(body)) == PREFIX


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("0100000000000000", "of 0 bytes in 8"),
        ("0102000000000000", "of 16 bytes in 8"),
        ("05", "of 0 bytes in 1"),
        ("0504" + "00" * 30, "MTU option of 32"),
        ("0301" + "00" * 6, "prefix information option of 8"),
        ("030481" + "00" * 29, "prefix length 129"),
    ],
)
def test_broken_options_are_refused(options: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        RouterSolicitation.parse(0, bytes(4) + bytes.fromhex(options))


def test_codes_truncation_and_multicast_targets_are_refused() -> None:
    multicast = bytes(4) + IPv6Address("ff02::1").packed
    for message in (RouterSolicitation, RouterAdvertisement, NeighbourSolicitation, NeighbourAdvertisement):
        with pytest.raises(WireError, match="code 1"):
            message.parse(1, bytes(20))
        with pytest.raises(WireError, match="got 3"):
            message.parse(0, bytes(3))
    for message in (NeighbourSolicitation, NeighbourAdvertisement):
        with pytest.raises(WireError, match="multicast"):
            message.parse(0, multicast)


@pytest.mark.parametrize("size", [0, 7, 8, 2046])
def test_an_option_that_does_not_fill_words_cannot_be_made(size: int) -> None:
    with pytest.raises(WireError, match="multiple of 8"):
        OtherOption(200, bytes(size))
