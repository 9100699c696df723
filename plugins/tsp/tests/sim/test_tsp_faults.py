"""What goes wrong between a client and its broker, and how they get over it by themselves."""

from dataclasses import replace
from random import Random

import pytest
from tests.tsp_world.internets import (
    ALICE,
    BROKER,
    NAME,
    REPLACED,
    SET_UP,
    add_broker,
    add_client,
    broker_settings,
    carries,
    downs,
    leases,
    prefix_of,
    ups,
)

from tunnelmgr.api.datagrams import Datagram
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import Down, Notice
from tunnelmgr.api.network import Endpoint
from tunnelmgr.lab.simulated import Internet, SimulatedHost
from tunnelmgr.lab.vocabulary import Link, Nat, NatKind
from tunnelmgr_tsp.broker.leases import Leases
from tunnelmgr_tsp.constants import BACKOFF_MAX, BLOCKED_REMEMBERED, GRACE, PORT, SWEEP_INTERVAL, TUNNEL_SILENCE_MIN

SECOND = "192.0.2.2"


def database() -> Leases:
    """Return leases that outlive a broker's process."""
    plan = broker_settings().plan()
    return Leases("sqlite://", BROKER, plan.slots, plan.prefix_slots)


@pytest.mark.requirement("TSP-03")
@pytest.mark.parametrize("seed", range(12))
def test_lossy_duplicating_reordering_links_give_exactly_one_lease(seed: int) -> None:
    internet, random = Internet(seed), Random(seed)
    broker = add_broker(internet)

    def bad() -> Link:
        lost, twice, late = (frozenset(n for n in range(40) if random.random() < 0.3) for _ in range(3))
        return Link(delay=0.02, loss=lost, duplicated=twice, late=late, late_by=0.7)

    home = add_client(internet, NatKind.PORT_RESTRICTED, **ALICE, prefix_length=56)
    assert home.site is not None
    home.site.outer.set_links(bad(), bad())
    assert internet.run_until(lambda: home.up, within=900)
    internet.run(10)
    assert [row["owner"] for row in leases(broker)] == ["user alice"]
    assert broker.status().peers_total == 1
    assert str(prefix_of(home)) == "2001:db8:100:100::/56"


@pytest.mark.requirement("TSP-03")
@pytest.mark.parametrize("lost", range(4))
def test_each_datagram_of_a_session_may_be_lost_either_way(lost: int) -> None:
    for direction in ("up", "down"):
        internet = Internet(seed=1)
        broker = add_broker(internet)
        home = add_client(internet, NatKind.SYMMETRIC, tunnel="v6udpv4")
        assert home.site is not None
        home.site.outer.set_links(**{direction: Link(delay=0.02, loss=frozenset({lost}))})
        internet.run(5)
        assert home.up
        assert len(leases(broker)) == 1
        assert broker.status().counters["tunnels-set-up"] == 1


def test_a_restarted_broker_gives_the_same_addresses_and_the_host_is_not_touched() -> None:
    internet, kept = Internet(seed=1), database()
    broker = add_broker(internet, leases=kept)
    home = add_client(internet, NatKind.PORT_RESTRICTED, **ALICE, prefix_length=56)
    internet.run(SET_UP)
    address = home.ipv6_address
    broker.restart()
    assert not carries(internet, home)
    internet.run(REPLACED)
    assert carries(internet, home)
    assert home.ipv6_address == address
    assert ups(home) == 1, "what is configured stayed as it was"
    assert "tsp.reconnecting" in home.notices
    assert downs(home) == []


@pytest.mark.requirement("TSP-17", "TSP-20")
@pytest.mark.parametrize("kind", [NatKind.PORT_RESTRICTED, NatKind.SYMMETRIC])
def test_a_nat_that_forgets_us_ends_in_a_new_session(kind: NatKind) -> None:
    internet = Internet(seed=2)
    broker = add_broker(internet)
    home = add_client(internet, kind, **ALICE)
    internet.run(SET_UP)
    assert home.site is not None
    home.site.change_address("203.0.113.200")
    before = broker.status().peers[0].endpoint
    home.send_ping(to=internet.ipv6_host())
    internet.run(1)
    assert broker.status().peers[0].endpoint == before, "a tunnel does not move because a packet came from elsewhere"
    internet.run(REPLACED)
    assert carries(internet, home)
    assert broker.status().peers[0].endpoint != before
    assert broker.status().peers_total == 1
    assert ups(home) == 1


