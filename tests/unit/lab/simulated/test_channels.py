"""Sockets of a simulated host: what opens, what arrives where, what an operating system would refuse."""

import errno

import pytest

from tests.scripted_tunnel import ScriptedTunnel, endpoint, listener, say, script, send, udp
from tunnelmgr.api.datagrams import (
    Accepted,
    ChannelEvent,
    ChannelFailed,
    ChannelKind,
    Closed,
    Connected,
    IcmpReceived,
)
from tunnelmgr.api.effects import CloseChannel, Done, Failed, FailureCode, OpenChannel
from tunnelmgr.lab.simulated import Internet, SimulatedHost
from tunnelmgr.lab.simulated.streams import CONNECT_TIMEOUT
from tunnelmgr.lab.vocabulary import Link, Nat, NatKind

SERVER = "192.0.2.1"


def opened(host: SimulatedHost) -> list[object]:
    """What the host's channels were answered with: local endpoints, or failure codes."""
    results = [result for _, result in script(host).answers]
    return [str(result.value) if isinstance(result, Done) else result.code for result in results]


def raw41(remote: str = "") -> OpenChannel:
    return OpenChannel("raw", ChannelKind.RAW41, remote=endpoint(remote) if remote else None)


def started(internet: Internet, tunnel: ScriptedTunnel, **where: object) -> SimulatedHost:
    host = internet.add(tunnel, **where)  # type: ignore[arg-type]
    internet.run(seconds=0)
    return host


def test_a_port_of_zero_gets_an_ephemeral_one() -> None:
    host = started(Internet(), ScriptedTunnel(udp(0)))
    ((_, result),) = script(host).answers
    assert isinstance(result, Done)
    assert 32768 <= result.value.port <= 60999  # type: ignore[attr-defined]


def test_a_port_can_be_taken_once_per_address() -> None:
    wishes = [udp(1, "192.0.2.1", "a"), udp(1, "192.0.2.2", "b"), udp(1, channel="all"), udp(1, "192.0.2.1", "c")]
    host = started(Internet(), ScriptedTunnel(*wishes), address=["192.0.2.1", "192.0.2.2"])
    assert opened(host) == ["192.0.2.1:1", "192.0.2.2:1", FailureCode.IN_USE, FailureCode.IN_USE]


def test_an_address_of_somebody_else_cannot_be_bound() -> None:
    host = started(Internet(), ScriptedTunnel(udp(1, "192.0.2.9")))
    assert opened(host) == [FailureCode.NOT_FOUND]


def test_a_closed_channel_hears_nothing_and_its_port_is_free_again() -> None:
    internet = Internet()
    server = started(internet, listener(), address=SERVER)
    say(server, CloseChannel("udp"), udp(4000, channel="again"))
    internet.run(seconds=0)
    client = started(internet, listener())
    send(client, b"hello", f"{SERVER}:4000")
    internet.run(seconds=1)
    assert [datagram.channel for datagram in script(server).datagrams] == ["again"]


def test_of_two_channels_on_one_port_the_one_bound_to_the_address_hears_it() -> None:
    internet = Internet()
    wishes = [udp(1, "192.0.2.1", "first"), udp(1, "192.0.2.2", "second")]
    server = started(internet, ScriptedTunnel(*wishes), address=["192.0.2.1", "192.0.2.2"])
    client = started(internet, listener())
    send(client, b"hello", "192.0.2.2:1")
    internet.run(seconds=1)
    (datagram,) = script(server).datagrams
    assert datagram.channel == "second"
    assert datagram.local == endpoint("192.0.2.2:1")


def test_a_host_with_two_addresses_answers_from_the_one_it_says() -> None:
    internet = Internet()
    server = started(internet, listener(), address=["192.0.2.1", "192.0.2.2"])
    client = started(internet, listener(), address="192.0.2.3")
    send(server, b"first", "192.0.2.3:4000")
    send(server, b"second", "192.0.2.3:4000", local="192.0.2.2:4000")
    internet.run(seconds=1)
    assert [str(datagram.remote) for datagram in script(client).datagrams] == ["192.0.2.1:4000", "192.0.2.2:4000"]


def test_a_source_address_the_host_lost_is_an_error() -> None:
    internet = Internet()
    host = started(internet, listener(), address=SERVER)
    send(host, b"hello", "192.0.2.3:4000", local="192.0.2.9:4000")
    internet.run(seconds=0)
    assert script(host).channel_events == [ChannelFailed("udp", errno.EINVAL, endpoint("192.0.2.3:4000"))]


