"""How a client keeps its address, and notices that it has another one."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

import pytest
from tests.teredo_world.bench import (
    MAPPED,
    SERVER,
    SERVER_GIVEN_UP,
    Bench,
    network,
    udp_packet,
)
from tests.teredo_world.clients import PRIMARY_ENDPOINT, SECONDARY_ENDPOINT, client_a
from tests.teredo_world.vectors import NATIVE_HOST, NONCE, PACKETS

from tunnelmgr.api.datagrams import ChannelFailed
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.events import Down, Notice, Stopped, Up
from tunnelmgr.api.network import Endpoint, LocalAddress, Network
from tunnelmgr_teredo.constants import REFRESH_INTERVAL, TEREDO_PREFIX, UNREACHABLE_PATIENCE
from tunnelmgr_teredo.wire.address import TeredoAddress
from tunnelmgr_teredo.wire.datagram import Authentication, Payload

# -- keeping the address ----------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-MA-001", "T-MA-002")
@pytest.mark.parametrize(("interval", "settings"), [(REFRESH_INTERVAL, {}), (60.0, {"refresh_interval": 60})])
def test_the_mapping_is_refreshed_after_75_to_100_percent_of_the_interval(
    interval: float, settings: dict[str, object]
) -> None:
    bench = Bench(**settings).qualified()
    waits = []
    for _ in range(200):
        waits.append(bench.wake())
        (sent,) = bench.sent()
        assert sent.remote == PRIMARY_ENDPOINT
        bench.advertise(sent)
    assert interval * 0.75 <= min(waits) < interval * 0.77
    assert interval * 0.98 < max(waits) <= interval


@pytest.mark.requirement("T-AD-006", "T-MA-004")
def test_the_same_mapping_keeps_the_address() -> None:
    bench = Bench().qualified()
    address = bench.address
    bench.wake()
    bench.advertise(bench.sent()[0])
    assert bench.address == address
    assert bench.take_events(Up) == []


@pytest.mark.requirement("T-AD-006", "T-MA-005")
def test_another_mapping_makes_another_address_with_other_flags_at_once() -> None:
    bench = Bench().qualified()
    before = bench.address
    bench.wake()
    bench.advertise(bench.sent()[0], Endpoint(MAPPED.address, 9000))
    (up,) = bench.take_events(Up)
    assert up.config.addresses == (IPv6Interface(bench.address),)
    assert bench.address.packed[12:] == before.packed[12:]
    assert bench.address.packed[8:12] != before.packed[8:12]
    assert [sent.remote for sent in bench.sent()] == [SECONDARY_ENDPOINT], "another mapping may mean another NAT"


@pytest.mark.requirement("T-MA-005", "T-MA-007")
def test_another_mapping_is_told_and_looked_at_and_the_same_one_is_neither() -> None:
    bench = Bench().qualified()
    for mapped, told, asked in ((MAPPED, [], []), (Endpoint(MAPPED.address, 9000), [True], [SECONDARY_ENDPOINT])):
        bench.take_events(Notice)
        bench.wake()
        (refresh,) = bench.sent()
        bench.advertise(refresh, mapped)
        notices = [notice.text for notice in bench.take_events(Notice) if notice.code == "teredo.mapping-changed"]
        assert [str(mapped) in text and str(MAPPED) in text for text in notices] == told
        assert [sent.remote for sent in bench.sent()] == asked


@pytest.mark.requirement("T-AD-006")
def test_an_address_is_used_again_after_a_loss_that_changed_nothing() -> None:
    bench = Bench().qualified()
    before = bench.address
    bench.wait(REFRESH_INTERVAL + SERVER_GIVEN_UP)
    assert bench.state == "offline"
    bench.wake()
    for sent in bench.sent()[-2:]:
        bench.advertise(sent)
    assert bench.address == before


@pytest.mark.requirement("T-MA-009")
def test_three_refreshes_without_an_answer_end_the_address() -> None:
    bench = Bench().qualified()
    bench.wake()
    bench.wait(SERVER_GIVEN_UP - 0.1)
    assert bench.take_events(Down) == []
    bench.wait(0.1)
    (down,) = bench.take_events(Down)
    assert down.reason == "no answer from 203.0.113.120:3544 (3 tries)"
    assert not down.permanent


@pytest.mark.requirement("T-MA-011")
def test_nothing_happens_before_its_time_and_a_long_pause_only_once() -> None:
    bench = Bench().qualified()
    bench.client.handle_timeout(bench.now)
    assert bench.sent() == []
    bench.send(udp_packet(bench.address, NATIVE_HOST))
    bench.sent()
    bench.now += 3600  # the process was stopped
    bench.client.handle_timeout(bench.now)
    (solicitation,) = bench.sent()
    assert solicitation.remote == PRIMARY_ENDPOINT
    again = bench.client.next_timeout()
    assert again is not None
    assert again > bench.now
    assert bench.client.status(bench.now).peers_total == 0, "idle peers are forgotten, too"


# -- changes of the network -------------------------------------------------------------------------------------------


@pytest.mark.requirement("T-CL-030")
@pytest.mark.parametrize("net", [network("10.0.0.21"), network(resumed=True)], ids=["address", "resumed"])
def test_a_changed_network_is_asked_about_at_once_and_the_address_stays_meanwhile(net: object) -> None:
    bench = Bench().qualified()
    bench.client.network_changed(net, bench.now)  # type: ignore[arg-type]
    assert {sent.remote for sent in bench.sent()} == {PRIMARY_ENDPOINT, SECONDARY_ENDPOINT}
    assert bench.state == "refreshing"
    assert bench.take_events(Down) == []


@pytest.mark.requirement("T-CL-018", "T-CL-030")
@pytest.mark.parametrize("first", ["primary", "secondary"])
def test_the_kind_of_nat_is_found_out_anew_whichever_address_answers_first(first: str) -> None:
    bench = Bench().qualified()
    bench.client.network_changed(network("10.0.0.21"), bench.now)
    primary, secondary = bench.sent()
    answers = [(primary, Endpoint(MAPPED.address, 1111)), (secondary, Endpoint(MAPPED.address, 2222))]
    for sent, mapped in answers if first == "primary" else reversed(answers):
        bench.advertise(sent, mapped)
    assert bench.take_events(Up)[-1].details["nat"] == "symmetric"
    assert bench.sent() == [], "nobody is asked twice"


@pytest.mark.requirement("T-CL-030")
def test_the_same_network_told_again_changes_nothing() -> None:
    bench = Bench().qualified()
    bench.client.network_changed(network(), bench.now)
    assert bench.sent() == []
    assert bench.state == "qualified"


@pytest.mark.requirement("T-CL-030", "T-CL-022")
def test_a_changed_network_ends_a_rest() -> None:
    bench = Bench().start()
    bench.wait(SERVER_GIVEN_UP)
    bench.sent()
    bench.client.network_changed(network("10.0.0.21"), bench.now)
    assert len(bench.sent()) == 2


@pytest.mark.requirement("T-CL-030")
def test_a_network_that_cannot_be_reached_is_asked_about_soon() -> None:
    bench = Bench().qualified()
    bench.client.channel_changed(ChannelFailed("service", 101), bench.now)
    assert bench.sent() == [], "not at once: while there is no route at all, asking fails likewise"
    assert bench.wake() == UNREACHABLE_PATIENCE <= 2.0
    assert len(bench.sent()) == 1


@pytest.mark.requirement("T-CL-027")
def test_native_ipv6_changes_nothing_for_a_client_in_standby_and_the_default_route_is_the_profiles_affair() -> None:
    bench = Bench()
    bench.start()
    for solicitation in bench.sent():
        bench.advertise(solicitation)
    (up,) = bench.take_events(Up)
    assert up.config.default_route
    assert up.config.routes == (TEREDO_PREFIX,)
    bench.client.network_changed(network(native_ipv6=True), bench.now)
    assert bench.take_events(Up) == []
    assert bench.state == "qualified"


@pytest.mark.requirement("T-SE-011", "T-CL-027")
def test_native_ipv6_that_appears_asks_whether_teredo_is_still_needed() -> None:
    bench = Bench().qualified()
    for native in (True, True, False):
        bench.client.network_changed(network(native_ipv6=native), bench.now)
    notices = [notice for notice in bench.take_events(Notice) if notice.code == "teredo.native"]
    assert [notice.text.partition(":")[0] for notice in notices] == ["this host has native IPv6"]


@pytest.mark.requirement("T-CL-027")
def test_native_ipv6_stops_a_client_that_is_to_stop_and_its_end_starts_it() -> None:
    bench = Bench(native="stop").qualified()
    bench.client.network_changed(network(native_ipv6=True), bench.now)
    (down,) = bench.take_events(Down)
    assert "native" in down.reason
    assert bench.state == "disabled"
    assert bench.client.status(bench.now).facts["address"] is None
    bench.wait(100)
    assert bench.sent() == []
    bench.client.network_changed(network(), bench.now)
    asked = bench.sent()
    assert len(asked) == 2
    for solicitation in asked:
        bench.advertise(solicitation)
    assert len(bench.take_events(Up)) == 1, "the same as before, and news all the same"


@pytest.mark.requirement("T-CL-030", "T-AD-008")
def test_the_broadcast_address_of_a_new_link_is_sent_nothing() -> None:
    bench = Bench().qualified()
    there = LocalAddress("eth0", IPv4Interface("192.0.2.130/25"))
    bench.client.network_changed(Network((there,), source=there.address.ip), bench.now)
    bench.sent()
    bench.send(udp_packet(bench.address, TeredoAddress(SERVER, 0, Endpoint(IPv4Address("192.0.2.255"), 4096)).ipv6))
    assert bench.sent() == []
    assert bench.client.status(bench.now).facts["local"] == "192.0.2.130:8192", "known without an answer"


@pytest.mark.requirement("T-CL-027")
def test_a_client_that_stands_down_says_so_once() -> None:
    bench = Bench(native="stop")
    bench.client.start(bench.now, network(native_ipv6=True), {})
    bench.open(bench.take_events(OpenChannel)[0])
    assert len(bench.take_events(Down)) == 1
    bench.client.network_changed(network("10.0.0.21", native_ipv6=True), bench.now)
    assert bench.take_events(Down) == []
    assert bench.sent() == []


# -- the end ----------------------------------------------------------------------------------------------------------


def test_a_client_that_is_stopped_wants_nothing_more() -> None:
    bench = Bench().qualified()
    bench.client.stop(bench.now)
    assert bench.take_events(Stopped) == [Stopped()]
    assert bench.client.next_timeout() is None


@pytest.mark.requirement("T-SE-002")
def test_the_nonce_is_compared_as_a_whole() -> None:
    bench = client_a()
    payload = Payload.parse(PACKETS["ra-primary"].payload)
    for nonce in (NONCE[:7] + b"\x00", bytes(8), b"\x00" + NONCE[1:]):
        bench.receive(Payload(payload.packet, Authentication(nonce), payload.origin).serialize(), PRIMARY_ENDPOINT)
    assert bench.dropped("ra-unasked") == 3
