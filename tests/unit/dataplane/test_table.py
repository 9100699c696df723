"""The forwarding table lets pass what one entry fully authorises, and nothing else."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest

from tunnelmgr.api.events import EVERYWHERE, OuterTos, PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.ipv6 import with_traffic_class
from tunnelmgr.dataplane.table import ForwardingTable, ecn_is_plain

OURS = IPv6Address("2001:0:c000:201:0:efff:3fff:fdfe")
PEER = IPv6Address("2001:db8::1")
STRANGER = IPv6Address("2001:db8::bad")
RELAY = Endpoint(IPv4Address("198.51.100.1"), 3545)
RAW_RELAY = ("198.51.100.1", 3545)
UDP = 17


def packet(source: IPv6Address, destination: IPv6Address, *, next_header: int = UDP, payload: bytes = b"payload!") -> bytes:
    return b"\x60\0\0\0" + len(payload).to_bytes(2) + bytes([next_header, 64]) + source.packed + destination.packed + payload


def host_path(valid_for: float | None = 30.0) -> PathUp:
    return PathUp(IPv6Network(PEER), RELAY, "service", valid_for, local=IPv6Network(OURS))


@pytest.fixture
def table() -> ForwardingTable:
    table = ForwardingTable()
    table.add(host_path(), now=100.0)
    return table


def inward(table: ForwardingTable, data: bytes, *, now: float = 101.0, remote: tuple[str, int] = RAW_RELAY) -> bool:
    return table.inward("service", data, remote, now) is not None


def test_a_packet_of_the_path_goes_out_and_comes_in(table: ForwardingTable) -> None:
    path = table.outward(packet(OURS, PEER), 101.0)
    assert path is not None
    assert (path.channel, path.remote) == ("service", RAW_RELAY)
    assert inward(table, packet(PEER, OURS))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(packet(PEER, OURS, next_header=59, payload=b""), id="a bubble"),
        pytest.param(packet(PEER, OURS, next_header=0), id="hop-by-hop options"),
        pytest.param(packet(PEER, OURS, next_header=43), id="a routing header"),
        pytest.param(packet(PEER, OURS, next_header=44), id="a fragment"),
        pytest.param(packet(PEER, OURS, next_header=60), id="destination options"),
        pytest.param(packet(PEER, OURS, next_header=58, payload=b"\x86" + bytes(15)), id="a router advertisement"),
        pytest.param(packet(PEER, OURS, next_header=58, payload=b"\x89" + bytes(39)), id="a redirect"),
        pytest.param(packet(PEER, OURS) + b"\x01\x04abcd", id="a packet with trailers"),
        pytest.param(packet(PEER, OURS)[:-1], id="a truncated packet"),
        pytest.param(b"\0\1" + packet(PEER, OURS), id="an authentication header"),
        pytest.param(packet(STRANGER, OURS), id="a stranger's source"),
        pytest.param(packet(PEER, STRANGER), id="a destination that is not ours"),
        pytest.param(b"\x60" + bytes(38), id="39 bytes"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_needs_a_look_goes_to_the_tunnel(table: ForwardingTable, data: bytes) -> None:
    assert not inward(table, data)


def test_the_outer_source_must_be_the_remote_of_the_path(table: ForwardingTable) -> None:
    assert not inward(table, packet(PEER, OURS), remote=("198.51.100.1", 3546))
    assert not inward(table, packet(PEER, OURS), remote=("198.51.100.2", 3545))
    assert table.inward("other", packet(PEER, OURS), RAW_RELAY, 101.0) is None


@pytest.mark.parametrize("source", ["fe80::1", "ff02::1", "::1", "::", "::ffff:192.0.2.1"])
def test_martians_never_ride_even_the_path_to_everywhere(source: str) -> None:
    table = ForwardingTable()
    table.add(PathUp(EVERYWHERE, RELAY, "service", None), now=0.0)
    assert inward(table, packet(STRANGER, OURS))
    assert not inward(table, packet(IPv6Address(source), OURS))
    assert not inward(table, packet(STRANGER, IPv6Address(source)))
    assert table.outward(packet(OURS, IPv6Address(source)), 1.0) is None


def test_ingress_exclusions_are_refused_within_the_prefix() -> None:
    table = ForwardingTable()
    ours = IPv6Network("2001:db8:1::/48")
    table.add(PathUp(EVERYWHERE, RELAY, "service", None, ingress=(ours,)), now=0.0)
    assert inward(table, packet(IPv6Address("2001:db8:2::1"), OURS))
    assert not inward(table, packet(IPv6Address("2001:db8:1::1"), OURS)), "a packet from outside that claims our prefix"


def test_a_packet_from_another_of_our_addresses_is_not_sent(table: ForwardingTable) -> None:
    assert table.outward(packet(STRANGER, PEER), 101.0) is None


def test_a_silent_path_ends_and_reception_prolongs_it(table: ForwardingTable) -> None:
    assert table.outward(packet(OURS, PEER), 129.9)
    assert table.outward(packet(OURS, PEER), 130.0) is None, "30 s after it was entered, with nothing received"
    table.add(host_path(), now=100.0)
    assert inward(table, packet(PEER, OURS), now=129.0)
    assert table.outward(packet(OURS, PEER), 158.9), "sending alone does not prolong, the reception at 129 does"
    assert table.outward(packet(OURS, PEER), 159.0) is None
    assert not inward(table, packet(PEER, OURS), now=159.0)


def test_a_path_without_limit_never_ends() -> None:
    table = ForwardingTable()
    table.add(host_path(valid_for=None), now=0.0)
    assert table.outward(packet(OURS, PEER), 1e9)


def test_the_longest_prefix_wins_and_the_shorter_one_is_there_when_it_goes() -> None:
    table = ForwardingTable()
    table.add(PathUp(EVERYWHERE, RELAY, "everywhere", None), now=0.0)
    table.add(PathUp(IPv6Network("2001:db8::/32"), RELAY, "site", None), now=0.0)
    table.add(PathUp(IPv6Network(PEER), RELAY, "host", None), now=0.0)

    def channel() -> str | None:
        path = table.outward(packet(OURS, PEER), 1.0)
        return path.channel if path else None

    assert channel() == "host"
    table.remove(IPv6Network(PEER))
    assert channel() == "site"
    table.remove(IPv6Network("2001:db8::/32"))
    assert channel() == "everywhere"
    table.remove(EVERYWHERE)
    assert channel() is None
    assert len(table) == 0


def test_removing_a_prefix_leaves_the_host_of_the_same_address() -> None:
    table = ForwardingTable()
    prefix = IPv6Network("2001:db8::/64")
    table.add(PathUp(prefix, RELAY, "prefix", None), now=0.0)
    table.add(PathUp(IPv6Network("2001:db8::"), RELAY, "host", None), now=0.0)
    table.remove(prefix)
    path = table.outward(packet(OURS, IPv6Address("2001:db8::")), 1.0)
    assert path is not None
    assert path.channel == "host"


def test_entering_a_prefix_again_replaces_the_remote(table: ForwardingTable) -> None:
    other = Endpoint(IPv4Address("203.0.113.9"), 40000)
    table.add(PathUp(IPv6Network(PEER), other, "service", 30.0, local=IPv6Network(OURS)), now=100.0)
    assert len(table) == 1
    assert not inward(table, packet(PEER, OURS), remote=RAW_RELAY)
    assert inward(table, packet(PEER, OURS), remote=("203.0.113.9", 40000))


def test_the_use_of_a_path_that_ends_or_is_entered_anew_is_told_too(table: ForwardingTable) -> None:
    table.outward(packet(OURS, PEER), 101.0)
    table.add(host_path(), now=102.0)
    table.outward(packet(OURS, PEER), 103.0)
    table.remove(IPv6Network(PEER))
    assert [(use.sent_at, use.packets_sent) for use in table.uses()] == [(101.0, 1), (103.0, 1)]
    assert table.uses() == []


def test_use_is_told_once_with_instants_that_stay(table: ForwardingTable) -> None:
    table.outward(packet(OURS, PEER), 101.0)
    table.outward(packet(OURS, PEER), 102.0)
    inward(table, packet(PEER, OURS), now=103.0)
    [use] = table.uses()
    assert use.prefix == IPv6Network(PEER)
    assert (use.sent_at, use.packets_sent, use.bytes_sent) == (102.0, 2, 96)
    assert (use.received_at, use.packets_received, use.bytes_received) == (103.0, 1, 48)
    assert table.uses() == []
    table.outward(packet(OURS, PEER), 104.0)
    [use] = table.uses()
    assert (use.received_at, use.packets_received) == (103.0, 0)


def test_addresses_excepted_from_our_side_are_for_the_tunnel_to_judge() -> None:
    table = ForwardingTable()
    teredo, stranger_to_teredo = IPv6Network("2001::/32"), IPv6Address("2001:0:1::1")
    public = IPv6Network("2000::/3")
    table.add(PathUp(IPv6Network(OURS), RELAY, "service", 30.0, local=public, local_except=(teredo,)), now=100.0)
    assert inward(table, packet(OURS, PEER))
    assert table.outward(packet(PEER, OURS), 101.0)
    assert not inward(table, packet(OURS, stranger_to_teredo))
    assert not table.outward(packet(stranger_to_teredo, OURS), 101.0)
    assert not inward(table, packet(OURS, IPv6Address("fd00::1")))


def test_our_side_may_be_several_prefixes() -> None:
    table = ForwardingTable()
    site = IPv6Network("2001:db8:5::/48")
    table.add(PathUp(EVERYWHERE, RELAY, "service", None, local=IPv6Network(OURS), local_also=(site,)), now=100.0)
    assert inward(table, packet(PEER, OURS))
    assert inward(table, packet(PEER, IPv6Address("2001:db8:5::1")))
    assert table.outward(packet(IPv6Address("2001:db8:5::1"), PEER), 101.0)
    assert not inward(table, packet(PEER, STRANGER))


@pytest.mark.parametrize("next_header", [4, 41])
def test_a_tunnel_within_the_tunnel_is_for_the_tunnel_to_judge(table: ForwardingTable, next_header: int) -> None:
    assert not inward(table, packet(PEER, OURS, next_header=next_header))
    assert table.outward(packet(OURS, PEER, next_header=next_header), 101.0) is None


@pytest.mark.parametrize(
    ("tos", "octet"),
    [
        pytest.param(OuterTos(), 0, id="pipe, compatibility"),
        pytest.param(OuterTos(0x28), 0x28, id="pipe with a DSCP"),
        pytest.param(OuterTos(0x28, 0x03), 0x2B, id="pipe, normal"),
        pytest.param(OuterTos(0, 0xFC), 0xB8, id="uniform, compatibility"),
        pytest.param(OuterTos(0, 0xFF), 0xBB, id="uniform, normal"),
    ],
)
@pytest.mark.requirement("S-EC-001", "S-EC-004")
def test_the_outer_tos_octet_is_of_the_paths_own_or_inherited(tos: OuterTos, octet: int) -> None:
    table = ForwardingTable()
    table.add(PathUp(EVERYWHERE, RELAY, "service", None, tos=tos), now=100.0)
    sent = with_traffic_class(packet(OURS, PEER), 0xBB)
    path = table.outward(sent, 101.0)
    assert path is not None
    assert path.outer_tos(sent) == octet
    assert path.marks is (tos != OuterTos())


@pytest.mark.parametrize(
    ("tos", "inner", "outer", "delivered"),
    [
        pytest.param(OuterTos(), 0xBA, 0x03, 0xBB, id="congestion is passed on"),
        pytest.param(OuterTos(), 0xBA, 0x28, 0xBA, id="pipe keeps the inner DSCP"),
        pytest.param(OuterTos(0, 0xFC), 0xBA, 0x28, 0x2A, id="uniform copies the DSCP back"),
        pytest.param(OuterTos(), 0x02, 0x01, 0x01, id="ECT(1) outside is passed on"),
    ],
)
@pytest.mark.requirement("S-EC-002", "S-EC-004")
def test_what_came_in_takes_over_the_marks_of_its_outer_header(
    tos: OuterTos, inner: int, outer: int, delivered: int
) -> None:
    table = ForwardingTable()
    table.add(PathUp(EVERYWHERE, RELAY, "service", None, tos=tos), now=100.0)
    data = with_traffic_class(packet(PEER, OURS), inner)
    assert ecn_is_plain(data, outer)
    path = table.inward("service", data, RAW_RELAY, 101.0)
    assert path is not None
    assert path.marked(data, outer) == with_traffic_class(data, delivered)


@pytest.mark.parametrize(("inner", "outer"), [(0, 3), (0, 2), (0, 1), (1, 2), (3, 1)])
def test_suspicious_marks_are_for_the_tunnel_to_judge(inner: int, outer: int) -> None:
    assert not ecn_is_plain(with_traffic_class(packet(PEER, OURS), inner), outer)


def test_marks_on_something_without_a_traffic_class_change_nothing() -> None:
    assert ecn_is_plain(b"", 3)
    assert ecn_is_plain(b"\x60", 3)


@pytest.mark.parametrize(("watching", "icmpv6_type", "carried"), [(True, 129, False), (True, 128, True), (False, 129, True)])
def test_echo_replies_go_to_a_tunnel_that_watches_for_them(watching: bool, icmpv6_type: int, carried: bool) -> None:
    table = ForwardingTable()
    table.add(PathUp(EVERYWHERE, RELAY, "service", None, watch_echo=watching), now=100.0)
    assert inward(table, packet(PEER, OURS, next_header=58, payload=bytes([icmpv6_type]) + bytes(7))) is carried