def test_an_idle_tunnel_keeps_its_nat_open() -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet)
    home = add_client(internet, Nat(mapping_timeout=40.0), **ALICE)
    internet.run(1000)
    ping = broker.send_ping(to=home)
    internet.run(1)
    assert ping.answered
    assert broker.status().counters["tunnels-set-up"] == 1


def test_a_changed_address_is_told_to_the_broker_at_once() -> None:
    internet = Internet(seed=1)
    add_broker(internet)
    home = add_client(internet, **ALICE)
    internet.run(SET_UP)
    address = home.ipv6_address
    home.change_address("203.0.113.77")
    internet.run(SET_UP)
    assert carries(internet, home)
    assert home.ipv6_address == address
    assert ups(home) == 1


def test_moving_behind_a_nat_turns_protocol_41_into_udp() -> None:
    internet = Internet(seed=1)
    add_broker(internet)
    home = add_client(internet, **ALICE)
    internet.run(SET_UP)
    assert home.status().facts["tunnel"] == "v6v4"
    internet.move(home, behind=NatKind.SYMMETRIC)
    internet.run(3)
    assert home.status().facts["tunnel"] == "v6udpv4"
    assert carries(internet, home)


def test_waking_up_makes_a_new_session() -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet)
    home = add_client(internet, NatKind.PORT_RESTRICTED, **ALICE)
    internet.run(SET_UP)
    home.suspend()
    internet.run(TUNNEL_SILENCE_MIN + SWEEP_INTERVAL)
    assert broker.status().peers_total == 0, "a silent tunnel is taken down"
    home.resume()
    internet.run(SET_UP)
    assert carries(internet, home)
    assert ups(home) == 1


@pytest.mark.requirement("TSP-14")
def test_protocol_41_that_does_not_pass_is_noticed_and_remembered() -> None:
    internet = Internet(seed=1)
    add_broker(internet)
    # A NAT whose outside address the host has been given to declare: the broker sees no NAT, as with a firewall.
    home = add_client(internet, Nat(passes_protocol41=False))
    assert home.site is not None
    home.change_address(home.site.address)
    internet.run(15)
    assert home.status().facts["tunnel"] == "v6udpv4"
    assert "tsp.protocol-41-blocked" in home.notices
    home.restart()
    internet.run(1)
    assert home.status().facts["tunnel"] == "v6udpv4"


def without_udp(internet: Internet) -> SimulatedHost:
    """Add a client behind a firewall that drops UDP. The broker sees no NAT, and gives protocol 41 over TCP."""
    home = add_client(internet, Nat(passes_udp=False))
    assert home.site is not None
    home.change_address(home.site.address)
    return home


def let_protocol_41_pass(home: SimulatedHost, passes: bool) -> None:
    assert home.site is not None
    home.site.translator.nat = replace(home.site.translator.nat, passes_protocol41=passes)


@pytest.mark.requirement("TSP-14")
def test_an_outage_of_protocol_41_at_the_start_locks_nobody_out() -> None:
    internet = Internet(seed=1)
    add_broker(internet)
    home = without_udp(internet)
    let_protocol_41_pass(home, passes=False)
    internet.run(40)
    assert "tsp.protocol-41-blocked" in home.notices
    let_protocol_41_pass(home, passes=True)
    internet.run(60)
    assert carries(internet, home)
    assert home.status().facts["tunnel"] == "v6v4"
    assert downs(home) == []


