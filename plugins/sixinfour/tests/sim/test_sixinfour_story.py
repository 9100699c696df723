"""Both ends on the simulated internet, run by the pump and the forwarding table that ship."""

from ipaddress import IPv6Address

import pytest
from tests.sixinfour_world.ends import (
    FAR,
    FAR6,
    HOME,
    HOME6,
    NOTICED,
    SITE,
    add_far,
    add_home,
    far_end,
    home_end,
    is_trusted,
    reason,
    tunnel,
)

from tunnelmgr.api.events import PathDown, PathUp, PeerSilent, Up
from tunnelmgr.api.packets.icmpv6 import parse_icmpv6
from tunnelmgr.api.packets.icmpv6_errors import PacketTooBig
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.simulated import Internet, SimulatedHost
from tunnelmgr.lab.vocabulary import Link, Nat
from tunnelmgr_sixinfour.constants import KEEPALIVE_INTERVAL, LARGE_INTERVAL, PATH_MTU_AGE


@pytest.mark.parametrize("data_plane", [True, False])
def test_two_ends_come_up_and_carry(data_plane: bool) -> None:
    internet = Internet(data_plane=data_plane)
    home, far = add_home(internet), add_far(internet)
    native = internet.ipv6_host("2001:db8:6::1")
    internet.run(3)
    assert is_trusted(home)
    assert is_trusted(far)
    pings = [home.send_ping(to=far), far.send_ping(to=home), home.send_ping(to=native)]
    internet.run(1)
    assert all(ping.answered for ping in pings)


def test_the_first_word_tells_the_mtu() -> None:
    internet = Internet()
    home = add_home(internet, link=Link(delay=0.05))
    add_far(internet)
    internet.run(10)
    ups = [event for event in home.events if isinstance(event, Up)]
    assert [up.config.mtu for up in ups] == [1480]


@pytest.mark.parametrize("order", ["home", "far"])
@pytest.mark.parametrize("gap", [0.5, 7.0, 100.0, 4000.0])
def test_the_ends_may_start_in_any_order_with_any_gap(order: str, gap: float) -> None:
    internet = Internet(icmp_errors=True)
    home = add_home(internet, start_at=0.0 if order == "home" else gap)
    far = add_far(internet, start_at=0.0 if order == "far" else gap)
    internet.run(gap)
    assert internet.run_until(lambda: is_trusted(home) and is_trusted(far), within=6.0)
    ping = home.send_ping(to=far)
    internet.run(1)
    assert ping.answered


def test_a_silent_far_end_is_never_said_to_be_up() -> None:
    internet = Internet()
    home = add_home(internet)
    internet.run(16)
    assert not is_trusted(home)
    assert reason(home) == PeerSilent(
        f"no protocol 41 comes back from {FAR}",
        f"start the far end, tell it this host's address {HOME}, and let firewalls pass protocol 41",
    )
    internet.run(600)
    assert sum(isinstance(event, PeerSilent) for event in home.events) == 1, "said once"


def test_a_far_end_without_protocol_41_is_named() -> None:
    internet = Internet(icmp_errors=True)
    home = add_home(internet)
    add_far(internet, start_at=3600.0)
    internet.run(16)
    assert reason(home).reason == f"{FAR} speaks no protocol 41 (protocol unreachable, says {FAR})"
    assert reason(home).hint == "start the tunnel at the far end"


@pytest.mark.requirement("S-SE-006")
def test_a_nat_that_forwards_protocol_41_carries_the_tunnel_for_hours() -> None:
    internet = Internet()
    site = internet.site(Nat(), address=HOME)
    home = add_home(internet, behind=site, address=None)
    far = add_far(internet)
    internet.run(3)
    assert is_trusted(home)
    assert is_trusted(far)
    internet.run(3 * 3600)
    ping = far.send_ping(to=home)
    internet.run(1)
    assert ping.answered, "the keepalive kept the NAT's entry, which lives 600 s without use"


@pytest.mark.requirement("S-ND-002")
def test_behind_nats_the_link_local_addresses_of_both_ends_differ() -> None:
    internet = Internet()
    ends = [
        internet.add(home_end(), name="home", behind=internet.site(Nat(), address=HOME)),
        internet.add(far_end(), name="far", behind=internet.site(Nat(), address=FAR)),
    ]
    assert len({end.address for end in ends}) == 1
    internet.run(2)
    assert len({end.status().facts["link_local"] for end in ends}) == 2
    assert all(is_trusted(end) for end in ends), "each opened its NAT for the other"


