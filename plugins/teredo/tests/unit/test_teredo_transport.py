from dataclasses import replace
from ipaddress import IPv4Address
from random import Random

import pluggy
import pytest
from pydantic import ValidationError

from tunnelmgr.api import hookspecs
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.network import Network
from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.api.transport import Fit
from tunnelmgr_teredo import plugin
from tunnelmgr_teredo.client.client import TeredoClient
from tunnelmgr_teredo.client.settings import ClientSettings, RelaySettings
from tunnelmgr_teredo.transport import Teredo

ONLINE = Network(source=IPv4Address("192.168.1.2"))


def settings(**values: object) -> ClientSettings:
    return ClientSettings.model_validate({"server": "192.0.2.1"} | values)


def test_the_plugin_registers_teredo() -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    assert Teredo in [transport for found in manager.hook.tunnelmgr_register_transports() for transport in found]
    assert Teredo.type_name == "teredo"
    assert next(iter(Teredo.roles)) == "client"


def test_a_transport_says_what_the_user_chose() -> None:
    assert Teredo("client", settings()).describe() == "server 192.0.2.1"
    both = settings(server=["teredo.example", "198.51.100.7"])
    assert Teredo("client", both).describe() == "servers teredo.example, 198.51.100.7"


def test_a_transport_makes_a_client() -> None:
    assert isinstance(Teredo("client", settings()).tunnel(Random(1)), TeredoClient)


@pytest.mark.parametrize(
    ("report", "fit"),
    [
        (NetworkReport(udp=False), Fit.UNSUITABLE),
        (NetworkReport(nat=NatKind.BLOCKED), Fit.UNSUITABLE),
        (NetworkReport(native_ipv6=True), Fit.UNSUITABLE),
        (NetworkReport(nat=NatKind.SYMMETRIC), Fit.POSSIBLE),
        (NetworkReport(nat=NatKind.PORT_RESTRICTED, udp=True), Fit.GOOD),
        (NetworkReport(), Fit.GOOD),
    ],
)
def test_teredo_suits_wherever_udp_passes(report: NetworkReport, fit: Fit) -> None:
    suitability = Teredo("client", settings()).suits(replace(report, network=ONLINE))
    assert suitability.fit is fit
    assert suitability.reason
    assert not suitability.reason.endswith(".")


def test_without_a_default_route_teredo_suits_only_where_it_is_told_where_to_send_from() -> None:
    assert Teredo("client", settings()).suits(NetworkReport()).fit is Fit.UNSUITABLE
    assert Teredo("client", settings(bind="192.168.1.2")).suits(NetworkReport()).fit is Fit.GOOD


@pytest.mark.requirement("T-SE-009")
def test_there_is_no_default_server() -> None:
    with pytest.raises(ValidationError, match="server"):
        ClientSettings.model_validate({})


@pytest.mark.requirement("T-CL-001", "T-CL-029")
def test_one_server_or_several_may_be_given() -> None:
    assert settings().server == ("192.0.2.1",)
    assert settings(server=["a.example", "b.example"]).server == ("a.example", "b.example")
    with pytest.raises(ValidationError):
        settings(server=[])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"server": "10.0.0.1"}, "not a public address"),
        ({"server": ["192.0.2.1", "192.0.2.9"], "secondary": "192.0.2.2"}, "one server"),
        ({"port": 70000}, "65535"),
        ({"mtu": 1279}, "1280"),
        ({"native": "perhaps"}, "standby"),
        ({"secure": {"client_id": "alice"}}, "secret"),
        ({"sever": "192.0.2.1"}, "sever"),
    ],
)
def test_mistakes_are_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(**values)


@pytest.mark.requirement("T-AD-010")
def test_a_private_server_is_accepted_where_its_prefix_is_listed() -> None:
    assert settings(server="10.0.0.1", private_deployment=["10.0.0.0/8"]).server == ("10.0.0.1",)


def test_every_setting_is_described() -> None:
    assert not [name for name, field in ClientSettings.model_fields.items() if not field.description]


def test_denied_relays_lose_against_allowed_ones() -> None:
    relays = RelaySettings.model_validate({"allow": ["198.51.100.0/24"], "deny": ["198.51.100.64/26"]})
    accepted = [relays.accepts(IPv4Address(address)) for address in ("198.51.100.1", "198.51.100.65", "192.0.2.1")]
    assert accepted == [True, False, False]
    assert RelaySettings().accepts(IPv4Address("192.0.2.1"))


def test_a_client_has_no_commands_of_its_own() -> None:
    with pytest.raises(TunnelError, match="dance"):
        TeredoClient(settings(), Random(1)).command("dance", {}, 0.0)
