"""The transport with the roles beside the client's, and what their profiles may say."""

from random import Random

import pytest

from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Fit
from tunnelmgr_teredo.relay.relay import TeredoRelay
from tunnelmgr_teredo.server.server import TeredoServer
from tunnelmgr_teredo.transport import Teredo


def teredo(role: str, **settings: object) -> Teredo:
    return Teredo(role, Teredo.roles[role].model_validate(settings))


FAR_END = {"addresses": ["192.0.2.1", "192.0.2.2"], "relay": True, "exit": "nat66"}


def test_the_client_is_the_first_role() -> None:
    assert list(Teredo.roles) == ["client", "server", "relay"]


@pytest.mark.parametrize(
    ("role", "settings", "words"),
    [
        ("server", {"addresses": ["192.0.2.1"]}, "server on 192.0.2.1"),
        ("server", FAR_END, "server and relay on 192.0.2.1, 192.0.2.2"),
        ("relay", {"address": "198.51.100.1"}, "relay on 198.51.100.1"),
        ("relay", {"serves": "host"}, "relay for this host on port 3545"),
        ("relay", {"serves": "host", "port": 0}, "relay for this host on a random port"),
    ],
)
def test_a_role_is_described_by_what_the_user_chose(role: str, settings: dict[str, object], words: str) -> None:
    assert teredo(role, **settings).describe() == words


@pytest.mark.parametrize(("native", "server", "relay"), [(True, Fit.GOOD, Fit.GOOD), (False, Fit.POSSIBLE, Fit.UNSUITABLE)])
def test_servers_and_relays_suit_hosts_with_native_ipv6(native: bool, server: Fit, relay: Fit) -> None:
    report = NetworkReport(native_ipv6=native)
    assert teredo("server", **FAR_END).suits(report).fit is server
    assert teredo("relay").suits(report).fit is relay


def test_each_role_makes_its_tunnel() -> None:
    assert isinstance(teredo("server", **FAR_END).tunnel(Random(1)), TeredoServer)
    assert isinstance(teredo("relay").tunnel(Random(1)), TeredoRelay)


def test_settings_of_something_else_are_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="no role with settings of type Settings"):
        Teredo("server", Settings())


def test_translation_is_for_a_relay() -> None:
    with pytest.raises(ValueError, match="`exit: nat66` is for a relay beside this server; add `relay: true`"):
        teredo("server", addresses=["192.0.2.1"], exit="nat66")
