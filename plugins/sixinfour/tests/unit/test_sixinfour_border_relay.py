"""The border relay of a 6rd domain, packet by packet."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError
from tests.sixinfour_world import vectors
from tests.sixinfour_world.bench import Driven, network

from tunnelmgr.api.datagrams import Datagram, IcmpReceived
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.events import PathUp, Up
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.icmpv6 import parse_icmpv6
from tunnelmgr.api.packets.icmpv6_errors import PacketTooBig, TimeExceeded
from tunnelmgr.api.packets.ipv6 import IPv6Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.transport import Fit
from tunnelmgr_sixinfour.constants import KEEPALIVE_INTERVAL, TUNNEL_MTU_MIN
from tunnelmgr_sixinfour.derived.border_relay import BorderRelaySettings
from tunnelmgr_sixinfour.protocol41.path_mtu import PathMtu
from tunnelmgr_sixinfour.protocol41.rounds import Rounds
from tunnelmgr_sixinfour.transport import SixRdTransport

RELAY, CUSTOMER = IPv4Address("10.0.0.1"), IPv4Address("10.100.100.1")
RELAY6, CUSTOMER6, OTHER6 = (
    IPv6Address(text) for text in ("2001:db8:0:100::1", "2001:db8:6464:100::1", "2001:db8:6464:200::1")
)
NATIVE = IPv6Address("2001:db9::1")
SETTINGS = {"local": str(RELAY), "prefix": "2001:db8::/32", "customers": "10.0.0.0/8"}


class Relay(Driven):
    def __init__(self, **settings: Any) -> None:
        self.transport = SixRdTransport("border-relay", BorderRelaySettings.model_validate(SETTINGS | settings))
        super().__init__(self.transport.tunnel(Random(1)), network(IPv4Address("192.0.2.77")))

    def arrive(self, packet: IPv6Packet, outer: IPv4Address = CUSTOMER) -> list[bytes]:
        return self.take(Datagram("raw41/1", packet.serialize(), Endpoint(outer, 0), Endpoint(RELAY, 0)))


def packet(source: IPv6Address, destination: IPv6Address, hop_limit: int = 64) -> IPv6Packet:
    return IPv6Packet(source, destination, IpProtocol.UDP, bytes(8), hop_limit)


def test_it_is_a_router_for_the_whole_domain() -> None:
    (up,) = Relay().said_of(Up)
    assert [str(address) for address in up.config.addresses] == [f"{RELAY6}/128"]
    assert [str(prefix) for prefix in up.config.routes] == ["2001:db8::/32"]
    assert (up.config.forwarding, up.config.listening, up.config.default_route) == (True, True, False)
    assert up.config.delegated == ()


@pytest.mark.requirement("S-SR-010")
def test_a_packet_of_a_customer_to_itself_is_sent_back_as_the_vector_has_it() -> None:
    relay = Relay()
    probe, back = vectors.outer("sixrd-br-probe"), vectors.outer("sixrd-br-probe-return")
    relay.take(vectors.datagram("sixrd-br-probe"))
    (datagram,) = relay.sent
    assert (datagram.data, datagram.remote.address) == (back.payload, probe.source)
    assert relay.delivered == []


def watch_of(random: Random) -> Rounds:
    watch = Rounds(CUSTOMER6, CUSTOMER6, KEEPALIVE_INTERVAL, PathMtu(TUNNEL_MTU_MIN), random)
    watch.hasten(0.0)
    return watch


@pytest.mark.requirement("S-SR-010")
def test_a_customer_knows_its_own_packets_and_no_others() -> None:
    watch = watch_of(Random(1))
    (asked,) = watch.begin(0.0, heard=False)
    forged = IPv6Packet.parse(watch_of(Random(2)).begin(0.0, heard=False)[0])
    assert watch.take(forged, 0.1) is None
    assert watch.take(IPv6Packet.parse(vectors.outer("sixrd-br-probe-return").payload), 0.1) is None
    assert watch.take(replace(IPv6Packet.parse(asked), hop_limit=63), 0.1) is not None


def test_customers_reach_each_other_through_it_too() -> None:
    relay = Relay()
    assert relay.arrive(packet(CUSTOMER6, OTHER6)) == []
    (datagram,) = relay.sent
    assert datagram.remote == Endpoint(IPv4Address("10.100.100.2"), 0)
    assert IPv6Packet.parse(datagram.data).hop_limit == 63


def test_what_goes_in_circles_ends_with_an_error_to_its_sender() -> None:
    relay = Relay()
    relay.arrive(packet(CUSTOMER6, OTHER6, hop_limit=1))
    (answer,) = relay.sent
    error = IPv6Packet.parse(answer.data)
    assert (answer.remote.address, error.source, error.destination) == (CUSTOMER, RELAY6, CUSTOMER6)
    assert isinstance(parse_icmpv6(error), TimeExceeded)
    assert relay.drops == {"dropped-hop-limit": 1}


@pytest.mark.requirement("S-SR-006", "S-SR-008")
@pytest.mark.parametrize(
    ("source", "destination", "outer", "drop"),
    [
        (CUSTOMER6, NATIVE, CUSTOMER, None),
        (CUSTOMER6, RELAY6, CUSTOMER, None),
        (CUSTOMER6, NATIVE, IPv4Address("10.100.100.2"), "embedded"),
        (NATIVE, CUSTOMER6, CUSTOMER, "embedded"),
        (RELAY6, NATIVE, RELAY, "embedded"),
        (CUSTOMER6, RELAY6 + 1, CUSTOMER, "destination"),
        (CUSTOMER6, IPv6Address("ff0e::1"), CUSTOMER, "destination"),
        (CUSTOMER6, IPv6Address("fe80::1"), CUSTOMER, "destination"),
    ],
)
def test_customers_are_who_they_say_they_are(
    source: IPv6Address, destination: IPv6Address, outer: IPv4Address, drop: str | None
) -> None:
    relay = Relay()
    assert bool(relay.arrive(packet(source, destination), outer)) is (drop is None)
    assert relay.drops == ({f"dropped-{drop}": 1} if drop else {})
    assert relay.sent == []


def test_from_beyond_it_nobody_sends_with_an_address_of_the_domain() -> None:
    relay = Relay()
    for source in (OTHER6, RELAY6 + 1):
        relay.send(packet(source, CUSTOMER6))
    assert relay.sent == []
    assert relay.drops == {"dropped-source": 2}
    for source in (NATIVE, RELAY6):
        relay.send(packet(source, CUSTOMER6))
    assert [datagram.remote.address for datagram in relay.sent] == [CUSTOMER] * 2


def test_the_path_to_a_customer_is_for_the_internet_and_not_for_other_customers() -> None:
    relay = Relay()
    relay.send(packet(NATIVE, CUSTOMER6))
    (path,) = relay.said_of(PathUp)
    assert (str(path.prefix), path.remote.address) == ("2001:db8:6464:100::/56", CUSTOMER)
    assert [str(prefix) for prefix in path.local_except] == ["2001:db8::/32"]


def test_a_relay_need_not_have_an_address_like_its_customers() -> None:
    relay = Relay(local="192.0.2.77")
    (up,) = relay.said_of(Up)
    assert str(up.config.addresses[0]) == "2001:db8::1/128", "of 10.0.0.0, which is nobody's"
    relay.send(packet(NATIVE, CUSTOMER6))
    assert [datagram.remote.address for datagram in relay.sent] == [CUSTOMER]


def test_icmp_errors_about_what_was_never_sent_there_are_passed_over() -> None:
    relay = Relay(anycast=True, mtu=1480)
    quote = packet(NATIVE, CUSTOMER6).serialize()
    strange = packet(NATIVE, IPv6Address("2a00:beef::1")).serialize()
    for remote, quoted in ((RELAY, quote), (CUSTOMER, strange), (CUSTOMER, quote[:20])):
        relay.change(IcmpReceived("raw41/1", 3, 1, 0, None, Endpoint(remote, 0), quoted))
    assert relay.delivered == []
    relay.change(IcmpReceived("raw41/1", 3, 4, 1400, None, Endpoint(CUSTOMER, 0), quote))
    (answer,) = relay.delivered
    error = parse_icmpv6(IPv6Packet.parse(answer))
    assert isinstance(error, PacketTooBig)
    assert error.mtu == 1380


@pytest.mark.requirement("S-SR-011")
@pytest.mark.parametrize("anycast", [False, True])
def test_a_relay_by_anycast_sends_from_that_address_and_never_in_fragments(anycast: bool) -> None:
    relay = Relay(anycast=anycast)
    (channel,) = relay.said_of(OpenChannel)
    assert channel.local.address == RELAY, "and not from the address that leads to the internet"
    assert channel.path_mtu_discovery is anycast, "DF"


def test_it_says_what_it_is_and_what_is_wrong() -> None:
    relay = Relay()
    assert relay.transport.describe() == "border relay of 2001:db8::/32"
    assert relay.transport.suits(NetworkReport()).fit is Fit.POSSIBLE
    with pytest.raises(ValidationError, match="/68"):
        BorderRelaySettings.model_validate(SETTINGS | {"prefix": "2001:db8::/44"})
