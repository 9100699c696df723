"""The pump's outside: timers, sleep, moves, the forwarding table, and the host's own IPv6."""

from ipaddress import IPv6Address, IPv6Network

import pytest

from tests.scripted_tunnel import ScriptedTunnel, endpoint, listener, say, script, send, udp, up
from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.events import Down, Notice, PathDown, PathUp, Stopped
from tunnelmgr.api.packets.icmp import EchoReply, EchoRequest
from tunnelmgr.api.packets.icmpv6 import icmpv6_packet, parse_icmpv6
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.lab.simulated import Internet, SimulatedHost
from tunnelmgr.lab.vocabulary import Link, NatKind

NET = "2001:db8:a::"
PORT = 4000


@pytest.fixture
def internet() -> Internet:
    return Internet()


@pytest.fixture
def host(internet: Internet) -> SimulatedHost:
    """A public host with UDP port 4000 open."""
    host = internet.add(listener(), address="192.0.2.1", name="host")
    internet.run(seconds=0)
    return host


@pytest.fixture
def peer(internet: Internet) -> SimulatedHost:
    peer = internet.add(listener(), address="192.0.2.2", name="peer")
    internet.run(seconds=0)
    return peer


def ping(source: str, destination: str) -> bytes:
    return icmpv6_packet(EchoRequest(7, 1, b"data"), IPv6Address(source), IPv6Address(destination)).serialize()


def wake_at(host: SimulatedHost, instant: float) -> None:
    script(host).wake_at = instant
    host.command("turn")


def test_a_tunnel_is_woken_exactly_when_it_asked_to_be(internet: Internet, host: SimulatedHost) -> None:
    wake_at(host, 12.5)
    internet.run(seconds=100)
    assert script(host).woken_at == [12.5]


def test_only_the_latest_wish_to_be_woken_counts(internet: Internet, host: SimulatedHost) -> None:
    wake_at(host, 5.0)
    wake_at(host, 8.0)
    internet.run(seconds=100)
    assert script(host).woken_at == [8.0]


def test_a_timeout_that_never_moves_on_is_an_error_and_no_endless_loop(internet: Internet) -> None:
    class Stuck(ScriptedTunnel):
        def next_timeout(self) -> float | None:
            return 1.0

    internet.add(Stuck(), name="stuck")
    with pytest.raises(RuntimeError, match="stuck was woken 1000 times at 1"):
        internet.run(seconds=2)


def test_a_tunnel_starts_when_it_is_to(internet: Internet) -> None:
    late = internet.add(listener(), start_at=3.0)
    internet.run(seconds=2.9)
    assert not late.running
    internet.run(seconds=0.1)
    assert late.running
    assert str(script(late).networks[0].source) == str(late.address)


def test_behind_a_nat_the_network_is_the_lan_with_the_nat_as_gateway(internet: Internet) -> None:
    host = internet.add(listener(), behind=NatKind.PORT_RESTRICTED)
    internet.run(seconds=0)
    (network,) = script(host).networks
    assert [str(local.address) for local in network.addresses] == ["192.168.1.2/24"]
    assert str(network.source) == "192.168.1.2"
    assert network.default_route is not None
    assert str(network.default_route.gateway) == "192.168.1.1"
    assert network.native_ipv6 is False


def test_losing_and_finding_the_default_route_is_told(internet: Internet, host: SimulatedHost) -> None:
    host.lose_default_route()
    host.restore_default_route()
    _, lost, found = script(host).networks
    assert (lost.default_route, lost.source) == (None, None)
    assert found == script(host).networks[0]


def test_a_new_address_is_told_and_used(internet: Internet, host: SimulatedHost, peer: SimulatedHost) -> None:
    host.change_address("192.0.2.77")
    send(host, b"hello", "192.0.2.2:4000")
    send(peer, b"to the old one", "192.0.2.1:4000")
    internet.run(seconds=1)
    assert str(script(host).networks[-1].source) == "192.0.2.77"
    assert [str(datagram.remote) for datagram in script(peer).datagrams] == ["192.0.2.77:4000"]
    assert script(host).datagrams == []


def test_a_host_that_moves_behind_a_nat_is_told_and_seen_from_there(
    internet: Internet, host: SimulatedHost, peer: SimulatedHost
) -> None:
    internet.move(host, behind=NatKind.FULL_CONE)
    send(host, b"hello", "192.0.2.2:4000")
    internet.run(seconds=1)
    assert str(script(host).networks[-1].source) == "192.168.1.2"
    assert [datagram.remote.address for datagram in script(peer).datagrams] == [host.public_address]


def test_what_is_on_its_way_to_a_host_that_moved_is_lost(internet: Internet, peer: SimulatedHost) -> None:
    host = internet.add(listener(), address="192.0.2.3", link=Link(delay=1.0))
    internet.run(seconds=0)
    send(peer, b"hello", "192.0.2.3:4000")
    internet.run(seconds=0.5)
    internet.move(host, address="192.0.2.3")
    internet.run(seconds=5)
    assert script(host).datagrams == []


