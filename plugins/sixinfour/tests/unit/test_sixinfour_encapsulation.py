"""What leaves: the outer header as far as the Tunnel decides it, and what is not sent at all."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from random import Random
from typing import Any

import pytest
from tests.sixinfour_world import vectors
from tests.sixinfour_world.bench import Bench, network
from tests.sixinfour_world.vectors import CLIENT, CLIENT6, SERVER, TABLES

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.effects import CloseChannel, Failed, FailureCode, OpenChannel
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Down, Notice, PathDown, PathUp, Stopped, Up
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.status import PathUse
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings
from tunnelmgr_sixinfour.configured.tunnel import SixInFourTunnel
from tunnelmgr_sixinfour.constants import REOPEN_INTERVAL, UP_PATIENCE
from tunnelmgr_sixinfour.protocol41.addresses import link_local_for, link_local_of

NATIVE = IPv6Address("2001:db8:cafe::1")


def outward(**fields: Any) -> bytes:
    """A packet of this host's to a native one, with other fields as told."""
    packet = IPv6Packet(CLIENT6, NATIVE, IpProtocol.UDP, bytes(8))
    return replace(packet, **fields).serialize()


def sent(bench: Bench, packet: bytes) -> list[Datagram]:
    bench.sent.clear()
    bench.send(packet)
    return bench.sent


@pytest.mark.requirement("S-EN-001", "S-MT-003", "S-EC-001", "S-EC-004")
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("p41-udp-static-mtu", {"mtu": 1280}),
        ("p41-udp-dynamic-mtu", {}),
        ("p41-ecn-normal-ce", {"mtu": 1280, "ecn": "normal", "dscp_model": "uniform"}),
    ],
)
def test_a_vector_is_reproduced_byte_for_byte(name: str, settings: dict[str, Any]) -> None:
    bench = Bench(**settings)
    expected = vectors.outer(name)
    (datagram,) = sent(bench, expected.payload)
    (opened,) = bench.said_of(OpenChannel)
    made = IPv4Packet(
        opened.local.address,
        datagram.remote.address,
        IpProtocol.IPV6,
        datagram.data,
        ttl=datagram.ttl or opened.ttl,
        tos=datagram.tos,
        identification=0x1234,  # the kernel's to choose
        dont_fragment=opened.path_mtu_discovery,
    )
    assert made.serialize() == expected.serialize()


@pytest.mark.requirement("S-EC-001", "S-EC-004")
@pytest.mark.parametrize(
    ("settings", "tos"),
    [
        ({}, 0x00),
        ({"ecn": "normal"}, 0x03),
        ({"dscp": 10}, 0x28),
        ({"dscp": 10, "ecn": "normal"}, 0x2B),
        ({"dscp_model": "uniform"}, 0xB8),
        ({"dscp_model": "uniform", "ecn": "normal"}, 0xBB),
    ],
)
def test_the_outer_tos_octet_is_by_the_models_chosen(settings: dict[str, Any], tos: int) -> None:
    (datagram,) = sent(Bench(**settings), outward(traffic_class=0xBB))
    assert datagram.tos == tos


@pytest.mark.requirement("S-EN-002", "S-EN-003")
def test_local_address_and_ttl_are_the_administrators() -> None:
    (opened,) = Bench(local="192.0.2.7", ttl=9).said_of(OpenChannel)
    assert (opened.local, opened.ttl) == (Endpoint(IPv4Address("192.0.2.7"), 0), 9)
    (opened,) = Bench().said_of(OpenChannel)
    assert (opened.local, opened.ttl) == (Endpoint(CLIENT, 0), 64)


@pytest.mark.requirement("S-EN-004")
def test_the_hop_limit_is_the_forwarding_hosts_to_change() -> None:
    packet = outward(hop_limit=1)
    assert [datagram.data for datagram in sent(Bench(), packet)] == [packet]


