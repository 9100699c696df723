"""Settings, judgement of a network, and the hook."""

from ipaddress import IPv4Address
from typing import Any

import pytest
from pydantic import ValidationError

from tunnelmgr.api.network import Network
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.transport import Fit
from tunnelmgr_sixinfour.plugin import tunnelmgr_register_transports
from tunnelmgr_sixinfour.settings import SixInFourSettings
from tunnelmgr_sixinfour.transport import SixInFour

WRITTEN: dict[str, Any] = {"remote": "192.0.2.80", "address": "2001:db8:1f0a:3b::2/64"}


def settings(**more: Any) -> SixInFourSettings:
    return SixInFourSettings.model_validate(WRITTEN | more)


def report(source: str | None, **facts: Any) -> NetworkReport:
    return NetworkReport(Network(source=IPv4Address(source) if source else None), **facts)


def test_the_plugin_registers_the_transport() -> None:
    assert SixInFour in tunnelmgr_register_transports()


def test_remote_and_address_are_enough() -> None:
    assert SixInFour("peer", settings()).describe() == "remote 192.0.2.80"


@pytest.mark.parametrize(
    ("address", "far"),
    [
        ("2001:db8:1f0a:3b::2/64", "2001:db8:1f0a:3b::1"),
        ("2001:db8:1f0a:3b::1/64", "2001:db8:1f0a:3b::2"),
        ("2001:db8:1f0a:3b::7/64", "2001:db8:1f0a:3b::1"),
        ("2001:db8::6/127", "2001:db8::7"),
        ("2001:db8::7/127", "2001:db8::6"),
        ("2001:db8::6/126", "2001:db8::5"),
    ],
)
def test_the_far_ends_address_follows_from_ours(address: str, far: str) -> None:
    assert str(settings(address=address).far) == far


@pytest.mark.parametrize(
    "wrong",
    [
        {"mtu": 1279},
        {"mtu": 65515},
        {"mtu": "large"},
        {"ttl": 0},
        {"remote": "2001:db8::1"},
        {"address": "2001:db8::1/128"},
        {"far_address": "2001:db8:1f0a:3b::2"},
        {"local": "192.0.2.80"},
        {"keepalive": 1},
        {"remot": "192.0.2.80"},
        {"dscp": 64},
    ],
)
@pytest.mark.requirement("S-MT-001")
def test_what_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


@pytest.mark.parametrize(
    ("seen", "fit", "word"),
    [
        (report("203.0.113.66"), Fit.GOOD, "public"),
        (report("192.168.1.2"), Fit.POSSIBLE, "must forward protocol 41"),
        (report("192.168.1.2", protocol41=True), Fit.GOOD, "passes"),
        (report("203.0.113.66", protocol41=False), Fit.UNSUITABLE, "does not pass"),
        (report("100.64.7.7"), Fit.UNSUITABLE, "provider's NAT"),
        (report(None), Fit.UNSUITABLE, "no IPv4 default route"),
    ],
)
@pytest.mark.requirement("S-SE-006")
def test_it_suits_hosts_that_protocol_41_reaches(seen: NetworkReport, fit: Fit, word: str) -> None:
    judged = SixInFour("peer", settings()).suits(seen)
    assert judged.fit is fit
    assert word in judged.reason
