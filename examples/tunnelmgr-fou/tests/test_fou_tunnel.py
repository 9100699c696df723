"""The verbs of one end: what goes in, what comes out."""

from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network

import pytest

from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import ANY, CloseChannel, Done, Failed, FailureCode, OpenChannel
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.events import EVERYWHERE, Down, PathDown, PathUp, Stopped, Up
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.status import PathUse
from tunnelmgr_fou.settings import FouSettings
from tunnelmgr_fou.tunnel import CHANNEL, REOPEN_INTERVAL, FouTunnel

PEER = Endpoint(IPv4Address("198.51.100.2"), 5555)
OURS, THEIRS = IPv6Address("2001:db8:f00::1"), IPv6Address("2001:db8:f00::2")
SETTINGS = FouSettings(peer=PEER.address, address=IPv6Interface(f"{OURS}/64"))
PACKET = IPv6Packet(THEIRS, OURS, IpProtocol.UDP, bytes(8)).serialize()
OPENING = OpenChannel(CHANNEL, ChannelKind.UDP, Endpoint(ANY.address, 5555))


def carrying(settings: FouSettings = SETTINGS, now: float = 0.0) -> FouTunnel:
    """Return a tunnel whose channel is open, with nothing left to drain."""
    tunnel = FouTunnel(settings)
    tunnel.start(now, Network(), {})
    tunnel.effect_done(OPENING, Done(PEER), now)
    tunnel.outbox.drain_events()
    return tunnel


def test_it_opens_its_port_and_then_everything_rides_one_path() -> None:
    tunnel = FouTunnel(SETTINGS)
    tunnel.start(0.0, Network(), {})
    assert tunnel.outbox.drain_events() == [OPENING]
    tunnel.effect_done(OPENING, Done(PEER), 0.1)
    path, up = tunnel.outbox.drain_events()
    assert path == PathUp(EVERYWHERE, PEER, CHANNEL, valid_for=None, ingress=(IPv6Network(OURS),))
    assert isinstance(up, Up)
    assert up.config.addresses == (SETTINGS.address,)
    assert up.config.default_route
    assert tunnel.next_timeout() is None


def test_a_prefix_behind_the_peer_is_a_route_and_no_default_route() -> None:
    prefix = IPv6Network("2001:db8:beef::/48")
    tunnel = FouTunnel(SETTINGS.model_copy(update={"prefix": prefix}))
    tunnel.start(0.0, Network(), {})
    tunnel.effect_done(OPENING, Done(PEER), 0.1)
    up = tunnel.outbox.drain_events()[-1]
    assert isinstance(up, Up)
    assert up.config.routes == (prefix,)
    assert not up.config.default_route


def test_a_taken_port_is_reported_and_asked_for_again() -> None:
    tunnel = FouTunnel(SETTINGS)
    tunnel.start(0.0, Network(), {})
    tunnel.outbox.drain_events()
    tunnel.effect_done(OPENING, Failed(FailureCode.IN_USE, "UDP port 5555 is taken"), 1.0)
    (down,) = tunnel.outbox.drain_events()
    assert isinstance(down, Down)
    assert down.reason == "UDP port 5555 is taken"
    assert not down.permanent
    assert tunnel.next_timeout() == 1.0 + REOPEN_INTERVAL
    tunnel.handle_timeout(1.0)
    assert tunnel.outbox.drain_events() == []
    tunnel.handle_timeout(1.0 + REOPEN_INTERVAL)
    assert tunnel.outbox.drain_events() == [OPENING]


def test_what_the_data_plane_leaves_to_the_tunnel_travels_unchanged_both_ways() -> None:
    tunnel = carrying()
    tunnel.receive_datagram(Datagram(CHANNEL, PACKET, PEER), 1.0)
    assert tunnel.outbox.drain_packets() == [PACKET]
    tunnel.receive_packet(PACKET, 2.0)
    assert tunnel.outbox.drain_datagrams() == [Datagram(CHANNEL, PACKET, PEER)]


@pytest.mark.parametrize(
    ("datagram", "counter"),
    [
        (Datagram(CHANNEL, PACKET, Endpoint(PEER.address, 5556)), "dropped-not-the-peer"),
        (Datagram(CHANNEL, PACKET[:30], PEER), "dropped-malformed"),
        (Datagram(CHANNEL, b"", PEER), "dropped-malformed"),
        (Datagram(CHANNEL, IPv6Packet(OURS, OURS, IpProtocol.UDP).serialize(), PEER), "dropped-spoofed"),
    ],
)
def test_what_the_peer_would_not_send_is_dropped_and_counted(datagram: Datagram, counter: str) -> None:
    tunnel = carrying()
    tunnel.receive_datagram(datagram, 1.0)
    assert tunnel.outbox.drain_packets() == []
    assert tunnel.status(1.0).counters == {counter: 1}


def test_a_keepalive_leaves_after_silence_and_the_peer_swallows_it() -> None:
    tunnel = carrying(SETTINGS.model_copy(update={"keepalive": 20.0}))
    tunnel.handle_timeout(0.0)
    (keepalive,) = tunnel.outbox.drain_datagrams()
    tunnel.paths_used([PathUse(EVERYWHERE, None, 15.0, 0, 0, 1, 100)], 20.0)
    tunnel.handle_timeout(20.0)
    assert tunnel.outbox.drain_datagrams() == []
    assert tunnel.next_timeout() == 35.0
    tunnel.handle_timeout(35.0)
    assert tunnel.outbox.drain_datagrams() == [keepalive]

    peer = carrying(SETTINGS.model_copy(update={"address": IPv6Interface(f"{THEIRS}/64")}))
    peer.receive_datagram(Datagram(CHANNEL, keepalive.data, PEER), 35.0)
    assert peer.outbox.drain_packets() == []
    assert peer.status(36.0).peers[0].last_received == 1.0


def test_a_changed_network_is_told_of_us_at_once() -> None:
    tunnel = carrying(SETTINGS.model_copy(update={"keepalive": 20.0}))
    tunnel.handle_timeout(0.0)
    tunnel.outbox.drain_datagrams()
    tunnel.network_changed(Network(), 3.0)
    assert tunnel.next_timeout() == 3.0
    tunnel.handle_timeout(3.0)
    assert len(tunnel.outbox.drain_datagrams()) == 1


def test_stopping_takes_the_path_and_the_channel_away() -> None:
    tunnel = carrying()
    tunnel.stop(1.0)
    path, close = tunnel.outbox.drain_events()
    assert path == PathDown(EVERYWHERE)
    assert isinstance(close, CloseChannel)
    tunnel.effect_done(close, Done(None), 1.1)
    assert tunnel.outbox.drain_events() == [Stopped()]
    assert tunnel.status(1.1).state == "stopped"


def test_it_has_no_commands() -> None:
    with pytest.raises(TunnelError, match="'dance'"):
        carrying().command("dance", {}, 0.0)