@pytest.mark.parametrize(
    ("packet", "drop"),
    [
        (outward(source=NATIVE), "source"),
        (outward(source=IPv6Address("::")), "source"),
        (outward(destination=IPv6Address("2001:db8:1:2::77")), "destination"),
        (b"\x60" + bytes(30), "malformed"),
        (outward(next_header=IpProtocol.ICMPV6, payload=b"\x85\0" + bytes(6)), "discovery"),
    ],
)
def test_what_must_not_leave_is_dropped_and_counted(packet: bytes, drop: str) -> None:
    bench = Bench()
    assert not sent(bench, packet)
    assert bench.drops == {f"dropped-{drop}": 1}


ENVELOPE = IPv4Packet(CLIENT, SERVER, IpProtocol.IPV6, outward())
IN_ANOTHER_TUNNEL = outward(next_header=4, payload=ENVELOPE.serialize())


@pytest.mark.requirement("S-EN-005")
@pytest.mark.parametrize(
    "packet",
    [
        ENVELOPE.serialize(),
        IN_ANOTHER_TUNNEL,
        outward(next_header=IpProtocol.IPV6, payload=IN_ANOTHER_TUNNEL),
        outward(next_header=4, payload=replace(ENVELOPE, more_fragments=True).serialize()),
    ],
    ids=["by this device", "by a tunnel in the tunnel", "by two", "in fragments"],
)
def test_a_tunnel_that_is_routed_through_itself_refuses_its_own_packets_and_says_so_once(packet: bytes) -> None:
    bench = Bench()
    for _ in range(100):
        assert not sent(bench, packet)
    assert bench.drops == {"dropped-recursion": 100}
    (notice,) = bench.said_of(Notice)
    assert notice.code == "6in4.recursion"
    assert notice.text.startswith(f"the route to {SERVER} leads through this tunnel")


@pytest.mark.requirement("S-EN-005")
def test_another_tunnel_in_the_tunnel_is_none_of_its_own() -> None:
    other = replace(ENVELOPE, destination=IPv4Address("192.0.2.99")).serialize()
    assert sent(Bench(), outward(next_header=4, payload=other))


def test_the_lan_may_send_from_its_prefixes() -> None:
    bench = Bench(prefixes=["2001:db8:5::/48"])
    assert sent(bench, outward(source=IPv6Address("2001:db8:5:1::9")))


@pytest.mark.requirement("S-ND-001")
@pytest.mark.parametrize("row", TABLES["link_local"], ids=lambda row: str(row["ipv4"]))
def test_the_link_local_address_is_made_of_the_ipv4_address(row: dict[str, str]) -> None:
    assert link_local_of(IPv4Address(row["ipv4"])) == IPv6Address(row["address"])


@pytest.mark.requirement("S-ND-002")
def test_behind_a_nat_the_link_local_address_is_nobodys() -> None:
    made = {link_local_for(IPv4Address("192.168.1.2"), Random(seed)) for seed in range(100)}
    assert len(made) == 100
    assert all(address.is_link_local and int(address) & (1 << 57) == 0 for address in made)


@pytest.mark.requirement("S-ND-001", "S-ND-002")
@pytest.mark.parametrize(("source", "derived"), [("192.0.2.1", True), ("192.168.1.2", False)])
def test_a_host_that_finds_its_ipv4_address_later_has_the_link_local_address_of_it(source: str, derived: bool) -> None:
    bench = Bench(found=Network())
    bench.move(network(IPv4Address(source)))
    bench.reply()
    link_local = IPv6Address(str(bench.tunnel.status(0.0).facts["link_local"]))
    assert link_local != link_local_of(bench.settings.remote)
    assert (link_local == link_local_of(IPv4Address(source))) is derived
    (up,) = bench.said_of(Up)
    assert link_local in {address.ip for address in up.config.addresses}
    bench.move(network(IPv4Address("192.0.2.55")))
    assert bench.tunnel.status(0.0).facts["link_local"] == str(link_local), "the device keeps it"


