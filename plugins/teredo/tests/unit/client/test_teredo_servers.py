"""Which server a client asks, and when: names, fail-over, rests."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from tests.teredo_world.bench import (
    SERVER,
    SERVER_GIVEN_UP,
    Bench,
    network,
    udp_packet,
)
from tests.teredo_world.clients import PRIMARY_ENDPOINT

from tunnelmgr.api.effects import Cancel, Done, Failed, FailureCode, Remember, Resolve
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import Down
from tunnelmgr.api.network import Endpoint
from tunnelmgr_teredo.constants import REFRESH_INTERVAL, RESTART_DELAY, RESTART_SPREAD


@pytest.mark.requirement("T-CL-001")
def test_the_second_address_may_be_given() -> None:
    remotes = [datagram.remote for datagram in Bench(secondary="198.51.100.1").start().sent()]
    assert remotes == [PRIMARY_ENDPOINT, Endpoint(IPv4Address("198.51.100.1"), 3544)]


@pytest.mark.requirement("T-CL-001", "T-CL-023")
def test_a_name_is_resolved_and_resolved_again_after_a_loss() -> None:
    bench = Bench(server="teredo.example")
    bench.start()
    (resolve,) = bench.take_events(Resolve)
    assert resolve.name == "teredo.example"
    bench.answer(resolve, Done((SERVER,)))
    assert bench.sent()[0].remote == PRIMARY_ENDPOINT
    bench.wait(SERVER_GIVEN_UP)
    assert bench.state == "offline"
    bench.wake()
    assert bench.take_events(Resolve)


@pytest.mark.requirement("T-CL-023", "T-CL-030")
def test_a_name_is_asked_for_again_where_the_network_changed_meanwhile() -> None:
    bench = Bench(server="teredo.example")
    bench.start()
    (first,) = bench.take_events(Resolve)
    bench.client.network_changed(network("10.0.0.21"), bench.now)
    events = bench.client.outbox.drain_events()
    assert [type(event) for event in events] == [Cancel, Resolve]
    bench.answer(first, Done((IPv4Address("198.51.100.1"),)))
    assert bench.sent() == [], "the answer of the network before"
    again = events[1]
    assert isinstance(again, Resolve)
    bench.answer(again, Done((SERVER,)))
    assert bench.sent()[0].remote == PRIMARY_ENDPOINT


@pytest.mark.requirement("T-CL-003")
def test_a_name_of_a_private_address_is_refused_and_tried_again_later() -> None:
    bench = Bench(server="teredo.example")
    bench.start()
    bench.answer(bench.take_events(Resolve)[0], Done((IPv4Address("10.0.0.1"), IPv4Address("127.0.0.1"))))
    (down,) = bench.take_events(Down)
    assert "10.0.0.1" in down.reason
    assert bench.sent() == []
    assert RESTART_DELAY * (1 - RESTART_SPREAD) <= bench.wake() <= RESTART_DELAY * (1 + RESTART_SPREAD)
    assert bench.take_events(Resolve)


def test_a_name_that_does_not_resolve_is_told_with_its_exit_code() -> None:
    bench = Bench(server="teredo.example")
    bench.start()
    bench.answer(bench.take_events(Resolve)[0], Failed(FailureCode.NOT_FOUND, "no such name"))
    (down,) = bench.take_events(Down)
    assert down.code is ExitCode.REFUSED
    assert "teredo.example" in down.reason


@pytest.mark.requirement("T-CL-022", "T-CL-029")
def test_the_next_server_is_tried_at_once_and_all_again_after_a_rest() -> None:
    bench = Bench(server=["203.0.113.120", "198.51.100.118"]).start()
    bench.wait(SERVER_GIVEN_UP - 0.1)
    bench.sent()
    assert bench.state == "probing-primary"
    bench.wait(0.1)
    assert [datagram.remote.address for datagram in bench.sent()] == [
        IPv4Address("198.51.100.118"),
        IPv4Address("198.51.100.119"),
    ]
    assert bench.take_events(Down) == []
    bench.wait(SERVER_GIVEN_UP)
    assert bench.state == "offline"
    (down,) = bench.take_events(Down)
    assert "198.51.100.118:3544" in down.reason


@pytest.mark.requirement("T-CL-022")
def test_rests_double_up_to_100_seconds_give_or_take_a_quarter() -> None:
    bench = Bench().start()
    for delay in (5, 10, 20, 40, 80, 100, 100):
        bench.wait(SERVER_GIVEN_UP)
        assert bench.state == "offline"
        rest = bench.wake()
        assert 0.75 * delay <= rest <= 1.25 * delay
        assert bench.state == "probing-primary"


@pytest.mark.requirement("T-CL-022")
def test_woken_early_during_a_rest_a_client_says_nothing_and_asks_nobody() -> None:
    bench = Bench().start()
    bench.wait(SERVER_GIVEN_UP)
    bench.take_events(Down)
    bench.sent()
    bench.client.handle_timeout(bench.now + 1)
    assert (bench.client.outbox.drain_events(), bench.sent()) == ([], [])


@pytest.mark.requirement("T-CL-022", "T-MA-009")
def test_whoever_waits_for_an_answer_is_told_when_the_address_is_lost() -> None:
    bench = Bench().qualified()
    bench.wait(REFRESH_INTERVAL)
    bench.send(udp_packet(bench.address, IPv6Address("2001:db8::1")))
    while bench.state != "offline":
        bench.wake()
    assert [packet[40:42] for packet in bench.delivered()] == [b"\x01\x03"], "address unreachable"
    assert bench.client.status(bench.now).facts["address"] is None


@pytest.mark.requirement("T-CL-022")
def test_success_makes_the_next_rest_short_again() -> None:
    bench = Bench().start()
    for _ in range(3):
        bench.wait(SERVER_GIVEN_UP)
        bench.wake()
    for sent in bench.sent()[-2:]:
        bench.advertise(sent)
    assert bench.state == "qualified"
    while bench.state != "offline":
        bench.wake()
    assert bench.wake() <= RESTART_DELAY * (1 + RESTART_SPREAD)


@pytest.mark.requirement("T-CL-029")
def test_the_server_that_worked_last_is_remembered_and_tried_first() -> None:
    servers = ["198.51.100.118", str(SERVER)]
    bench = Bench(server=servers).start(memory={"server": str(SERVER).encode()})
    assert bench.sent()[0].remote == PRIMARY_ENDPOINT
    bench = Bench(server=servers).start()
    bench.wait(SERVER_GIVEN_UP)
    for sent in bench.sent()[-2:]:
        bench.advertise(sent)
    assert [effect.value for effect in bench.take_events(Remember)] == [str(SERVER).encode()]
