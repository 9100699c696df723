"""A story with the simplest tunnel there is: IPv6 in UDP between two fixed ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Interface, IPv6Network

import pytest

from tunnelmgr.api.datagrams import ChannelKind, Datagram
from tunnelmgr.api.effects import Done, Effect, EffectResult, OpenChannel
from tunnelmgr.api.events import PathUp, Stopped, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.status import PathUse, TunnelStatus
from tunnelmgr.api.tunnel import Tunnel
from tunnelmgr.lab.simulated import Internet, SimulatedHost
from tunnelmgr.lab.vocabulary import Link, NatKind

PORT = 4000
KEEPALIVE_INTERVAL = 30.0  # seconds


@dataclass
class FixedPeer(Tunnel):
    """Sends what it is given to one remote endpoint and believes what comes back; a keepalive opens the NAT."""

    address: IPv6Interface
    remote: Endpoint | None = None
    _keepalive_at: float | None = None
    uses: list[PathUse] = field(default_factory=list)
    packets_taken: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def start(self, now: float, network: Network, memory: Mapping[str, bytes]) -> None:
        self.outbox.say(OpenChannel("peer", ChannelKind.UDP, Endpoint(IPv4Address(0), PORT)))

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> None:
        assert isinstance(result, Done)
        self.outbox.say(Up(HostConfig(addresses=(self.address,))))
        if self.remote is not None:
            self._keepalive_at = now
            self._announce(self.remote)

    def _announce(self, remote: Endpoint) -> None:
        self.remote = remote
        self.outbox.say(PathUp(self.address.network, remote, "peer", None, local=IPv6Network(self.address.ip)))

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        if datagram.remote != self.remote:
            self._announce(datagram.remote)
        if datagram.data:
            self.outbox.deliver(datagram.data)

    def receive_packet(self, packet: bytes, now: float) -> None:
        self.packets_taken += 1
        if self.remote is not None:
            self.outbox.send(Datagram("peer", packet, self.remote))

    def paths_used(self, uses: Sequence[PathUse], now: float) -> None:
        self.uses.extend(uses)

    def handle_timeout(self, now: float) -> None:
        if self._keepalive_at is None or now < self._keepalive_at or self.remote is None:
            return
        self.outbox.send(Datagram("peer", b"", self.remote))
        self._keepalive_at = now + KEEPALIVE_INTERVAL

    def next_timeout(self) -> float | None:
        return self._keepalive_at

    def status(self, now: float) -> TunnelStatus:
        return TunnelStatus("up")

    def stop(self, now: float) -> None:
        self.outbox.say(Stopped())


def two_ends(internet: Internet, kind: NatKind, link: Link) -> tuple[SimulatedHost, SimulatedHost]:
    hub = internet.add(FixedPeer(IPv6Interface("2001:db8:a::1/64")), address="192.0.2.1", name="hub")
    remote = Endpoint(IPv4Address("192.0.2.1"), PORT)
    spoke = internet.add(FixedPeer(IPv6Interface("2001:db8:a::2/64"), remote), behind=kind, name="spoke", link=link)
    return hub, spoke


@pytest.mark.parametrize("data_plane", [True, False], ids=["table", "tunnel"])
def test_a_spoke_behind_a_nat_and_its_hub_ping_each_other(data_plane: bool) -> None:
    internet = Internet(data_plane=data_plane)
    hub, spoke = two_ends(internet, NatKind.SYMMETRIC, Link(delay=0.02))
    assert internet.run_until(lambda: spoke.up and hub.up, within=1)
    internet.run(seconds=1)
    to_hub = spoke.send_ping(to=hub)
    to_spoke = hub.send_ping(to=spoke)
    internet.run(seconds=1)
    assert to_hub.round_trip == pytest.approx(0.04)
    assert to_spoke.round_trip == pytest.approx(0.04)
    assert hub.received_directly_from(spoke)


def test_keepalives_hold_the_nat_open_for_hours(internet: Internet) -> None:
    hub, spoke = two_ends(internet, NatKind.SYMMETRIC, Link(delay=0.02))
    internet.run(seconds=4 * 3600)
    ping = hub.send_ping(to=spoke)
    internet.run(seconds=1)
    assert ping.answered


def test_a_nat_that_forgets_is_found_again_with_the_next_keepalive(internet: Internet) -> None:
    hub, spoke = two_ends(internet, NatKind.SYMMETRIC, Link(delay=0.02))
    internet.run(seconds=100)
    assert spoke.site is not None
    spoke.site.forget_mappings()
    lost = hub.send_ping(to=spoke)
    internet.run(seconds=KEEPALIVE_INTERVAL)
    found = hub.send_ping(to=spoke)
    internet.run(seconds=1)
    assert (lost.answered, found.answered) == (False, True)


def test_the_forwarding_table_spares_the_tunnel_the_packets_and_tells_it_of_their_use(internet: Internet) -> None:
    hub, spoke = two_ends(internet, NatKind.PORT_RESTRICTED, Link())
    internet.run(seconds=1)
    for _ in range(10):
        spoke.send_ping(to=hub)
    internet.run(seconds=KEEPALIVE_INTERVAL)
    assert spoke.pings_answered == 10
    tunnel = spoke.tunnel
    assert isinstance(tunnel, FixedPeer)
    assert tunnel.packets_taken == 0
    assert [(use.packets_sent, use.packets_received) for use in tunnel.uses] == [(10, 10)]


def test_the_same_seed_gives_the_same_packets_at_the_same_times_and_another_does_not() -> None:
    def ladder(seed: int) -> str:
        internet = Internet(seed)
        hub, spoke = two_ends(internet, NatKind.SYMMETRIC, Link(delay=0.02, loss_rate=0.3))
        for _ in range(20):
            internet.run(seconds=10)
            spoke.send_ping(to=hub)
        return str(internet.ladder)

    assert ladder(1) == ladder(1)
    assert ladder(1) != ladder(2)
