"""What links, routers and the backbone do to packets on their way."""

import pytest

from tests.scripted_tunnel import ScriptedTunnel, listener, member, script, send
from tunnelmgr.api.datagrams import ChannelKind, IcmpReceived
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.lab.simulated import Internet, SimulatedHost
from tunnelmgr.lab.simulated.segment import BACKBONE_HOPS
from tunnelmgr.lab.vocabulary import Link, NatKind

BOB = "192.0.2.2:4000"


def pair(internet: Internet, link: Link = Link()) -> tuple[SimulatedHost, SimulatedHost]:  # noqa: B008 (frozen)
    """Alice with this link, and Bob, both public and started."""
    alice = internet.add(listener(), address="192.0.2.1", name="alice", link=link)
    bob = internet.add(listener(), address="192.0.2.2", name="bob")
    internet.run(seconds=0)
    return alice, bob


def numbered(host: SimulatedHost, count: int) -> None:
    for number in range(count):
        send(host, b"%d" % number, BOB)


def test_a_link_takes_its_delay_to_the_bit() -> None:
    internet = Internet()
    alice, bob = pair(internet, Link(delay=0.125))
    send(alice, b"hello", BOB)
    internet.run(seconds=1)
    assert script(bob).datagrams_at == [0.125]


def test_exactly_the_packets_listed_are_lost() -> None:
    internet = Internet()
    alice, bob = pair(internet, Link(loss=frozenset({0, 2})))
    numbered(alice, 4)
    internet.run(seconds=1)
    assert script(bob).payloads == [b"1", b"3"]


def test_each_direction_counts_its_own_packets() -> None:
    internet = Internet()
    alice, bob = pair(internet, Link(loss=frozenset({0})))
    numbered(alice, 2)
    internet.run(seconds=1)
    send(bob, b"first back", "192.0.2.1:4000")
    send(bob, b"second back", "192.0.2.1:4000")
    internet.run(seconds=1)
    assert script(bob).payloads == [b"1"]
    assert script(alice).payloads == [b"second back"]


def test_one_direction_can_be_made_bad_later_and_counts_from_there() -> None:
    internet = Internet()
    alice, bob = pair(internet)
    numbered(alice, 3)
    alice.set_links(up=Link(loss=frozenset({0})))
    numbered(alice, 2)
    internet.run(seconds=1)
    assert script(bob).payloads == [b"0", b"1", b"2", b"1"]


def test_the_packets_listed_arrive_twice() -> None:
    internet = Internet()
    alice, bob = pair(internet, Link(duplicated=frozenset({1})))
    numbered(alice, 3)
    internet.run(seconds=1)
    assert script(bob).payloads == [b"0", b"1", b"1", b"2"]


def test_a_late_packet_arrives_behind_those_sent_after_it() -> None:
    internet = Internet()
    alice, bob = pair(internet, Link(late=frozenset({0}), late_by=0.5))
    numbered(alice, 3)
    internet.run(seconds=1)
    assert script(bob).payloads == [b"1", b"2", b"0"]


def test_loss_by_chance_is_the_same_for_the_same_seed() -> None:
    def arrived(seed: int) -> list[bytes]:
        internet = Internet(seed)
        alice, bob = pair(internet, Link(loss_rate=0.5))
        numbered(alice, 64)
        internet.run(seconds=1)
        return script(bob).payloads

    assert arrived(1) == arrived(1) != arrived(2)
    assert 0 < len(arrived(1)) < 64


def test_a_packet_of_the_links_mtu_passes_and_one_byte_more_does_not() -> None:
    internet = Internet()
    alice, bob = pair(internet, Link(mtu=1400))
    send(alice, bytes(1400 - 28), BOB)
    send(alice, bytes(1400 - 27), BOB)
    internet.run(seconds=1)
    assert [len(payload) for payload in script(bob).payloads] == [1372]