@pytest.mark.requirement("TSP-14")
def test_a_note_of_blocked_protocol_41_decides_only_what_is_asked_first() -> None:
    internet = Internet(seed=1)
    add_broker(internet)
    home = without_udp(internet)
    let_protocol_41_pass(home, passes=False)
    internet.run(20)
    assert "tsp.protocol-41-blocked" in home.notices
    let_protocol_41_pass(home, passes=True)
    home.restart()
    assert internet.run_until(lambda: home.up, within=20)
    assert carries(internet, home)
    assert home.status().facts["tunnel"] == "v6v4"
    assert not any(isinstance(event, Down) for event in home.events), "all ways are tried before anything is given up"
    home.restart()
    assert internet.run_until(lambda: home.up, within=8), "what carries is not noted as blocked any more"


@pytest.mark.requirement("TSP-14")
def test_a_note_of_blocked_protocol_41_expires() -> None:
    internet = Internet(seed=1)
    add_broker(internet)
    home = add_client(internet, Nat(passes_protocol41=False))
    assert home.site is not None
    home.change_address(home.site.address)
    internet.run(15)
    assert home.status().facts["tunnel"] == "v6udpv4"
    let_protocol_41_pass(home, passes=True)
    internet.run(BLOCKED_REMEMBERED)
    home.restart()
    internet.run(SET_UP)
    assert home.status().facts["tunnel"] == "v6v4"


@pytest.mark.requirement("TSP-14")
@pytest.mark.parametrize("outage", [20, 50])
def test_a_tunnel_that_carries_again_is_kept_although_no_other_can_be_had(outage: float) -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet)
    home = without_udp(internet)
    internet.run(20)
    assert carries(internet, home)
    let_protocol_41_pass(home, passes=False)
    broker.command("drain")
    internet.run(outage)
    let_protocol_41_pass(home, passes=True)
    internet.run(2 * GRACE)
    assert carries(internet, home)
    assert downs(home) == []


@pytest.mark.requirement("TSP-19")
def test_a_tunnel_is_renewed_in_the_background() -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet, lifetime=10)
    home = add_client(internet, NatKind.PORT_RESTRICTED, **ALICE)
    internet.run(SET_UP)
    sent = []
    for _ in range(30):
        sent.append(home.send_ping(to=internet.ipv6_host()))
        internet.run(60)
    assert all(ping.answered for ping in sent)
    assert broker.status().counters["tunnels-set-up"] == 4
    assert ups(home) == 1


@pytest.mark.requirement("TSP-19")
def test_a_tunnel_that_cannot_be_renewed_goes_on() -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet, lifetime=10)
    home = add_client(internet, NatKind.PORT_RESTRICTED, **ALICE)
    internet.run(SET_UP)
    broker.command("drain")
    internet.run(1200)
    assert "tsp.not-renewed" in home.notices
    assert carries(internet, home)
    assert downs(home) == []


@pytest.mark.requirement("TSP-21")
def test_a_wrong_password_is_permanent() -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet)
    home = add_client(internet, **(ALICE | {"password": "blunder"}))
    internet.run(2 * BACKOFF_MAX)
    (down,) = downs(home)
    assert (down.permanent, down.code) == (True, ExitCode.NO_PERMISSION)
    assert "refused user 'alice'" in down.reason
    assert broker.status().counters["requests"] == 3


@pytest.mark.requirement("TSP-08")
def test_a_password_is_not_sent_in_plain_text_without_consent() -> None:
    for consent in (False, True):
        internet = Internet(seed=1)
        add_broker(internet, plain=True)
        home = add_client(internet, auth="any", allow_plain=consent, **ALICE)
        internet.run(SET_UP)
        assert home.status().facts["authentication"] == "DIGEST-MD5"
    internet = Internet(seed=1)
    add_broker(internet, users=None)
    home = add_client(internet, **ALICE)
    internet.run(SET_UP)
    assert "offers authentication ANONYMOUS; the profile allows DIGEST-MD5" in downs(home)[0].reason


@pytest.mark.requirement("TSP-02")
def test_without_udp_the_broker_is_asked_over_tcp() -> None:
    internet = Internet(seed=1)
    add_broker(internet)
    home = add_client(internet, Nat(passes_udp=False))
    assert home.site is not None
    home.change_address(home.site.address)  # a firewall that lets no UDP pass, and translates nothing
    assert internet.run_until(lambda: home.up, within=10)
    assert home.status().facts["tunnel"] == "v6v4"
    internet.run(1)
    assert carries(internet, home)