def test_while_a_host_sleeps_it_hears_nothing_and_its_clock_stands_still(
    internet: Internet, host: SimulatedHost, peer: SimulatedHost
) -> None:
    wake_at(host, 10.0)
    internet.run(seconds=4)
    host.suspend()
    send(peer, b"lost", "192.0.2.1:4000")
    internet.run(seconds=100)
    assert script(host).woken_at == []
    host.resume()
    assert script(host).networks[-1].resumed
    assert host.now() == 4.0
    internet.run(seconds=6)
    assert script(host).woken_at == [10.0]
    assert script(host).datagrams == []


def test_up_and_down_are_followed(internet: Internet, host: SimulatedHost) -> None:
    internet.run(seconds=2)
    say(host, up(f"{NET}1/64"))
    internet.run(seconds=2)
    say(host, up(f"{NET}2/64"), Notice("scripted.moved", "moved"))
    assert (host.up, host.up_at, str(host.ipv6_address)) == (True, 2.0, f"{NET}2")
    assert host.notices == ["scripted.moved"]
    say(host, Down("no answer"))
    assert (host.up, host.up_at, host.config) == (False, None, None)
    assert [type(event).__name__ for event in host.events] == ["Up", "Up", "Notice", "Down"]


def test_a_host_answers_echo_requests_to_its_configured_address_only(internet: Internet, host: SimulatedHost) -> None:
    say(host, up(f"{NET}1/64"))
    script(host).outbox.deliver(ping(f"{NET}9", f"{NET}1"))
    script(host).outbox.deliver(ping(f"{NET}9", f"{NET}5"))
    host.command("turn")
    internet.run(seconds=0)
    (reply,) = [IPv6Packet.parse(packet) for packet in script(host).packets]
    assert parse_icmpv6(reply) == EchoReply(7, 1, b"data")
    assert (str(reply.source), str(reply.destination)) == (f"{NET}1", f"{NET}9")
    assert len(host.received) == 2


def test_packets_enter_the_tunnel_only_where_its_routes_lead(internet: Internet, host: SimulatedHost) -> None:
    say(host, up(f"{NET}1/64"))
    host.send_packet(ping(f"{NET}1", f"{NET}2"))
    host.send_packet(ping(f"{NET}1", "2001:db8:b::2"))
    say(host, up(f"{NET}1/64", default_route=True))
    host.send_packet(ping(f"{NET}1", "2001:db8:b::3"))
    internet.run(seconds=0)
    targets = [str(IPv6Packet.parse(packet).destination) for packet in script(host).packets]
    assert targets == [f"{NET}2", "2001:db8:b::3"]


def test_a_ping_needs_an_address_to_come_from(internet: Internet, host: SimulatedHost) -> None:
    with pytest.raises(ValueError, match="host has no IPv6 address"):
        host.send_ping(to=IPv6Address(f"{NET}2"))


def path(remote: str, valid_for: float | None = 30.0, *, prefix: str = f"{NET}2", local: str = f"{NET}1") -> PathUp:
    return PathUp(IPv6Network(prefix), endpoint(remote), "udp", valid_for, local=IPv6Network(local))


def test_a_path_carries_packets_both_ways_past_the_tunnel(
    internet: Internet, host: SimulatedHost, peer: SimulatedHost
) -> None:
    say(host, up(f"{NET}1/64"), path("192.0.2.2:4000"))
    host.send_packet(ping(f"{NET}1", f"{NET}2"))
    send(peer, ping(f"{NET}2", f"{NET}1"), "192.0.2.1:4000")
    internet.run(seconds=1)
    assert script(host).packets == []
    assert script(host).datagrams == []
    assert [IPv6Packet.parse(payload).next_header for payload in script(peer).payloads] == [58, 58]  # request and reply
    assert [one.carrier for one in host.received] == ["peer"]


def test_the_tunnel_hears_what_a_path_carried_when_it_is_next_woken(internet: Internet, host: SimulatedHost) -> None:
    say(host, up(f"{NET}1/64"), path("192.0.2.2:4000"))
    internet.run(seconds=1)
    host.send_packet(ping(f"{NET}1", f"{NET}2"))
    wake_at(host, 5.0)
    internet.run(seconds=10)
    (use,) = script(host).uses
    assert (use.sent_at, use.received_at, use.packets_sent) == (1.0, None, 1)


def test_a_path_that_is_gone_or_silent_too_long_gives_packets_back_to_the_tunnel(
    internet: Internet, host: SimulatedHost
) -> None:
    say(host, up(f"{NET}1/64"), path("192.0.2.2:4000", valid_for=30.0))
    internet.run(seconds=30)
    host.send_packet(ping(f"{NET}1", f"{NET}2"))
    say(host, path("192.0.2.2:4000", valid_for=None), PathDown(path("192.0.2.2:4000").prefix))
    host.send_packet(ping(f"{NET}1", f"{NET}2"))
    internet.run(seconds=1)
    assert len(script(host).packets) == 2