def test_with_icmp_errors_the_sender_learns_the_mtu() -> None:
    internet = Internet(icmp_errors=True)
    alice, _ = pair(internet, Link(mtu=1400))
    send(alice, bytes(1401), BOB)
    internet.run(seconds=1)
    (error,) = script(alice).channel_events
    assert isinstance(error, IcmpReceived)
    assert (error.type, error.code, error.mtu) == (3, 4, 1400)
    assert str(error.remote) == BOB


@pytest.mark.parametrize("behind", [NatKind.NONE, NatKind.PORT_RESTRICTED])
def test_a_closed_port_is_answered_even_through_a_nat(behind: NatKind) -> None:
    internet = Internet(icmp_errors=True)
    _, _ = pair(internet)
    carol = internet.add(listener(), behind=behind, name="carol")
    internet.run(seconds=0)
    send(carol, b"knock", "192.0.2.2:9")
    internet.run(seconds=1)
    (error,) = script(carol).channel_events
    assert isinstance(error, IcmpReceived)
    assert (error.type, error.code, error.quote) == (3, 3, b"knock")
    assert str(error.remote) == "192.0.2.2:9"


def test_an_address_nobody_has_is_unreachable_with_icmp_errors_and_silent_without() -> None:
    for icmp_errors in (True, False):
        internet = Internet(icmp_errors=icmp_errors)
        alice, _ = pair(internet)
        send(alice, b"anybody", "192.0.2.99:1")
        internet.run(seconds=1)
        kinds = [(event.type, event.code) for event in script(alice).channel_events if isinstance(event, IcmpReceived)]
        assert kinds == ([(3, 1)] if icmp_errors else [])


def test_an_icmp_error_that_finds_nobody_is_not_answered_with_another() -> None:
    internet = Internet(icmp_errors=True)
    alice, bob = pair(internet)
    bob.set_links(down=Link(delay=1.0))
    send(alice, b"knock", "192.0.2.2:9")
    alice.change_address("192.0.2.3")
    internet.run(seconds=10)
    errors = [line for line in str(internet.ladder).splitlines() if "ICMP" in line]
    assert [line.split()[2:4] for line in errors] == [["bob", "->"], ["backbone", "x"]]


def test_a_low_ttl_passes_the_own_nat_and_ends_before_the_peers() -> None:
    internet = Internet(icmp_errors=True)
    alice = internet.add(listener(), behind=NatKind.PORT_RESTRICTED, name="alice")
    bob = internet.add(listener(), behind=NatKind.PORT_RESTRICTED, name="bob")
    internet.run(seconds=0)
    send(alice, b"low", f"{bob.public_address}:4000", ttl=2)
    internet.run(seconds=1)
    assert [(e.type, e.code) for e in script(alice).channel_events if isinstance(e, IcmpReceived)] == [(11, 0)]
    # It did open Alice's NAT: Bob comes in at once.
    send(bob, b"hello", f"{alice.public_address}:4000")
    internet.run(seconds=1)
    assert script(alice).payloads == [b"hello"]
    assert script(bob).payloads == []


def test_a_ttl_that_ends_at_the_own_nat_opens_nothing() -> None:
    internet = Internet()
    alice = internet.add(listener(), behind=NatKind.FULL_CONE, name="alice")
    bob = internet.add(listener(), address="192.0.2.2", name="bob")
    internet.run(seconds=0)
    send(alice, b"low", BOB, ttl=1)
    internet.run(seconds=1)
    send(bob, b"hello", f"{alice.public_address}:4000")
    internet.run(seconds=1)
    assert script(alice).payloads == []


def test_the_receiver_sees_the_ttl_that_is_left() -> None:
    internet = Internet()
    alice = internet.add(listener(), behind=NatKind.PORT_RESTRICTED, name="alice")
    bob = internet.add(listener(), address="192.0.2.2", name="bob")
    internet.run(seconds=0)
    send(alice, b"hello", BOB, ttl=64)
    internet.run(seconds=1)
    assert script(bob).datagrams[0].ttl == 64 - 1 - BACKBONE_HOPS