@pytest.mark.requirement("TSP-01", "TSP-21")
def test_behind_a_nat_that_drops_udp_it_is_said_and_tried_again() -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet)
    home = add_client(internet, NatKind.UDP_BLOCKED)
    internet.run(400)  # 1 + 2 + 4 s over UDP, 10 s over TCP, then 5, 10, 20 ... s in between
    assert not home.up
    assert 4 <= len(downs(home)) <= 12
    assert not any(down.permanent for down in downs(home))
    assert leases(broker) == []


def test_over_tcp_the_last_word_of_a_broker_arrives_before_it_closes_the_connection() -> None:
    internet = Internet(seed=1)
    add_broker(internet).command("drain")
    home = add_client(internet, signalling="tcp")
    internet.run(SET_UP)
    assert "is busy" in downs(home)[0].reason, "530 was read: a connection that only closes is a silent broker"


@pytest.mark.requirement("TSP-18")
def test_a_drained_broker_sends_newcomers_to_another_which_is_remembered() -> None:
    internet = Internet(seed=1)
    first = add_broker(internet, redirect=[SECOND])
    second = add_broker(internet, name="second", address=SECOND, prefix="2001:db8:200::/40")
    internet.name(NAME, BROKER)
    first.command("drain")
    home = add_client(internet, NatKind.PORT_RESTRICTED)
    internet.run(SET_UP)
    assert home.up
    assert home.status().facts["broker"] == SECOND
    assert (len(leases(first)), len(leases(second))) == (0, 1)
    first.kill()
    home.restart()
    internet.run(1)
    assert home.up, "the last good broker is asked first"


@pytest.mark.requirement("TSP-18")
def test_brokers_that_send_us_in_circles_are_seen_through() -> None:
    internet = Internet(seed=1)
    for name, address, other in (("one", BROKER, SECOND), ("two", SECOND, BROKER)):
        broker = add_broker(internet, name=name, address=address, redirect=[other, address, "127.0.0.1", "224.0.0.1"])
        internet.run(0.1)
        broker.command("drain")
    internet.name(NAME, BROKER)
    home = add_client(internet, NatKind.PORT_RESTRICTED)
    internet.run(4)
    assert not home.up
    assert downs(home)
    assert sum(isinstance(event, Notice) and event.code == "tsp.redirected" for event in home.events) <= 4


def test_a_full_broker_sends_clients_away() -> None:
    internet = Internet(seed=1)
    add_broker(internet, tunnels_max=1, redirect=[SECOND])
    add_broker(internet, name="second", address=SECOND, prefix="2001:db8:200::/40")
    internet.name(NAME, BROKER)
    clients = [add_client(internet, NatKind.PORT_RESTRICTED, name=name) for name in ("one", "two")]
    internet.run(3)
    assert sorted(str(client.status().facts["broker"]) for client in clients) == [SECOND, NAME]


@pytest.mark.requirement("TSP-24")
def test_an_anonymous_client_goes_on_without_the_prefix_it_asked_for() -> None:
    internet = Internet(seed=1)
    add_broker(internet)
    home = add_client(internet, NatKind.PORT_RESTRICTED, prefix_length=56, name_servers=["ns.example.net"])
    internet.run(SET_UP)
    assert home.up
    assert prefix_of(home) is None
    assert {"tsp.asking-for-less", "tsp.no-prefix"} <= set(home.notices)


@pytest.mark.requirement("TSP-24")
@pytest.mark.parametrize(("asked", "given"), [(48, 56), (56, 56), (64, 64)])
def test_a_user_gets_the_broker_s_prefix_or_as_much_of_it_as_was_asked(asked: int, given: int) -> None:
    internet = Internet(seed=1)
    add_broker(internet)
    home = add_client(internet, NatKind.PORT_RESTRICTED, prefix_length=asked, **ALICE)
    internet.run(SET_UP)
    assert str(prefix_of(home)) == f"2001:db8:100:100::/{given}"


