"""The IPv6 internet: native hosts, gateways of prefixes, and a tunnel between."""

from ipaddress import IPv6Address

import pytest

from tests.scripted_tunnel import ScriptedTunnel, say, script, up
from tunnelmgr.api.events import Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.packets.icmpv6 import parse_icmpv6
from tunnelmgr.api.packets.icmpv6_errors import DestinationUnreachable, PacketTooBig
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.simulated import Internet, SimulatedHost
from tunnelmgr.lab.vocabulary import Link

TEREDO = "2001::/32"
CLIENT = IPv6Address("2001:0:c000:201::1")


@pytest.fixture
def internet() -> Internet:
    return Internet()


def gateway(internet: Internet, name: str = "relay", mtu: int = 1280) -> SimulatedHost:
    host = internet.add(ScriptedTunnel(Up(HostConfig(mtu=mtu, listening=True))), name=name, gateway_of=[TEREDO])
    internet.run(seconds=0)
    return host


def from_client(relay: SimulatedHost, packet: IPv6Packet) -> None:
    """Let the relay's Tunnel deliver a packet of the client's."""
    script(relay).outbox.deliver(packet.serialize())
    relay.command("turn")


def test_native_hosts_ping_each_other_in_the_time_of_their_links(internet: Internet) -> None:
    near, far = internet.ipv6_host(), internet.ipv6_host(link=Link(delay=0.05))
    ping = near.send_ping(to=far)
    internet.run(seconds=1)
    assert ping.round_trip == pytest.approx(0.1)
    assert (near.pings_answered, len(far.received)) == (1, 1)


def test_a_host_told_not_to_answers_no_echo(internet: Internet) -> None:
    near, far = internet.ipv6_host(), internet.ipv6_host()
    far.answers_echo = False
    near.send_ping(to=far)
    internet.run(seconds=1)
    assert (near.pings_answered, len(far.received)) == (0, 1)


def test_a_prefix_is_routed_into_its_gateways_tunnel_one_hop_older(internet: Internet) -> None:
    relay, native = gateway(internet), internet.ipv6_host()
    native.send_ping(to=CLIENT)
    internet.run(seconds=1)
    (packet,) = [IPv6Packet.parse(data) for data in script(relay).packets]
    assert (packet.source, packet.destination, packet.hop_limit) == (native.address, CLIENT, 63)


def test_what_the_gateways_tunnel_delivers_goes_out_natively_and_the_answer_comes_back(internet: Internet) -> None:
    relay, native = gateway(internet), internet.ipv6_host()
    from_client(relay, IPv6Packet(CLIENT, native.address, IpProtocol.UDP, bytes(8)))
    internet.run(seconds=1)
    (received,) = native.received
    assert (received.packet.source, received.packet.hop_limit) == (CLIENT, 63)


def test_a_packet_whose_hop_limit_ends_at_the_gateway_goes_no_further(internet: Internet) -> None:
    relay, native = gateway(internet), internet.ipv6_host()
    from_client(relay, IPv6Packet(CLIENT, native.address, IpProtocol.UDP, bytes(8), hop_limit=1))
    internet.run(seconds=1)
    assert native.received == []


def test_the_gateways_own_address_is_not_in_the_tunnel(internet: Internet) -> None:
    relay, native = gateway(internet), internet.ipv6_host()
    assert native.send_ping(to=relay).sent_at == 0.0
    assert relay.send_ping(to=native).target == native.address
    internet.run(seconds=1)
    assert (native.pings_answered, relay.pings_answered) == (1, 1)
    assert script(relay).packets == []


def test_a_packet_larger_than_the_tunnel_is_answered_with_its_mtu(internet: Internet) -> None:
    relay, native = gateway(internet), internet.ipv6_host()
    native.send_ping(to=CLIENT, size=1300)
    internet.run(seconds=1)
    assert script(relay).packets == []
    error = parse_icmpv6(native.received[0].packet)
    assert isinstance(error, PacketTooBig)
    assert error.mtu == 1280


def test_a_packet_larger_than_a_native_link_is_answered_with_its_mtu(internet: Internet) -> None:
    near, far = internet.ipv6_host(), internet.ipv6_host(link=Link(mtu=1400))
    near.send_ping(to=far, size=1400)
    internet.run(seconds=1)
    error = parse_icmpv6(near.received[0].packet)
    assert isinstance(error, PacketTooBig)
    assert error.mtu == 1400


def test_of_two_gateways_a_host_uses_its_nearest(internet: Internet) -> None:
    first, second = gateway(internet, "first"), gateway(internet, "second")
    native = internet.ipv6_host()
    native.send_ping(to=CLIENT)
    internet.run(seconds=1)
    native.prefer(second.inner.native)
    native.send_ping(to=CLIENT)
    native.send_ping(to=CLIENT)
    internet.run(seconds=1)
    assert (len(script(first).packets), len(script(second).packets)) == (1, 2)


def test_an_address_nobody_has_is_unreachable_with_icmp_errors_and_silent_without() -> None:
    for icmp_errors in (True, False):
        internet = Internet(icmp_errors=icmp_errors)
        native = internet.ipv6_host()
        native.send_ping(to=CLIENT)
        internet.run(seconds=1)
        errors = [parse_icmpv6(received.packet) for received in native.received]
        assert [isinstance(error, DestinationUnreachable) for error in errors] == [True] * icmp_errors


def test_a_host_with_native_ipv6_says_so_and_prefers_it(internet: Internet) -> None:
    host = internet.add(ScriptedTunnel(), native_ipv6="2001:db8:f::1")
    native = internet.ipv6_host()
    internet.run(seconds=0)
    say(host, up("2001:db8:a::1/64", default_route=True))
    host.send_ping(to=native)
    internet.run(seconds=1)
    assert script(host).networks[0].native_ipv6 is True
    assert host.pings_answered == 1
    assert str(native.received[0].packet.source) == "2001:db8:f::1"
