"""A client and a broker on the simulated internet, run by the pump and the forwarding table that ship."""

import pytest
from tests.tsp_world.internets import ALICE, SET_UP, add_broker, add_client, carries, leases, prefix_of

from tunnelmgr.lab.simulated import Internet
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr_tsp.client.settings import TspClientSettings
from tunnelmgr_tsp.transport import Tsp

BEHIND_NAT = [kind for kind in NatKind if kind not in {NatKind.NONE, NatKind.UDP_BLOCKED}]


@pytest.mark.parametrize("data_plane", [True, False])
@pytest.mark.parametrize("kind", BEHIND_NAT, ids=lambda kind: kind.value)
def test_behind_a_nat_the_broker_gives_a_tunnel_over_udp(kind: NatKind, data_plane: bool) -> None:
    internet = Internet(seed=1, data_plane=data_plane)
    broker = add_broker(internet)
    home = add_client(internet, kind)
    assert internet.run_until(lambda: home.up, within=5)
    assert home.status().facts["tunnel"] == "v6udpv4"
    assert carries(internet, home)
    assert len(leases(broker)) == 1


def test_without_a_nat_the_broker_gives_protocol_41() -> None:
    internet = Internet(seed=1)
    add_broker(internet)
    home = add_client(internet)
    assert internet.run_until(lambda: home.up, within=5)
    assert home.status().facts["tunnel"] == "v6v4"
    assert carries(internet, home)


@pytest.mark.parametrize("signalling", ["udp", "tcp"])
@pytest.mark.parametrize("auth", ["digest-md5", "plain", "any"])
def test_a_user_gets_a_prefix_over_udp_and_tcp(signalling: str, auth: str) -> None:
    internet = Internet(seed=1)
    broker = add_broker(internet, plain=True)
    home = add_client(internet, signalling=signalling, auth=auth, prefix_length=56, **ALICE)
    assert internet.run_until(lambda: home.up, within=5)
    assert home.status().facts["authentication"] == ("PLAIN" if auth == "plain" else "DIGEST-MD5")
    assert str(prefix_of(home)) == "2001:db8:100:100::/56"
    assert [row["owner"] for row in leases(broker)] == ["user alice"]
    assert carries(internet, home)


@pytest.mark.parametrize(("written", "asked"), [({}, 62), ({"prefix_length": 56}, 56)])
def test_a_lan_is_asked_for_by_itself(written: dict[str, int], asked: int) -> None:
    settings = TspClientSettings.model_validate({"broker": "192.0.2.1", "user": "alice", "password": "wonder"} | written)
    internet = Internet(seed=1)
    add_broker(internet)
    home = internet.add(Tsp("client", settings).with_prefix(62).tunnel, name="home")
    internet.run(SET_UP)
    assert home.config is not None
    (prefix,) = home.config.delegated
    assert prefix.prefixlen <= asked
