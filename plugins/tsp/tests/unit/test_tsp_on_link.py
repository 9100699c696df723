"""A broker with `prefix: on-link`: addresses of its own link, each answered for there while it has a tunnel."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network

import pytest
from pydantic import ValidationError
from tests.tsp_world.broker_desk import BrokerDesk
from tests.tsp_world.internets import broker_settings
from tests.tsp_world.talking import ACCEPT, create, log_in, set_up

from tunnelmgr.api.events import Down
from tunnelmgr.api.hostconfig import ProxiedNeighbour
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr_tsp.constants import HOST_INTERVAL, SWEEP_INTERVAL, TUNNEL_SILENCE_MIN

HERE = Network(native_ipv6=True, native_source=IPv6Address("2001:db8:7::10"), native_interface="eth0")
ELSEWHERE = replace(HERE, native_source=IPv6Address("2001:db8:8::10"))
CLIENTS = "2001:db8:7:0:7473:7000:0"


def desk(network: Network = HERE) -> BrokerDesk:
    return BrokerDesk(prefix="on-link", users=None, network=network)


def neighbours(broker: BrokerDesk) -> list[str]:
    assert {interface for interface, _ in broker.wishes[-1].proxied} <= {"eth0"}
    return [str(address) for _, address in broker.wishes[-1].proxied]


def test_addresses_are_given_apart_from_those_of_the_link_s_other_hosts() -> None:
    (wish,) = desk().wishes
    assert wish.addresses == (IPv6Interface(f"{CLIENTS}:1/128"),)
    assert wish.routes == (IPv6Network(f"{CLIENTS}:0/96"),)
    assert (wish.proxied, wish.forwarding) == ((), True)


def test_each_client_is_answered_for_while_it_has_a_tunnel() -> None:
    broker = desk()
    set_up(broker)
    broker.run(HOST_INTERVAL)
    assert broker.wishes[-1].proxied == (ProxiedNeighbour("eth0", IPv6Address(f"{CLIENTS}:2")),)
    broker.run(TUNNEL_SILENCE_MIN + SWEEP_INTERVAL)
    assert neighbours(broker) == []


def test_many_clients_at_once_are_one_piece_of_work_a_second() -> None:
    broker = desk()
    for number in range(10):
        set_up(broker, Endpoint(IPv4Address(f"203.0.113.{number}"), 40000))
    assert len(broker.wishes) == 1, "the first was told this very moment"
    broker.run(HOST_INTERVAL)
    assert len(neighbours(broker)) == 10
    broker.run(3 * HOST_INTERVAL)
    assert len(broker.wishes) == 2


def test_a_client_that_comes_back_from_elsewhere_changes_nothing() -> None:
    broker = desk()
    set_up(broker)
    broker.run(2 * HOST_INTERVAL)
    told = len(broker.wishes)
    set_up(broker)
    broker.run(2 * HOST_INTERVAL)
    assert len(broker.wishes) == told


def test_without_ipv6_there_is_nothing_to_give_until_there_is() -> None:
    broker = desk(Network())
    (down,) = [event for event in broker.said if isinstance(event, Down)]
    assert "no IPv6 address" in down.reason
    broker.move(Network())
    assert sum(isinstance(event, Down) for event in broker.said) == 1
    log_in(broker)
    assert b"310" in broker.say(create(), 242)[0]
    broker.move(HERE)
    assert len(broker.wishes) == 1
    assert b"200" in broker.say(create(), 243)[0]


def test_an_offer_made_on_a_link_that_was_left_gives_no_tunnel() -> None:
    broker = desk()
    log_in(broker)
    broker.say(create(), 242)
    broker.move(ELSEWHERE)
    assert broker.say(ACCEPT, 243) == []
    assert broker.broker.status(broker.now).peers_total == 0
    assert b"2001:0db8:0008:" in broker.say(create(), 244)[0]


def test_on_another_link_the_addresses_are_others_and_the_old_tunnels_are_gone() -> None:
    broker = desk()
    set_up(broker)
    broker.run(2 * HOST_INTERVAL)
    broker.move(ELSEWHERE)
    broker.run(2 * HOST_INTERVAL)
    assert broker.wishes[-1].routes == (IPv6Network("2001:db8:8:0:7473:7000::/96"),)
    assert neighbours(broker) == []
    assert broker.broker.status(broker.now).peers_total == 0


def test_a_link_of_one_s_own_choice_is_used() -> None:
    broker = BrokerDesk(prefix="on-link", link="2001:db8:7:0:c::/80", network=HERE)
    set_up(broker)
    broker.run(HOST_INTERVAL)
    assert neighbours(broker) == ["2001:db8:7:0:c::2"]


def test_what_is_on_the_link_is_not_translated() -> None:
    with pytest.raises(ValidationError, match="nothing is to be translated"):
        broker_settings(prefix="on-link", exit="nat66")