def test_multicast_reaches_the_own_lan_and_no_further() -> None:
    internet = Internet()
    site = internet.site()
    here = [internet.add(member(), behind=site, name=name) for name in ("alice", "bob")]
    elsewhere = internet.add(member(), behind=NatKind.FULL_CONE, name="carol")
    public = internet.add(member(), name="dave")
    internet.run(seconds=0)
    send(here[0], b"who is there", "224.0.0.253:3544")
    internet.run(seconds=1)
    assert script(here[1]).payloads == [b"who is there"]
    assert script(here[0]).payloads == [b"who is there"]  # the sender's own kernel gives it a copy
    assert script(elsewhere).payloads == script(public).payloads == []
    assert script(here[1]).datagrams[0].channel == "group"
    assert script(here[1]).datagrams[0].remote.address == here[0].address


def test_hosts_of_one_site_reach_each_other_without_the_nat() -> None:
    internet = Internet()
    site = internet.site(NatKind.UDP_BLOCKED)
    alice, bob = (internet.add(listener(), behind=site, name=name) for name in ("alice", "bob"))
    internet.run(seconds=0)
    send(alice, b"hello", f"{bob.address}:4000")
    internet.run(seconds=1)
    assert [str(datagram.remote) for datagram in script(bob).datagrams] == [f"{alice.address}:4000"]


def test_behind_two_nats_a_packet_is_translated_twice_and_finds_back() -> None:
    internet = Internet()
    carrier = internet.site(address="203.0.113.77", lan="100.64.0.0/24")
    home = internet.site(behind=carrier)
    alice = internet.add(listener(), behind=home, name="alice")
    bob = internet.add(listener(), address="192.0.2.2", name="bob")
    internet.run(seconds=0)
    send(alice, b"hello", BOB)
    internet.run(seconds=1)
    (seen,) = script(bob).datagrams
    assert str(seen.remote.address) == "203.0.113.77" == str(alice.public_address)
    assert str(home.address) == "100.64.0.2"
    send(bob, b"back", str(seen.remote))
    internet.run(seconds=1)
    assert script(alice).payloads == [b"back"]


def test_a_site_that_gets_another_address_is_seen_from_there_and_hears_nothing_at_the_old_one() -> None:
    internet = Internet()
    site = internet.site(NatKind.FULL_CONE)
    alice = internet.add(listener(), behind=site, name="alice")
    bob = internet.add(listener(), address="192.0.2.2", name="bob")
    internet.run(seconds=0)
    send(alice, b"before", BOB)
    internet.run(seconds=1)
    before = script(bob).datagrams[0].remote
    site.change_address("203.0.113.200")
    send(bob, b"lost", str(before))
    send(alice, b"after", BOB)
    internet.run(seconds=1)
    assert str(script(bob).datagrams[1].remote.address) == "203.0.113.200"
    assert script(alice).payloads == []


def test_protocol_41_without_df_passes_a_link_it_is_too_large_for_and_with_df_it_is_reported() -> None:
    internet = Internet(icmp_errors=True)
    alice = internet.add(protocol41(discovery=True), address="192.0.2.1", name="alice", link=Link(mtu=1400))
    carol = internet.add(protocol41(discovery=False), address="192.0.2.3", name="carol", link=Link(mtu=1400))
    bob = internet.add(protocol41(discovery=False), address="192.0.2.2", name="bob")
    internet.run(seconds=0)
    for sender in (alice, carol):
        send(sender, bytes(1381), "192.0.2.2", channel="raw")
    internet.run(seconds=1)
    assert [str(seen.remote.address) for seen in script(bob).datagrams] == ["192.0.2.3"]
    assert [seen.ttl for seen in script(bob).datagrams] == [77 - BACKBONE_HOPS]
    (error,) = script(alice).channel_events
    assert isinstance(error, IcmpReceived)
    assert (error.type, error.code, error.mtu) == (3, 4, 1400)


def protocol41(*, discovery: bool) -> ScriptedTunnel:
    return ScriptedTunnel(OpenChannel("raw", ChannelKind.RAW41, path_mtu_discovery=discovery, ttl=77))