@pytest.mark.requirement("S-SE-006")
@pytest.mark.parametrize(
    ("lan", "advice"),
    [
        ("192.168.1.0/24", "let the router forward protocol 41 to 192.168.1.2 and tell the far end the router's address"),
        ("100.64.0.0/24", "use teredo: protocol 41 does not pass such a NAT"),
    ],
)
def test_a_nat_that_drops_protocol_41_is_suspected_with_the_right_advice(lan: str, advice: str) -> None:
    internet = Internet()
    site = internet.site(Nat(passes_protocol41=False), address=HOME, lan=lan)
    home = add_home(internet, behind=site, address=None)
    add_far(internet)
    internet.run(30)
    assert not is_trusted(home)
    assert "behind" in reason(home).reason
    assert advice in reason(home).hint


@pytest.mark.requirement("S-ND-004")
def test_the_tunnel_is_down_after_three_losses_and_up_after_one_answer() -> None:
    internet = Internet()
    home, far = add_home(internet), add_far(internet)
    internet.run(3)
    far.kill()
    internet.run(NOTICED - 4)
    assert is_trusted(home)
    internet.run(3)
    assert not is_trusted(home)
    assert home.up, "addresses and device stay"
    far.restart()
    assert internet.run_until(lambda: is_trusted(home), within=6)


def test_the_paths_of_a_far_end_that_fell_silent_are_taken_back_once() -> None:
    internet = Internet()
    home, far = add_home(internet), add_far(internet)
    internet.run(3)
    far.kill()
    internet.run(600)
    assert sum(isinstance(event, PeerSilent) for event in home.events) == 1
    paths = {event.prefix for event in home.events if isinstance(event, PathUp)}
    assert sorted(event.prefix for event in home.events if isinstance(event, PathDown)) == sorted(paths)


def test_one_way_traffic_is_told_from_silence() -> None:
    internet = Internet()
    home, far = add_home(internet), add_far(internet)
    internet.run(3)
    home.set_links(up=Link(loss=frozenset(range(1000))))
    internet.run(100)
    assert not is_trusted(home)
    assert "although 192.0.2.80 sends protocol 41" in reason(home).reason
    assert far.status().state == "silent"


@pytest.mark.requirement("S-MT-004", "S-MT-006")
def test_a_path_that_shrinks_is_followed_and_the_senders_are_told() -> None:
    internet = Internet(icmp_errors=True)
    home, far = add_home(internet), add_far(internet)
    native = internet.ipv6_host("2001:db8:6::1")
    internet.run(3)
    home.set_links(down=Link(mtu=1400), up=Link(mtu=1400))
    native.send_ping(home.ipv6_address, size=1400)
    internet.run(1)
    assert far.config is not None
    assert far.config.mtu == 1380
    native.send_ping(home.ipv6_address, size=1400)
    internet.run(1)
    told = [parse_icmpv6(one.packet) for one in native.received]
    assert [message.mtu for message in told if isinstance(message, PacketTooBig)] == [1380, 1380], "by both ways to know"
    ping = native.send_ping(home.ipv6_address, size=1300)
    internet.run(1)
    assert ping.answered


@pytest.mark.requirement("S-MT-011")
@pytest.mark.parametrize(("mtu", "tunnel"), [(1500, 1480), (1492, 1472), (1480, 1460), (1400, 1380), (1300, 1280)])
def test_the_mtu_is_found_without_any_icmp(mtu: int, tunnel: int) -> None:
    internet = Internet()
    home = add_home(internet, link=Link(mtu=mtu))
    add_far(internet)
    internet.run(30)
    assert home.config is not None
    assert home.config.mtu <= tunnel
    assert home.config.mtu >= tunnel - 40, "the next smaller size that is tried"
    assert home.status().facts["dont_fragment"] is True


@pytest.mark.requirement("S-MT-010", "S-MT-011")
@pytest.mark.parametrize("moment", [3, 8, 13, 30, 58, 63, 300])
@pytest.mark.parametrize("path", [1400, 1290])
def test_a_black_hole_is_noticed_within_30_seconds_of_use_and_left_again(moment: int, path: int) -> None:
    internet = Internet()
    home, far = add_home(internet), add_far(internet)
    internet.run(2)
    use(internet, home, far, seconds=moment)
    home.set_links(up=Link(mtu=path))
    use(internet, home, far, seconds=30)
    assert home.config is not None
    assert home.config.mtu == 1280
    assert home.status().facts["dont_fragment"] is False
    assert home.notices.count("6in4.black-hole") == 1
    ping = home.send_ping(to=far, size=1200)
    internet.run(1)
    assert ping.answered
    home.set_links(up=Link())
    internet.run(PATH_MTU_AGE + 2 * LARGE_INTERVAL)
    assert home.config.mtu == 1480
    assert home.status().facts["dont_fragment"] is True


def use(internet: Internet, home: SimulatedHost, far: SimulatedHost, seconds: int) -> None:
    """Let the home send a large packet a second, whether it is answered or not."""
    for _ in range(seconds):
        home.send_ping(to=far, size=1400)
        internet.run(1)


def test_an_idle_tunnel_hears_of_a_black_hole_with_its_keepalive() -> None:
    internet = Internet()
    home = add_home(internet)
    add_far(internet)
    internet.run(3)
    home.set_links(up=Link(mtu=1400))
    internet.run(NOTICED)
    assert home.notices.count("6in4.black-hole") == 1


