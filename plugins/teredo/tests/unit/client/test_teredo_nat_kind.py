"""What the answers of both addresses of a server tell of the NAT."""

from ipaddress import IPv6Interface

import pytest
from tests.teredo_world.bench import (
    MAPPED,
    SERVER_GIVEN_UP,
    Bench,
    network,
)
from tests.teredo_world.clients import PRIMARY_ENDPOINT, SECONDARY_ENDPOINT, client_a, receive
from tests.teredo_world.vectors import CLIENT_A

from tunnelmgr.api.datagrams import IcmpReceived
from tunnelmgr.api.events import Down, Notice, Up
from tunnelmgr_teredo.constants import REFRESH_INTERVAL, SECONDARY_PATIENCE


@pytest.mark.requirement("T-CL-018", "T-CL-021")
def test_one_mapping_for_both_addresses_names_the_strictest_nat_it_may_be() -> None:
    bench = Bench().qualified()
    facts = bench.client.status(bench.now).facts
    assert facts["nat"] == "port-restricted"
    assert facts["nat_candidates"] == "full-cone, address-restricted, port-restricted"
    assert (facts["mapped"], facts["port_preserved"]) == (str(MAPPED), True)


@pytest.mark.requirement("T-CL-018", "T-CL-019", "T-CL-021")
def test_two_mappings_are_a_symmetric_nat_and_the_first_one_is_used() -> None:
    bench = client_a()
    receive(bench, "ra-primary")
    receive(bench, "ra-secondary-other-mapping")
    (up,) = bench.take_events(Up)
    assert up.details["nat"] == "symmetric"
    assert up.config.addresses == (IPv6Interface(CLIENT_A),)


@pytest.mark.requirement("T-CL-019")
def test_strictness_refuses_a_symmetric_nat() -> None:
    bench = client_a(strict=True)
    receive(bench, "ra-primary")
    receive(bench, "ra-secondary-other-mapping")
    (down,) = bench.take_events(Down)
    assert "symmetric" in down.reason
    assert "strict" in down.hint
    assert bench.state == "offline"


@pytest.mark.requirement("T-CL-021")
def test_an_endpoint_that_is_our_own_means_no_nat() -> None:
    bench = Bench().start(network("192.0.2.10"))
    for sent in bench.sent():
        bench.advertise(sent, MAPPED)
    assert bench.take_events(Notice)[0] == Notice("teredo.nat", f"no NAT, you appear as {MAPPED}")
    assert bench.client.status(bench.now).facts["nat"] == "none"


@pytest.mark.requirement("T-CL-020")
def test_a_silent_second_address_leaves_the_nat_unknown_and_delays_the_address_a_little() -> None:
    bench = Bench().start()
    bench.advertise(bench.sent()[0])
    assert bench.take_events(Up) == []
    assert bench.wake() == pytest.approx(SECONDARY_PATIENCE)
    (up,) = bench.take_events(Up)
    assert up.details["nat"] == "unknown"
    bench.wait(SERVER_GIVEN_UP)
    assert [notice.code for notice in bench.take_events(Notice)] == ["teredo.secondary-silent"]
    assert bench.state == "qualified"
    bench.refreshes = MAPPED
    bench.wait(2 * REFRESH_INTERVAL)
    assert bench.take_events(Notice) == [], "told once"


@pytest.mark.requirement("T-CL-018", "T-CL-020")
def test_a_late_answer_of_the_second_address_still_names_the_nat() -> None:
    bench = Bench().start()
    first, second = bench.sent()
    bench.advertise(first)
    bench.wake()
    bench.take_events(Up)
    bench.advertise(second)
    (up,) = bench.take_events(Up)
    assert up.details["nat"] == "port-restricted"


@pytest.mark.requirement("T-CL-020")
def test_strictness_waits_for_the_second_address_and_goes_offline_without_it() -> None:
    bench = Bench(strict=True).start()
    bench.advertise(bench.sent()[0])
    bench.wait(SERVER_GIVEN_UP - 0.1)
    assert bench.state == "probing-secondary"
    assert bench.take_events(Up) == []
    bench.wait(0.2)
    (down,) = bench.take_events(Down)
    assert str(SECONDARY_ENDPOINT) in down.reason


def test_an_icmp_error_of_the_server_is_part_of_the_reason() -> None:
    bench = Bench().start()
    bench.client.channel_changed(IcmpReceived("service", 3, 3, 0, None, PRIMARY_ENDPOINT, b""), bench.now)
    bench.wait(SERVER_GIVEN_UP)
    (down,) = bench.take_events(Down)
    assert down.reason == "no answer from 203.0.113.120:3544 (3 tries); the network says it is unreachable"
