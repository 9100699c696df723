"""Settings, judgement of a network, questions to brokers, commands, and the hook."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from tests.tsp_world.broker_desk import BrokerDesk
from tests.tsp_world.internets import USERS, broker_settings

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.network import Network
from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.api.secret import Secret
from tunnelmgr.api.status import Fact
from tunnelmgr.api.transport import Fit
from tunnelmgr_tsp.broker.users import Users
from tunnelmgr_tsp.client.candidates import Broker
from tunnelmgr_tsp.client.settings import TspClientSettings
from tunnelmgr_tsp.commands import broker
from tunnelmgr_tsp.plugin import tunnelmgr_register_transports
from tunnelmgr_tsp.transport import Tsp
from tunnelmgr_tsp.wire.datagrams import ControlMessage


def client(**settings: object) -> Tsp:
    return Tsp("client", TspClientSettings.model_validate({"broker": "broker.example.net"} | settings))


def test_the_plugin_registers_one_transport() -> None:
    assert tunnelmgr_register_transports() == [Tsp]


def test_what_was_chosen_is_told_without_secrets() -> None:
    assert client().describe() == "broker broker.example.net, anonymous"
    assert client(user="alice", password=Secret("wonder")).describe() == "broker broker.example.net, user alice"
    assert Tsp("broker", broker_settings()).describe() == "broker on 192.0.2.1 for 2001:db8:100::/40"


@pytest.mark.parametrize(
    ("settings", "report", "fit"),
    [
        ({}, NetworkReport(), Fit.GOOD),
        ({}, NetworkReport(nat=NatKind.SYMMETRIC), Fit.GOOD),
        ({}, NetworkReport(udp=False), Fit.POSSIBLE),
        ({"tunnel": "v6udpv4"}, NetworkReport(nat=NatKind.BLOCKED), Fit.UNSUITABLE),
        ({"signalling": "udp"}, NetworkReport(udp=False), Fit.UNSUITABLE),
        ({"tunnel": "v6v4"}, NetworkReport(protocol41=False), Fit.UNSUITABLE),
    ],
)
def test_a_client_suits_networks_that_let_it_out(settings: dict[str, object], report: NetworkReport, fit: Fit) -> None:
    online = replace(report, network=Network(source=IPv4Address("192.168.1.2")))
    assert client(**settings).suits(online).fit is fit


def test_a_client_suits_nowhere_without_a_default_route() -> None:
    assert client().suits(NetworkReport()).fit is Fit.UNSUITABLE


def test_a_broker_suits_the_host_that_has_its_address() -> None:
    assert Tsp("broker", broker_settings()).suits(NetworkReport(Network())).fit is Fit.UNSUITABLE


@pytest.mark.parametrize(
    "wrong",
    [
        {"broker": []},
        {"broker": "2001:db8::1"},
        {"broker": "host:0"},
        {"broker": "a b"},
        {"user": "alice"},
        {"auth": "plain"},
        {"tunnel": "v6udpv4", "signalling": "tcp"},
        {"name_servers": ["ns1.example.net"]},
        {"prefix_length": 65},
        {"keepalive": 1},
    ],
)
def test_a_client_that_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        client(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"anonymous": False, "users": None},
        {"users": "alice"},
        {"users": f"{USERS}{USERS}"},
        {"prefix": "2001:db8::/80"},
        {"link": "2001:db8:100:100::/64"},
        {"tunnels": []},
    ],
)
def test_a_broker_that_cannot_work_is_refused_without_telling_secrets(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refused:
        broker_settings(**wrong)
    assert USERS.splitlines()[0].partition(":")[2] not in str(refused.value)


def test_a_broker_without_its_database_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Tsp("broker", broker_settings())
    assert list(broker.services()) == ["leases"]
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(TunnelError, match="pip install"):
        broker.services()


@pytest.mark.parametrize(("text", "host", "port"), [("b.example", "b.example", 3653), ("192.0.2.1:99", "192.0.2.1", 99)])
def test_brokers_are_written_with_or_without_a_port(text: str, host: str, port: int) -> None:
    assert Broker.parse(text) == Broker(host, port)
    assert str(Broker.parse(text)) == text


def test_each_broker_is_asked_by_an_echo_request_and_understood() -> None:
    probe, other = client(broker=["broker.example.net", "192.0.2.9:4000"], signalling="udp").probes(Random(1))
    assert (probe.target, probe.port, other.target, other.port) == ("broker.example.net", 3653, "192.0.2.9", 4000)
    desk = BrokerDesk()
    desk.hear(probe.request)
    (answer,) = desk.take()
    assert probe.understand(answer.data) is not None
    assert other.understand(answer.data) is None
    for strange in (b"", b"\x60" + bytes(40), probe.request, ControlMessage(1, 1, b"200").serialize()):
        assert probe.understand(strange) is None
    assert Tsp("broker", broker_settings()).probes(Random(1)) == ()


@pytest.mark.parametrize(
    ("signalling", "kinds"),
    [
        ("udp", [ChannelKind.UDP]),
        ("tcp", [ChannelKind.TCP_CONNECT]),
        ("auto", [ChannelKind.UDP, ChannelKind.TCP_CONNECT]),
    ],
)
def test_a_broker_is_asked_by_the_protocols_it_may_be_spoken_to_by(signalling: str, kinds: list[ChannelKind]) -> None:
    probes = client(signalling=signalling).probes(Random(1))
    assert [(probe.kind, probe.port) for probe in probes] == [(kind, 3653) for kind in kinds]


class Running:
    """A broker that runs."""

    def __init__(self) -> None:
        self._desk = BrokerDesk()

    def ask(self, profile: str, command: str, arguments: Mapping[str, Fact]) -> Mapping[str, Any]:
        return self._desk.broker.command(command, arguments, 0.0)


def test_a_running_broker_is_asked_in_words_and_in_json() -> None:
    run = CliRunner().invoke
    table = run(broker, ["users", "tsp-broker"], obj=Running()).output.splitlines()
    assert [line.split()[0] for line in table] == ["user", "alice", "bob"]
    document = json.loads(run(broker, ["leases", "--json"], obj=Running()).output)
    assert (document["schema"], document["data"]) == ("tunnelmgr.broker-leases", {"leases": []})
    assert run(broker, ["leases"], obj=Running()).output == "no leases\n"
    assert run(broker, ["drain"], obj=Running()).exit_code == 0


def test_an_account_s_line_is_one_the_broker_reads() -> None:
    line = CliRunner().invoke(broker, ["account", "carol"], input="s3cret\ns3cret\n").stdout.splitlines()[-1]
    assert Users.parse(line, "tunnelmgr").check(b"carol", b"s3cret") == "carol"
    assert CliRunner().invoke(broker, ["account", "a:b"], input="x\nx\n").exit_code == 2
