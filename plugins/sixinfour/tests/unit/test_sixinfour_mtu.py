"""How large packets may be, and what ICMPv4 errors do to that and to their senders."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from tests.sixinfour_world import vectors
from tests.sixinfour_world.bench import Bench, network
from tests.sixinfour_world.vectors import CLIENT6, SERVER6, TABLES

from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.events import Notice, PeerSilent, Up
from tunnelmgr.api.network import Network
from tunnelmgr.api.packets.icmpv6 import icmpv6_error, parse_icmpv6
from tunnelmgr.api.packets.icmpv6_errors import DestinationUnreachable, PacketTooBig, UnreachableCode
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr_sixinfour.constants import KEEPALIVE_INTERVAL, PATH_MTU_AGE, UNREACHABLE_STRIKES
from tunnelmgr_sixinfour.protocol41.path_mtu import PathMtu, plateau_below, sets_df, tunnel_mtu_of


@pytest.mark.parametrize("row", TABLES["mtu_dynamic"], ids=lambda row: str(row["ipv4_path_mtu"]))
@pytest.mark.requirement("S-MT-004")
def test_the_tunnel_mtu_and_df_follow_the_path(row: dict[str, Any]) -> None:
    assert tunnel_mtu_of(row["ipv4_path_mtu"]) == row["tunnel_mtu"]
    assert sets_df(row["ipv4_path_mtu"]) is row["df"]
    path = PathMtu(None)
    path.answered(1480)
    path.refused(row["ipv4_path_mtu"], 1501, 0.0)
    assert (path.tunnel_mtu, path.dont_fragment) == (row["tunnel_mtu"], row["df"])


def established(**settings: Any) -> Bench:
    """A tunnel whose far end has answered all sizes."""
    bench = Bench(**settings)
    bench.reply()
    bench.wake_until(2.0, answering=1480)
    bench.said.clear()
    return bench


def mtu(bench: Bench) -> int:
    ups = bench.said_of(Up)
    assert ups, "the MTU is news"
    return int(ups[-1].config.mtu)


def inner_of(data: bytes) -> Any:
    return parse_icmpv6(IPv6Packet.parse(data))


@pytest.mark.requirement("S-MT-001")
def test_the_mtu_is_the_least_until_the_far_end_has_answered_more() -> None:
    bench = Bench()
    bench.wake_until(1.0)
    assert mtu(bench) == 1280
    bench = Bench()
    bench.reply()
    assert mtu(bench) == 1480


@pytest.mark.requirement("S-MT-002", "S-MT-003", "S-MT-005")
def test_a_static_mtu_leaves_df_clear_and_learns_nothing() -> None:
    bench = established(mtu=1472)
    (up,) = Bench(mtu=1472, keepalive=None).said_of(Up)
    assert up.config.mtu == 1472
    assert not bench.tunnel.status(0.0).facts["dont_fragment"]
    bench.change(vectors.error("icmp4-frag-needed-1400"))
    assert not bench.said
    assert not bench.delivered
    (opened,) = Bench(mtu=1472).said_of(OpenChannel)
    assert not opened.path_mtu_discovery


@pytest.mark.requirement("S-IC-004", "S-MT-006")
def test_fragmentation_needed_becomes_packet_too_big() -> None:
    bench = established()
    bench.change(vectors.error("icmp4-frag-needed-1400"))
    assert mtu(bench) == 1380
    (answer,) = bench.delivered
    message = inner_of(answer)
    assert isinstance(message, PacketTooBig)
    assert message.mtu == 1380
    assert IPv6Packet.parse(answer).destination == CLIENT6


@pytest.mark.requirement("S-IC-004")
def test_the_packet_too_big_is_the_vectors_byte_for_byte() -> None:
    quote = vectors.error("icmp4-frag-needed-1400").quote
    answer = icmpv6_error(PacketTooBig(1380, quote), SERVER6)
    assert answer is not None
    assert answer.serialize() == vectors.inner("icmp6-ptb-from-1400")


@pytest.mark.parametrize(("name", "path"), [("icmp4-frag-needed-1200", 1200), ("icmp4-frag-needed-0", 1006)])
@pytest.mark.requirement("S-MT-004", "S-MT-009")
def test_a_path_below_1300_gets_another_channel_without_df(name: str, path: int) -> None:
    bench = established()
    bench.change(vectors.error(name))
    assert mtu(bench) == 1280
    (opened,) = bench.said_of(OpenChannel)
    assert not opened.path_mtu_discovery
    assert bench.tunnel.status(0.0).facts["path_mtu_bytes"] == path


@pytest.mark.requirement("S-MT-004")
@pytest.mark.parametrize("found", [network(IPv4Address("192.0.2.55")), replace(network(), resumed=True)])
def test_another_path_is_tried_with_df_since_fragments_would_prove_nothing(found: Network) -> None:
    bench = established()
    bench.change(vectors.error("icmp4-frag-needed-1200"))
    bench.said.clear()
    bench.sent.clear()
    bench.move(found)
    (opened,) = bench.said_of(OpenChannel)
    assert opened.path_mtu_discovery
    assert max(len(datagram.data) for datagram in bench.sent) == 1480
    assert {datagram.channel for datagram in bench.sent} == {opened.channel}


@pytest.mark.requirement("S-MT-010")
def test_what_was_learned_is_forgotten_after_ten_minutes() -> None:
    bench = established()
    bench.change(vectors.error("icmp4-frag-needed-1400"))
    bench.said.clear()
    bench.wake_until(PATH_MTU_AGE - 10.0, answering=1380)
    assert not bench.said_of(Up)
    bench.wake_until(PATH_MTU_AGE + 100.0, answering=1480)
    assert mtu(bench) == 1480


@pytest.mark.requirement("S-MT-007", "S-IC-001")
def test_an_error_about_a_packet_to_somebody_else_is_ignored() -> None:
    bench = established()
    bench.change(vectors.error("neg-icmp4-unknown-dst"))
    assert not bench.said
    assert not bench.delivered
    assert bench.tunnel.status(0.0).counters["icmp-ignored"] == 1


@pytest.mark.parametrize("value", [1, 67, 1460, 1500, 65535])
@pytest.mark.requirement("S-MT-008")
def test_an_mtu_that_cannot_be_is_ignored(value: int) -> None:
    bench = established()
    bench.change(replace(vectors.error("icmp4-frag-needed-1400"), mtu=value))
    assert not bench.said


def test_this_hosts_own_knowledge_needs_no_quote() -> None:
    bench = established()
    bench.change(replace(vectors.error("icmp4-frag-needed-1400"), mtu=1492, reporter=None, quote=b""))
    assert mtu(bench) == 1472
    bench.change(replace(vectors.error("icmp4-frag-needed-1400"), mtu=1400, quote=b"\x60"))
    assert mtu(bench) == 1472, "what a router says without a quote may be about anything"


@pytest.mark.parametrize(
    ("size", "plateau"), [(1500, 1492), (1492, 1006), (1460, 1006), (1006, 508), (68, 68), (9000, 8166)]
)
@pytest.mark.requirement("S-MT-009")
def test_the_plateau_is_the_next_below(size: int, plateau: int) -> None:
    assert plateau_below(size) == plateau


@pytest.mark.requirement("S-IC-002", "S-IC-003")
def test_unreachable_becomes_address_unreachable_and_a_notice() -> None:
    bench = established()
    bench.change(vectors.error("icmp4-host-unreachable"))
    (answer,) = bench.delivered
    message = inner_of(answer)
    assert isinstance(message, DestinationUnreachable)
    assert message.code is UnreachableCode.ADDRESS_UNREACHABLE
    assert [event.code for event in bench.said_of(Notice)] == ["6in4.icmp"]


@pytest.mark.requirement("S-IC-005")
@pytest.mark.parametrize("name", ["icmp4-quote-8", "icmp4-proto-unreachable"])
def test_a_quote_without_a_whole_header_tells_nobody_to_answer(name: str) -> None:
    bench = established()
    bench.change(vectors.error(name))
    assert not bench.delivered
    assert [event.code for event in bench.said_of(Notice)] == ["6in4.icmp"]
    assert bench.tunnel.status(0.0).counters["icmp-unreachable"] == 1


@pytest.mark.requirement("S-IC-005")
def test_icmpv6_errors_and_multicast_are_not_answered_with_errors() -> None:
    bench = established()
    event = vectors.error("icmp4-host-unreachable")
    about_error = bytearray(event.quote)
    about_error[6], about_error[40] = IpProtocol.ICMPV6, 1
    to_many = event.quote[:24] + bytes.fromhex("ff05") + bytes(14) + event.quote[40:]
    for quote in (bytes(about_error), to_many):
        bench.change(replace(event, quote=quote))
    assert not bench.delivered


@pytest.mark.requirement("S-IC-006")
def test_one_forged_error_changes_no_state_and_three_with_silence_do() -> None:
    bench = established()
    bench.change(vectors.error("icmp4-proto-unreachable"))
    bench.wake_until(KEEPALIVE_INTERVAL + 2.0, answering=1480)
    assert bench.tunnel.status(bench.now).state == "established"
    assert not bench.said_of(PeerSilent)
    for _ in range(UNREACHABLE_STRIKES):
        bench.change(vectors.error("icmp4-proto-unreachable"))
    assert bench.tunnel.status(bench.now).state == "established", "the answers count"
    bench.wake_until(2 * KEEPALIVE_INTERVAL + 20.0)
    assert bench.said_of(PeerSilent)


@pytest.mark.parametrize("name", ["icmp4-host-unreachable", "icmp4-frag-needed-1400"])
def test_an_error_that_quotes_a_strangers_packet_is_answered_to_nobody(name: str) -> None:
    """Anyone can forge it, and the answer would be ours."""
    bench = established()
    event = vectors.error(name)
    stranger = IPv6Address("2001:db8:dead::1").packed
    bench.change(replace(event, quote=event.quote[:8] + stranger + event.quote[24:]))
    assert not bench.delivered


@pytest.mark.requirement("S-IC-002")
def test_forged_errors_of_many_kinds_do_not_fill_the_log() -> None:
    bench = established()
    for number in range(1000):
        bench.now += 0.01
        bench.change(replace(vectors.error("icmp4-host-unreachable"), code=number % 6 + 5))
    assert len(bench.said_of(Notice)) == 1
    bench.now += 120.0
    bench.change(replace(vectors.error("icmp4-host-unreachable"), code=13))
    assert len(bench.said_of(Notice)) == 2, "later ones are told"


def test_errors_to_this_host_are_few_a_second() -> None:
    bench = established()
    for _ in range(100):
        bench.change(vectors.error("icmp4-host-unreachable"))
    assert len(bench.delivered) == 10


def test_source_quench_is_counted_alone() -> None:
    bench = established()
    bench.change(replace(vectors.error("icmp4-host-unreachable"), type=4, code=0))
    assert bench.tunnel.status(0.0).counters["icmp-ignored"] == 1
    assert not bench.said


@pytest.mark.requirement("S-IC-002")
def test_a_parameter_problem_is_told_and_answered_to_nobody() -> None:
    bench = established()
    bench.change(replace(vectors.error("icmp4-host-unreachable"), type=12, code=0))
    (notice,) = bench.said_of(Notice)
    assert notice.code == "6in4.icmp"
    assert "parameter problem" in notice.text
    assert not bench.delivered


@pytest.mark.requirement("S-MT-006")
def test_a_packet_that_is_too_large_is_answered_with_the_tunnel_mtu() -> None:
    bench = established()
    bench.send(IPv6Packet(CLIENT6, SERVER6, IpProtocol.UDP, bytes(1441)).serialize())
    assert bench.drops == {"dropped-too-big": 1}
    message = inner_of(bench.delivered[0])
    assert isinstance(message, PacketTooBig)
    assert message.mtu == 1480


def test_a_network_that_did_not_change_changes_nothing() -> None:
    bench = established()
    bench.tunnel.network_changed(network(), 3.0)
    bench.turn()
    assert not bench.said