def test_without_a_default_route_nothing_leaves() -> None:
    internet = Internet()
    host = started(internet, listener())
    host.lose_default_route()
    send(host, b"hello", "192.0.2.3:4000")
    internet.run(seconds=0)
    assert script(host).channel_events == [ChannelFailed("udp", errno.ENETUNREACH, endpoint("192.0.2.3:4000"))]


def test_protocol_41_passes_a_nat_both_ways_without_ports() -> None:
    internet = Internet()
    hub = started(internet, ScriptedTunnel(raw41()), address=SERVER)
    spoke = started(internet, ScriptedTunnel(raw41(SERVER)), behind=NatKind.PORT_RESTRICTED)
    send(spoke, b"six", f"{SERVER}:99", "raw")
    internet.run(seconds=1)
    assert [str(datagram.remote) for datagram in script(hub).datagrams] == ["203.0.113.1:0"]
    send(hub, b"back", "203.0.113.1", "raw")
    internet.run(seconds=1)
    assert script(spoke).payloads == [b"back"]


def test_a_protocol_41_channel_with_a_remote_hears_nobody_else() -> None:
    internet = Internet()
    host = started(internet, ScriptedTunnel(raw41("192.0.2.7")), address=SERVER)
    stranger = started(internet, ScriptedTunnel(raw41()))
    send(stranger, b"six", SERVER, "raw")
    internet.run(seconds=1)
    assert script(host).datagrams == []


def test_protocol_41_nobody_listens_for_is_answered_with_protocol_unreachable() -> None:
    internet = Internet(icmp_errors=True)
    started(internet, listener(), address=SERVER)
    host = started(internet, ScriptedTunnel(raw41()), behind=NatKind.FULL_CONE)
    send(host, b"six", SERVER, "raw")
    internet.run(seconds=1)
    (error,) = script(host).channel_events
    assert isinstance(error, IcmpReceived)
    assert (error.type, error.code, error.channel) == (3, 2, "raw")


def test_a_blocked_protocol_41_is_silent() -> None:
    internet = Internet(icmp_errors=True)
    hub = started(internet, ScriptedTunnel(raw41()), address=SERVER)
    spoke = started(internet, ScriptedTunnel(raw41()), behind=Nat(passes_protocol41=False))
    send(spoke, b"six", SERVER, "raw")
    internet.run(seconds=1)
    assert script(hub).datagrams == []
    assert script(spoke).channel_events == []