@pytest.mark.requirement("TSP-22")
@pytest.mark.parametrize("delete", [False, True])
def test_a_tunnel_is_given_back_when_the_profile_says_so(delete: bool) -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet)
    home = add_client(internet, NatKind.PORT_RESTRICTED, delete_on_stop=delete, **ALICE)
    internet.run(SET_UP)
    sent = broker.status().counters["requests"]
    home.stop()
    internet.run(SET_UP)
    assert not home.running
    assert len(leases(broker)) == (0 if delete else 1)
    assert (broker.status().counters["requests"] > sent) is delete


def test_anonymous_leases_are_taken_back_five_minutes_after_their_tunnels_die() -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet)
    home = add_client(internet, NatKind.PORT_RESTRICTED)
    internet.run(SET_UP)
    home.kill()
    internet.run(TUNNEL_SILENCE_MIN + SWEEP_INTERVAL)
    assert broker.status().peers_total == 0
    internet.run(300 - 2 * SWEEP_INTERVAL)
    assert len(leases(broker)) == 1
    internet.run(3 * SWEEP_INTERVAL)
    assert leases(broker) == []


def test_the_newest_accept_of_a_user_wins() -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet)
    first = add_client(internet, NatKind.PORT_RESTRICTED, name="first", **ALICE)
    internet.run(SET_UP)
    second = add_client(internet, name="second", **ALICE)
    internet.run(SET_UP)
    assert second.ipv6_address == first.ipv6_address
    assert broker.status().peers_total == 1
    assert carries(internet, second)


def test_two_hosts_on_one_account_do_not_take_the_tunnel_from_each_other_for_ever() -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet)
    clients = [add_client(internet, NatKind.PORT_RESTRICTED, name=name, **ALICE) for name in ("first", "second")]
    internet.run(seconds=600)
    before = broker.status().counters["tunnels-set-up"]
    internet.run(seconds=3000)
    assert before <= 4
    assert broker.status().counters["tunnels-set-up"] <= before + 2
    has, has_not = sorted(clients, key=lambda client: not client.inner.addresses)
    assert carries(internet, has)
    (complaint,) = broker.status().complaints
    assert complaint.text.startswith("user alice is used by two hosts: ")
    assert "has a tunnel for our address or account already: 'Account in use by another host'" in downs(has_not)[-1].reason
    assert "give each its own" in downs(has_not)[-1].hint
    has.stop()
    internet.run(seconds=600)
    assert carries(internet, has_not), "it is let in when the other is gone"


def test_a_host_that_starts_again_and_again_has_its_tunnel_each_time() -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet)
    site = internet.site(NatKind.SYMMETRIC)
    for number in range(6):
        client = add_client(internet, site, name=f"start-{number}", **ALICE)
        internet.run(SET_UP)
        assert carries(internet, client)
        client.stop()
        internet.run(seconds=8)
    assert broker.status().counters["tunnels-set-up"] == 6
    assert broker.status().complaints == ()


@pytest.mark.requirement("TSP-23")
def test_all_tunnels_share_one_server_address_and_clients_reach_each_other() -> None:
    internet = Internet(seed=1)
    add_broker(internet)
    clients = [add_client(internet, NatKind.SYMMETRIC, name=f"client{number}") for number in range(3)]
    internet.run(SET_UP)
    assert sorted(str(client.ipv6_address) for client in clients) == [f"2001:db8:100::{n}" for n in (2, 3, 4)]
    ping = clients[0].send_ping(to=clients[2])
    internet.run(1)
    assert ping.answered


def test_a_spoofed_inner_source_goes_nowhere() -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet)
    victim = add_client(internet, NatKind.PORT_RESTRICTED, name="victim")
    home = add_client(internet, NatKind.PORT_RESTRICTED)
    internet.run(SET_UP)
    echo = victim.inner.pinger.ask(victim.ipv6_address, internet.ipv6_host().ipv6_address, 8, 0.0)[1]
    home.outer.send(Datagram("tsp-1", echo, Endpoint(broker.address, PORT)))
    internet.run(1)
    assert broker.status().counters["dropped-spoofed"] == 1
