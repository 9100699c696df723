"""A 6rd domain on the simulated internet: its customers, its border relay, and somebody beyond; and 6to4."""

from dataclasses import dataclass

import pytest
from tests.sixinfour_world.ends import NOTICED

from tunnelmgr.api.events import PeerSilent, Up
from tunnelmgr.lab.simulated import Internet, Ipv6Host, SimulatedHost
from tunnelmgr_sixinfour.constants import FIRST_TIMEOUT, KEEPALIVE_EAGER, KEEPALIVE_INTERVAL, KEEPALIVE_LOSSES
from tunnelmgr_sixinfour.derived.border_relay import BorderRelaySettings
from tunnelmgr_sixinfour.derived.sixrd import SixRdSettings
from tunnelmgr_sixinfour.derived.sixtofour import SixToFourSettings
from tunnelmgr_sixinfour.transport import SixRdTransport, SixToFourTransport

RELAY = "10.0.0.1"
DOMAIN = {"prefix": "2001:db8::/32", "mask_length": 8}
SILENT = PeerSilent(
    f"border relay {RELAY} sends nothing back any more",
    "check that this network leads to it; other customers of the provider are reached all the same",
)


@dataclass
class Provider:
    internet: Internet
    relay: SimulatedHost
    native: Ipv6Host

    def customer(self, address: str, **settings: object) -> SimulatedHost:
        chosen = SixRdSettings.model_validate(DOMAIN | {"border_relay": RELAY} | settings)
        return self.internet.add(SixRdTransport("customer", chosen).tunnel, address=address, name=address)


def provider(*, data_plane: bool = True, relay_from: float = 0.0) -> Provider:
    internet = Internet(data_plane=data_plane)
    settings = BorderRelaySettings.model_validate({"prefix": "2001:db8::/32", "customers": "10.0.0.0/8", "local": RELAY})
    relay = internet.add(
        SixRdTransport("border-relay", settings).tunnel,
        address=RELAY,
        name="relay",
        gateway_of=["2001:db8::/32"],
        native_ipv6="2001:db9:80::1",
        start_at=relay_from,
    )
    return Provider(internet, relay, internet.ipv6_host("2001:db9:6::1"))


def said(host: SimulatedHost) -> list[Up | PeerSilent]:
    return [event for event in host.events if isinstance(event, Up | PeerSilent)]


@pytest.mark.parametrize("data_plane", [True, False])
def test_customers_reach_each_other_and_the_internet_and_are_reached(data_plane: bool) -> None:
    world = provider(data_plane=data_plane)
    one, two = world.customer("10.100.100.1"), world.customer("10.100.100.2")
    world.internet.run(1)
    assert str(one.ipv6_address) == "2001:db8:6464:100::1"
    pings = [one.send_ping(to=two), two.send_ping(to=one), one.send_ping(to=world.native)]
    pings.append(world.native.send_ping(to=one.ipv6_address))
    world.internet.run(1)
    assert all(ping.answered for ping in pings)
    assert world.relay.status().counters.get("packets-sent", 0) > 0


def test_a_customer_follows_its_address() -> None:
    world = provider()
    one, two = world.customer("10.100.100.1"), world.customer("10.100.100.2")
    world.internet.run(1)
    two.change_address("10.100.100.9")
    world.internet.run(1)
    assert str(two.ipv6_address) == "2001:db8:6464:900::1"
    pings = [one.send_ping(to=two), two.send_ping(to=world.native)]
    world.internet.run(1)
    assert all(ping.answered for ping in pings)


@pytest.mark.requirement("S-SR-010")
def test_a_border_relay_that_has_never_sent_anything_back_may_work_all_the_same() -> None:
    doubts = sum(FIRST_TIMEOUT * 2**number for number in range(KEEPALIVE_LOSSES))
    world = provider(relay_from=100.0)
    one = world.customer("10.100.100.1")
    world.internet.run(doubts - 1)
    assert said(one) == []
    world.internet.run(2)
    assert [type(event) for event in said(one)] == [Up]
    assert one.notices == ["6rd.mute-relay"]
    assert one.status().facts["round_trip_s"] is None
    world.internet.run(160)
    assert one.status().facts["round_trip_s"] is not None, "now it is known"
    world.relay.kill()
    assert world.internet.run_until(lambda: said(one)[-1] == SILENT, within=NOTICED)


@pytest.mark.requirement("S-SR-010")
def test_a_border_relay_that_dies_is_noticed_and_customers_still_reach_each_other() -> None:
    world = provider()
    one, two = world.customer("10.100.100.1"), world.customer("10.100.100.2")
    world.internet.run(10)
    assert [type(event) for event in said(one)] == [Up]
    world.relay.kill()
    assert world.internet.run_until(lambda: said(one)[-1] == SILENT, within=NOTICED)
    ping = one.send_ping(to=two)
    world.internet.run(1)
    assert ping.answered
    world.relay.restart()
    assert world.internet.run_until(lambda: isinstance(said(one)[-1], Up), within=KEEPALIVE_INTERVAL)


def test_a_relay_that_is_known_to_answer_is_not_taken_for_mute_at_another_address() -> None:
    world = provider()
    one = world.customer("10.100.100.1")
    world.internet.run(10)
    world.relay.kill()
    one.change_address("10.100.100.9")
    assert world.internet.run_until(lambda: said(one)[-1] == SILENT, within=10)
    one.change_address("10.100.100.10")
    world.internet.run(0.1)
    assert isinstance(said(one)[-1], PeerSilent), "another address brings no default route back"
    world.relay.restart()
    assert world.internet.run_until(lambda: isinstance(said(one)[-1], Up), within=10)


def test_after_sleep_the_relay_is_asked_at_once() -> None:
    world = provider()
    one = world.customer("10.100.100.1")
    world.internet.run(10)
    one.suspend()
    world.relay.kill()
    world.internet.run(100)
    one.resume()
    assert world.internet.run_until(lambda: said(one)[-1] == SILENT, within=16)


@pytest.mark.requirement("S-SR-010")
@pytest.mark.parametrize("relay_from", [0.0, 7200.0], ids=["answers", "silent"])
def test_neither_border_relay_nor_customers_are_stormed_with_questions(relay_from: float) -> None:
    world = provider(data_plane=False, relay_from=relay_from)
    one, two = world.customer("10.100.100.1"), world.customer("10.100.100.2")
    world.internet.run(10)
    pings = []
    for _ in range(60):
        pings.append(one.send_ping(to=two))
        world.internet.run(KEEPALIVE_INTERVAL)
    assert all(ping.answered for ping in pings)
    most = 2 * 60 + KEEPALIVE_EAGER + 2  # the pings, one question each time, some more in doubt
    assert one.status().counters["packets-sent"] <= most
    assert two.status().counters["packets-sent"] <= most


def test_without_keepalive_it_is_up_at_once_and_never_doubts() -> None:
    world = provider(relay_from=7200.0)
    one = world.customer("10.100.100.1", keepalive=None)
    world.internet.run(3600)
    assert [type(event) for event in said(one)] == [Up]


@pytest.mark.parametrize("data_plane", [True, False])
def test_two_6to4_sites_reach_each_other(data_plane: bool) -> None:
    internet = Internet(data_plane=data_plane)
    sites = [internet.add(SixToFourTransport("site", SixToFourSettings()).tunnel) for _ in range(2)]
    internet.run(1)
    pings = [site.send_ping(to=other) for site in sites for other in sites if site is not other]
    internet.run(1)
    assert all(ping.answered for ping in pings)