class TestStreams:
    """TCP between a client behind a NAT and a public server, 50 ms apart."""

    @pytest.fixture
    def internet(self) -> Internet:
        return Internet()

    @pytest.fixture
    def server(self, internet: Internet) -> SimulatedHost:
        listening = OpenChannel("listen", ChannelKind.TCP_LISTEN, endpoint("0.0.0.0:3653"))
        return started(internet, ScriptedTunnel(listening), address=SERVER)

    def client(self, internet: Internet, remote: str = f"{SERVER}:3653") -> SimulatedHost:
        connecting = OpenChannel("tcp", ChannelKind.TCP_CONNECT, remote=endpoint(remote))
        link = Link(delay=0.05)
        return internet.add(ScriptedTunnel(connecting), behind=NatKind.PORT_RESTRICTED, link=link)

    def kinds(self, host: SimulatedHost) -> list[type[ChannelEvent]]:
        return [type(event) for event in script(host).channel_events]

    def test_connect_in_one_round_trip_and_name_the_connection_after_the_listener(
        self, internet: Internet, server: SimulatedHost
    ) -> None:
        client = self.client(internet)
        assert internet.run_until(lambda: Connected in self.kinds(client), within=1)
        assert internet.now == pytest.approx(0.1)
        (accepted,) = script(server).channel_events
        assert isinstance(accepted, Accepted)
        assert (accepted.channel, accepted.connection) == ("listen", "listen/1")
        assert str(accepted.remote.address) == "203.0.113.1"

    def test_carry_every_piece_in_order_whatever_the_link_loses(self, internet: Internet, server: SimulatedHost) -> None:
        client = self.client(internet)
        internet.run(seconds=1)
        client.set_links(up=Link(loss=frozenset(range(10))))
        for piece in (b"one", b"two", b"three"):
            send(client, piece, f"{SERVER}:3653", "tcp")
        internet.run(seconds=1)
        assert [(d.channel, d.data) for d in script(server).datagrams] == [
            ("listen/1", b"one"),
            ("listen/1", b"two"),
            ("listen/1", b"three"),
        ]
        send(server, b"answer", "0.0.0.0:0", "listen/1")
        internet.run(seconds=1)
        assert script(client).payloads == [b"answer"]

    def test_closing_one_end_closes_the_other(self, internet: Internet, server: SimulatedHost) -> None:
        client = self.client(internet)
        internet.run(seconds=1)
        say(client, CloseChannel("tcp"))
        internet.run(seconds=1)
        assert script(server).channel_events[-1] == Closed("listen/1")
        assert self.kinds(client) == [Connected]

    def test_a_killed_program_closes_its_streams(self, internet: Internet, server: SimulatedHost) -> None:
        client = self.client(internet)
        internet.run(seconds=1)
        server.kill()
        internet.run(seconds=1)
        assert script(client).channel_events[-1] == Closed("tcp")

    def test_a_port_nobody_listens_on_refuses(self, internet: Internet, server: SimulatedHost) -> None:
        client = self.client(internet, f"{SERVER}:80")
        internet.run(seconds=1)
        assert script(client).channel_events == [ChannelFailed("tcp", errno.ECONNREFUSED, endpoint(f"{SERVER}:80"))]

    def test_an_address_nobody_has_times_out(self, internet: Internet) -> None:
        client = self.client(internet, "192.0.2.99:80")
        assert internet.run_until(lambda: bool(script(client).channel_events), within=1000)
        assert internet.now == pytest.approx(CONNECT_TIMEOUT)
        assert script(client).channel_events == [ChannelFailed("tcp", errno.ETIMEDOUT, endpoint("192.0.2.99:80"))]

    def test_a_second_attempt_on_the_same_channel_has_its_own_time(self, internet: Internet) -> None:
        client = self.client(internet, "192.0.2.99:80")
        internet.run(seconds=100)
        say(client, CloseChannel("tcp"), OpenChannel("tcp", ChannelKind.TCP_CONNECT, remote=endpoint("192.0.2.98:80")))
        assert internet.run_until(lambda: bool(script(client).channel_events), within=1000)
        assert internet.now == pytest.approx(100 + CONNECT_TIMEOUT)

    def test_an_icmp_error_ends_an_attempt_at_once(self) -> None:
        internet = Internet(icmp_errors=True)
        client = self.client(internet, "192.0.2.99:80")
        internet.run(seconds=1)
        assert script(client).channel_events == [ChannelFailed("tcp", errno.EHOSTUNREACH, endpoint("192.0.2.99:80"))]

    def test_speaking_into_a_connection_the_nat_has_forgotten_is_never_answered(
        self, internet: Internet, server: SimulatedHost
    ) -> None:
        client = self.client(internet)
        internet.run(seconds=1)
        assert client.site is not None
        client.site.forget_mappings()
        send(server, b"hello", "0.0.0.0:0", "listen/1")
        internet.run(seconds=1)
        assert script(client).datagrams == []

    def test_speaking_to_a_peer_that_has_no_such_connection_resets(self, internet: Internet, server: SimulatedHost) -> None:
        client = self.client(internet)
        internet.run(seconds=1)
        assert client.site is not None
        client.site.change_address("203.0.113.200")
        send(client, b"hello", f"{SERVER}:3653", "tcp")
        internet.run(seconds=1)
        assert script(client).channel_events[-1] == ChannelFailed("tcp", errno.ECONNRESET, endpoint(f"{SERVER}:3653"))

    def test_a_listening_port_can_be_taken_once(self, internet: Internet, server: SimulatedHost) -> None:
        say(server, OpenChannel("again", ChannelKind.TCP_LISTEN, endpoint("0.0.0.0:3653")))
        internet.run(seconds=0)
        result = script(server).answers[-1][1]
        assert isinstance(result, Failed)
        assert result.code is FailureCode.IN_USE

    def test_without_a_default_route_a_connection_fails_at_once(self, internet: Internet) -> None:
        client = started(internet, listener())
        client.lose_default_route()
        say(client, OpenChannel("tcp", ChannelKind.TCP_CONNECT, remote=endpoint(f"{SERVER}:80")))
        internet.run(seconds=0)
        assert script(client).channel_events == [ChannelFailed("tcp", errno.ENETUNREACH, endpoint(f"{SERVER}:80"))]