def test_without_the_data_plane_every_packet_goes_through_the_tunnel() -> None:
    internet = Internet(data_plane=False)
    host = internet.add(listener(), address="192.0.2.1")
    peer = internet.add(listener(), address="192.0.2.2")
    internet.run(seconds=0)
    say(host, up(f"{NET}1/64"), path("192.0.2.2:4000"))
    host.send_packet(ping(f"{NET}1", f"{NET}2"))
    send(peer, ping(f"{NET}2", f"{NET}1"), "192.0.2.1:4000")
    internet.run(seconds=1)
    assert len(script(host).packets) == 1
    assert len(script(host).datagrams) == 1


@pytest.mark.parametrize("data_plane", [True, False], ids=["table", "tunnel"])
def test_received_directly_means_in_a_datagram_of_the_senders_own(data_plane: bool) -> None:
    internet = Internet(data_plane=data_plane)
    names = ("alice", "bob", "relay")
    alice, bob, relay = (internet.add(Forwarder(udp()), name=name, behind=NatKind.FULL_CONE) for name in names)
    internet.run(seconds=0)
    say(alice, up(f"{NET}1/64"))
    say(bob, up(f"{NET}2/64"))
    send(bob, b"open", "192.0.2.200:1")  # opens Bob's NAT
    packet, outside = ping(f"{NET}1", f"{NET}2"), f"{bob.public_address}:{PORT}"
    send(relay, packet, outside)
    internet.run(seconds=1)
    assert len(bob.received_from(alice)) == 1
    assert not bob.received_directly_from(alice)
    send(alice, packet, outside)
    say(bob, path(f"{alice.public_address}:{PORT}", prefix=f"{NET}1", local=f"{NET}2"))
    internet.run(seconds=1)
    assert len(bob.received_from(alice)) == 2
    assert bob.received_directly_from(alice)


def test_a_packet_the_tunnel_kept_for_a_while_has_no_carrier(
    internet: Internet, host: SimulatedHost, peer: SimulatedHost
) -> None:
    packet = ping(f"{NET}1", f"{NET}2")
    send(peer, packet, "192.0.2.1:4000")
    internet.run(seconds=1)
    script(host).outbox.deliver(packet)
    host.command("turn")
    assert [one.carrier for one in host.received] == [None]


class Forwarder(ScriptedTunnel):
    """Delivers what arrives."""

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        super().receive_datagram(datagram, now)
        self.outbox.deliver(datagram.data)


def test_stopping_is_over_when_the_tunnel_says_so_and_its_last_words_are_sent(
    internet: Internet, peer: SimulatedHost
) -> None:
    def good_bye(tunnel: ScriptedTunnel) -> None:
        tunnel.outbox.say(Stopped())
        tunnel.outbox.send(Datagram("udp", b"good bye", endpoint("192.0.2.2:4000")))

    tunnel = listener()
    tunnel.on_stop = good_bye
    host = internet.add(tunnel)
    internet.run(seconds=1)
    host.stop()
    internet.run(seconds=1)
    assert script(peer).payloads == [b"good bye"]
    assert not host.running
    send(peer, b"too late", f"{host.address}:4000")
    internet.run(seconds=1)
    assert tunnel.datagrams == []


def test_a_killed_tunnel_hears_nothing_and_is_not_woken(
    internet: Internet, host: SimulatedHost, peer: SimulatedHost
) -> None:
    wake_at(host, 5.0)
    say(host, up(f"{NET}1/64"))
    host.kill()
    send(peer, b"hello", "192.0.2.1:4000")
    internet.run(seconds=10)
    assert (script(host).datagrams, script(host).woken_at, host.up) == ([], [], False)


def test_a_restarted_host_has_a_new_tunnel_on_the_same_ports(internet: Internet, peer: SimulatedHost) -> None:
    host = internet.add(lambda _: listener(), address="192.0.2.1")
    internet.run(seconds=0)
    first = script(host)
    host.restart()
    internet.run(seconds=0)
    send(peer, b"hello", "192.0.2.1:4000")
    internet.run(seconds=1)
    assert script(host) is not first
    assert script(host).payloads == [b"hello"]


def test_a_host_added_with_a_tunnel_cannot_be_restarted(host: SimulatedHost) -> None:
    with pytest.raises(ValueError, match="add a factory"):
        host.restart()


def test_two_hosts_cannot_have_one_name_or_one_address(internet: Internet, host: SimulatedHost) -> None:
    with pytest.raises(ValueError, match="there is a host host already"):
        internet.add(listener(), name="host")
    with pytest.raises(ValueError, match="in backbone is taken by host"):
        internet.add(listener(), name="other", address="192.0.2.1")