def test_up_wishes_the_addresses_the_default_route_and_the_delegated_prefixes() -> None:
    bench = Bench(prefixes=["2001:db8:5::/48"], keepalive=None)
    (up,) = bench.said_of(Up)
    assert [str(address) for address in up.config.addresses] == ["2001:db8:1:2::2/64", "fe80::c000:201/64"]
    assert up.config.default_route
    assert not up.config.listening
    assert [str(prefix) for prefix in up.config.delegated] == ["2001:db8:5::/48"]
    assert up.probe == (bench.settings.far,)
    assert up.details == {"remote": str(SERVER), "local": str(CLIENT)}


def test_the_paths_let_pass_no_more_than_the_tunnel_does() -> None:
    far, internet, sixtofour = Bench(prefixes=["2001:db8:5::/48"], keepalive=None).said_of(PathUp)
    assert str(far.prefix) == "2001:db8:1:2::1/128"
    assert far.watch_echo
    assert str(internet.prefix) == "::/0"
    assert [str(prefix) for prefix in internet.ingress] == ["2001:db8:1:2::/64", "2001:db8:5::/48"]
    assert str(sixtofour.prefix) == "2002::/16"
    assert sixtofour.ingress[:2] == internet.ingress
    assert {"2002:a00::/24", "2002:c0a8::/32", "2002:e000::/20"} < {str(prefix) for prefix in sixtofour.ingress}
    assert str(internet.local) == "2001:db8:1:2::2/128"
    assert [str(prefix) for prefix in internet.local_also] == ["2001:db8:5::/48"]
    _, edge = Bench(SERVER, keepalive=None).said_of(PathUp)
    assert str(edge.prefix) == "2001:db8:1:3::/64"
    assert [str(prefix) for prefix in edge.local_except] == ["2001:db8:1:3::/64"], "RFC 6324: never straight back"


def test_without_the_ingress_filter_paths_refuse_nobody_and_an_edge_is_heard_whoever_sends() -> None:
    _, internet, _ = Bench(keepalive=None, ingress_filter=False).said_of(PathUp)
    assert internet.ingress == ()
    _, edge, others = Bench(SERVER, keepalive=None, ingress_filter=False).said_of(PathUp)
    assert (str(others.prefix), others.valid_for) == ("::/0", 0.0)
    assert edge.valid_for is None


def test_a_router_listens() -> None:
    (up,) = Bench(SERVER, keepalive=None).said_of(Up)
    assert up.config.listening
    assert up.config.forwarding
    assert not up.config.default_route


def test_without_routes_the_far_end_alone_is_reached() -> None:
    bench = Bench(routes=[], keepalive=None)
    (up,), (path,) = bench.said_of(Up), bench.said_of(PathUp)
    assert up.config.routes == ()
    assert up.config.listening
    assert path.prefix == IPv6Network(bench.settings.far)
    assert not sent(bench, outward(destination=IPv6Address("2001:db8:1:2::77")))
    assert sent(bench, outward(destination=bench.settings.far))


def test_without_keepalive_nothing_is_sent_by_itself() -> None:
    bench = Bench(keepalive=None)
    bench.wake_until(10_000.0)
    assert not bench.sent
    assert bench.tunnel.next_timeout() is None


@pytest.mark.requirement("S-ND-006")
@pytest.mark.parametrize(("settings", "count"), [({}, 10), ({"keepalive": 20}, 30)])
def test_the_keepalive_interval_is_configurable_and_60_seconds_by_default(settings: dict[str, Any], count: int) -> None:
    bench = Bench(mtu=1280, **settings)
    bench.reply()
    requests = 0
    while bench.now < 599.0:
        due = bench.tunnel.next_timeout()
        assert due is not None
        bench.now = due
        bench.tunnel.handle_timeout(due)
        bench.turn()
        requests += len(bench.sent)
        bench.reply()
    assert requests - 1 in {count - 1, count}


NO_SUCH_ADDRESS = Failed(FailureCode.NOT_FOUND, "no such address")


def test_without_the_privilege_it_says_what_is_missing_and_gives_up() -> None:
    bench = Bench(refused=Failed(FailureCode.NO_PERMISSION, "opening raw41 channel: not permitted"))
    (down,) = bench.said_of(Down)
    assert down.permanent
    assert down.code is ExitCode.NO_PERMISSION
    assert "CAP_NET_RAW" in down.hint


