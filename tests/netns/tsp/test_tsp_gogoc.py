"""The broker's real process serves a client that speaks and reads as gogoc does (docs/protocols/tsp.md section 15)."""

from pathlib import Path

import pytest

from tests.netns.program import Tunnelmgr
from tests.peers.gogoc import GaveUp, Gogoc
from tests.peers.tsp_internet import ADDRESS, BROKER, PASSWORD, TspInternet, write_secret
from tunnelmgr.lab.vocabulary import NatKind

GENEROUS = f"{BROKER}  plain: true\n"


@pytest.fixture
def broker_profile() -> str:
    return GENEROUS


def test_behind_a_nat_it_gets_a_tunnel_over_udp_and_its_keepalives_are_answered(far_end: TspInternet) -> None:
    with far_end.internet.site("home", NatKind.PORT_RESTRICTED).inside.enter():
        gogoc = Gogoc(ADDRESS)
        offered = gogoc.connect()
        assert (offered.type, offered.client_ipv4, offered.keepalive) == ("v6udpv4", "203.0.113.1", 30)
        assert offered.dns == "0000:0000:0000:0000:0000:0000:0000:0000"
        assert all(gogoc.keepalive_answered(sequence) for sequence in range(3))
        gogoc.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("auth", ["any", "plain"])
def test_without_a_nat_it_gets_protocol_41_and_its_prefix_with_either_login(
    far_end: TspInternet, transport: str, auth: str
) -> None:
    with far_end.internet.host("open", "203.0.113.65").enter():
        gogoc = Gogoc(ADDRESS, user="alice", password=PASSWORD, auth=auth, prefix_length=56, transport=transport)
        offered = gogoc.connect()
        assert (offered.type, offered.server_ipv4) == ("v6v4", ADDRESS)
        assert offered.prefix == "2001:0db8:0100:01"
        assert gogoc.keepalive_answered()
        gogoc.close()


def test_a_wrong_password_is_told_where_it_is_looked_for(far_end: TspInternet) -> None:
    with far_end.internet.host("open", "203.0.113.65").enter():
        for transport in ("udp", "tcp"):
            with pytest.raises(GaveUp, match="300"):
                Gogoc(ADDRESS, user="alice", password=f"not {PASSWORD}", transport=transport).connect()


def test_back_from_another_port_it_has_the_same_address_and_the_old_port_is_dead(far_end: TspInternet) -> None:
    with far_end.internet.site("home", NatKind.SYMMETRIC).inside.enter():
        first, second = (Gogoc(ADDRESS, user="alice", password=PASSWORD) for _ in range(2))
        before = first.connect()
        assert second.connect().client_ipv6 == before.client_ipv6
        assert second.keepalive_answered()
        assert not first.keepalive_answered()
        for gogoc in (first, second):
            gogoc.close()


def test_an_address_it_has_no_longer_is_taken_for_a_nat(far_end: TspInternet) -> None:
    with far_end.internet.host("open", "203.0.113.65").enter():
        gogoc = Gogoc(ADDRESS, local="203.0.113.99")
        assert gogoc.connect().type == "v6udpv4"
        assert gogoc.keepalive_answered()
        gogoc.close()


def test_where_udp_is_dropped_it_comes_over_tcp(far_end: TspInternet) -> None:
    host = far_end.internet.host("open", "203.0.113.65")
    backbone = far_end.internet.backbone  # on the way: a sender's own firewall would tell it
    backbone.run(["nft", "add table ip wall; add chain ip wall way { type filter hook forward priority 0; }"])
    backbone.run(["nft", "add rule ip wall way ip saddr 203.0.113.65 udp dport 3653 drop"])
    with host.enter():
        gogoc = Gogoc(ADDRESS)
        assert gogoc.connect().type == "v6v4"
        assert gogoc.keepalive_answered()
        gogoc.close()


def test_of_several_brokers_it_is_sent_to_it_takes_one_that_answers(far_end: TspInternet, tmp_path: Path) -> None:
    host = far_end.internet.host("second", "192.0.2.34", "2001:db8:8::1")
    far_end.internet.route("2001:db8:200::/40", host)
    text = GENEROUS.replace(ADDRESS, "192.0.2.34").replace("2001:db8:100", "2001:db8:200")
    second = Tunnelmgr(host, tmp_path, text)
    write_secret(second, "users", (far_end.broker.folder / "users").read_text())
    second.up()
    broker = far_end.broker
    broker.run("down", "broker")
    broker.profile.write_text(f"{broker.profile.read_text()}  redirect: [192.0.2.200, 192.0.2.34]\n")
    broker.up()
    broker.run("broker", "drain", "broker")
    with far_end.internet.site("home", NatKind.PORT_RESTRICTED).inside.enter():
        gogoc = Gogoc(ADDRESS, user="alice", password=PASSWORD)
        assert gogoc.connect().client_ipv6.startswith("2001:0db8:0200:")
        assert gogoc.server == "192.0.2.34"
        assert gogoc.keepalive_answered()
        gogoc.close()
    second.run("down", "broker")