def test_ends_that_were_used_come_to_rest_again() -> None:
    """What each answers the other is no use that would have it ask again."""
    internet = Internet()
    home, far = add_home(internet), add_far(internet)
    internet.run(2)
    use(internet, home, far, seconds=40)
    internet.run(KEEPALIVE_INTERVAL)
    before = [end.status().counters["packets-sent"] for end in (home, far)]
    internet.run(10 * KEEPALIVE_INTERVAL)
    sent = [end.status().counters["packets-sent"] - count for end, count in zip((home, far), before, strict=True)]
    assert sent == [20, 20], "a small and a large request a minute"


@pytest.mark.requirement("S-MT-004")
def test_below_1300_packets_are_left_to_be_fragmented() -> None:
    internet = Internet()
    home = add_home(internet, link=Link(mtu=1200))
    far = add_far(internet)
    internet.run(60)
    assert home.status().facts["dont_fragment"] is False
    assert home.config is not None
    assert home.config.mtu == 1280
    ping = home.send_ping(to=far, size=1200)
    internet.run(1)
    assert ping.answered


def test_a_new_address_moves_the_tunnel_and_keeps_what_is_configured() -> None:
    internet = Internet()
    home, far = add_home(internet), add_far(internet, remote="203.0.113.99")
    internet.run(20)
    assert not is_trusted(home)
    before = home.config
    home.change_address("203.0.113.99")
    assert internet.run_until(lambda: is_trusted(home) and is_trusted(far), within=6)
    assert home.config is not None
    assert before is not None
    assert home.config.addresses == before.addresses
    assert "6in4.address" in home.notices
    ping = home.send_ping(to=far)
    internet.run(1)
    assert ping.answered


def test_a_host_without_a_network_says_so_and_comes_back() -> None:
    internet = Internet()
    home = add_home(internet)
    add_far(internet)
    internet.run(3)
    home.lose_default_route()
    internet.run(1)
    assert not is_trusted(home)
    assert reason(home).reason == "this host has no IPv4 address to send from"
    assert sum(isinstance(event, PathDown) for event in home.events) == 3, "nothing is carried by a channel that is gone"
    home.restore_default_route()
    assert internet.run_until(lambda: is_trusted(home), within=6)


def test_packets_for_nobody_on_the_link_do_not_travel_in_circles() -> None:
    internet = Internet()
    home, far = add_home(internet), add_far(internet)
    native = internet.ipv6_host("2001:db8:6::1")
    internet.run(3)
    native.send_ping(IPv6Address("2001:db8:41::77"))
    internet.run(1)
    assert far.status().counters["dropped-destination"] == 1
    assert "dropped-destination" not in home.status().counters


LOST = "2001:db8:7::/48"


@pytest.mark.requirement("S-SE-005")
@pytest.mark.parametrize(
    ("routes", "source", "drop"),
    [
        ([SITE], "2001:db8:6::1", "dropped-ingress"),
        ([SITE, LOST], "2001:db8:5::66", "dropped-destination"),
        ([SITE], "2001:db8:5::66", None),
    ],
    ids=["the sender is not from there", "each holds the other for the way", "forged, and the way back is native"],
)
def test_a_loop_of_two_tunnel_routers_ends_at_its_first_repeat_or_with_the_hop_limit(
    routes: list[str], source: str, drop: str | None
) -> None:
    """RFC 6324: the near router sends LOST into the tunnel, and the IPv6 internet sends it to the near router."""
    internet = Internet()
    near = internet.add(
        tunnel(remote=FAR, address=f"{HOME6}/64", routes=[LOST], forward=True),
        name="near",
        address=HOME,
        gateway_of=[LOST],
        native_ipv6=True,
    )
    far = internet.add(
        tunnel(remote=HOME, address=f"{FAR6}/64", routes=routes, forward=True), name="far", address=FAR, native_ipv6=True
    )
    attacker = internet.ipv6_host("2001:db8:6::1")
    internet.run(3)
    packet = IPv6Packet(IPv6Address(source), IPv6Address("2001:db8:7::1"), IpProtocol.UDP, bytes(8), hop_limit=64)
    attacker.send_packet(packet.serialize())
    internet.run(60)
    received = [one.packet for end in (near, far) for one in end.received]
    hop_limits = [one.hop_limit for one in received if one.destination == packet.destination]
    if drop is None:
        assert sorted(hop_limits) == list(range(1, 65)), "each router takes one, the tunnel itself none"
    else:
        assert hop_limits == [64], "the near router's"
        assert far.status().counters[drop] == 1


def test_stopping_leaves_nothing_open() -> None:
    internet = Internet()
    home = add_home(internet)
    internet.run(3)
    home.stop()
    internet.run(1)
    assert not home.running