def test_an_address_that_is_not_this_hosts_is_asked_for_again() -> None:
    bench = Bench(refused=NO_SUCH_ADDRESS, local="192.0.2.77")
    (down,) = bench.said_of(Down)
    assert not down.permanent
    assert "192.0.2.77" in down.hint
    assert bench.tunnel.next_timeout() == REOPEN_INTERVAL
    bench.wake_until(REOPEN_INTERVAL)
    opened, again = bench.said_of(OpenChannel)
    assert again.channel != opened.channel


def test_a_channel_that_cannot_be_had_is_complained_of_once() -> None:
    bench = Bench(refused=NO_SUCH_ADDRESS, local="192.0.2.77")
    bench.wake_until(12 * REOPEN_INTERVAL)
    assert len(bench.said_of(OpenChannel)) == 13
    assert len(bench.said_of(Down)) == 1
    bench.refused = Failed(FailureCode.NOT_FOUND, "too many open files")
    bench.wake_until(13 * REOPEN_INTERVAL)
    assert [down.reason for down in bench.said_of(Down)[1:]] == ["too many open files"], "another reason is news"
    bench.refused = None
    bench.wake_until(14 * REOPEN_INTERVAL + UP_PATIENCE)
    assert bench.said_of(Up)


def test_a_router_that_starts_without_ipv4_listens_as_soon_as_it_has_an_address() -> None:
    bench = Bench(SERVER, found=Network())
    assert bench.said_of(Down)
    bench.move(network(SERVER))
    bench.wake_until(1.0)
    assert bench.said_of(Up)


def test_a_host_without_ipv4_is_told_so() -> None:
    settings = SixInFourSettings.model_validate({"remote": str(SERVER), "address": f"{CLIENT6}/64"})
    tunnel = SixInFourTunnel(settings, Random(1))
    tunnel.start(0.0, Network(), {})
    (down,) = tunnel.outbox.drain_events()
    assert isinstance(down, Down)
    assert down.reason == "this host has no IPv4 address to send from"


def test_a_new_address_opens_another_channel_and_keeps_the_device() -> None:
    bench = Bench()
    bench.reply()
    bench.wake_until(2.0, answering=1480)
    before = bench.said_of(Up)
    bench.said.clear()
    bench.tunnel.network_changed(network(IPv4Address("192.0.2.55")), 3.0)
    bench.turn()
    (opened,) = bench.said_of(OpenChannel)
    assert str(opened.local.address) == "192.0.2.55"
    assert bench.said_of(CloseChannel)
    assert {path.channel for path in bench.said_of(PathUp)} == {opened.channel}
    assert not bench.said_of(Down)
    assert before
    assert not bench.said_of(Up), "nothing on the device changes"


def test_stopping_takes_back_the_paths_and_closes_the_channel() -> None:
    bench = Bench(keepalive=None)
    bench.said.clear()
    bench.tunnel.stop(1.0)
    bench.turn()
    assert len(bench.said_of(PathDown)) == 3
    assert isinstance(bench.said[-1], Stopped)
    assert bench.tunnel.status(1.0).state == "stopped"


def test_the_status_tells_both_ends_and_when_they_were_heard() -> None:
    bench = Bench()
    bench.reply()
    prefix = bench.said_of(PathUp)[0].prefix if bench.said_of(PathUp) else None
    assert prefix is not None
    bench.tunnel.paths_used([PathUse(prefix, 4.0, 6.0, 1, 100, 1, 100)], 7.0)
    status = bench.tunnel.status(8.0)
    assert status.state == "established"
    assert status.facts["remote"] == str(SERVER)
    assert status.facts["behind_nat"] is False
    (peer,) = status.peers
    assert (peer.endpoint, peer.path, peer.last_received, peer.last_sent) == (str(SERVER), "direct", 4.0, 2.0)


def test_it_has_no_commands() -> None:
    with pytest.raises(TunnelError, match="'dance'"):
        Bench().tunnel.command("dance", {}, 0.0)
