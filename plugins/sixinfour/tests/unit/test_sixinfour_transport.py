"""Settings, judgement of a network, and the hook."""

from ipaddress import IPv4Address
from typing import Any

import pytest
from pydantic import ValidationError

from tunnelmgr.api.network import Network
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.transport import Fit
from tunnelmgr_sixinfour.configured.settings import SixInFourSettings
from tunnelmgr_sixinfour.plugin import tunnelmgr_register_transports
from tunnelmgr_sixinfour.transport import SixInFour

NOWHERE = str(IPv4Address(0))
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
    ("wrong", "why"),
    [
        ({"remote": NOWHERE}, "0.0.0.0 is not an address that a host can have"),
        ({"remote": "127.0.0.1"}, "127.0.0.1 is not an address that a host can have"),
        ({"remote": "224.0.0.1"}, "224.0.0.1 is not an address that a host can have"),
        ({"remote": "255.255.255.255"}, "255.255.255.255 is not an address that a host can have"),
        ({"local": NOWHERE}, "0.0.0.0 is not an address that a host can have"),
        ({"address": "ff02::1/64"}, "ff02::1 is neither global unicast nor unique local"),
        ({"address": "::/64"}, ":: is neither"),
        ({"address": "::1/64"}, "::1 is neither"),
        ({"address": "fe80::1/64"}, "fe80::1 is neither"),
        ({"address": "2001:db8::2/8"}, "2000::/8 is more than anybody has"),
        ({"far_address": "fe80::2"}, "fe80::2 is neither"),
        ({"prefixes": ["::/0"]}, "::/0 is more than anybody has; write the prefix with its real length"),
        ({"prefixes": ["2000::/3"]}, "2000::/3 is more than anybody has"),
        ({"prefixes": ["ff05::/16"]}, "ff05::/16 is neither"),
        ({"prefixes": ["2001:db8:5::/48", "2001:db8:5::/48"]}, "`prefixes` has 2001:db8:5::/48 twice"),
        ({"routes": ["ff02::/16"]}, "ff02::/16 has addresses that are never behind a tunnel"),
        ({"routes": ["fe80::/64"]}, "fe80::/64 has addresses that are never behind a tunnel"),
        ({"routes": ["fe00::/7"]}, "fe00::/7 has addresses that are never behind a tunnel"),
        ({"routes": ["::/1"]}, "::/1 has addresses that are never behind a tunnel (multicast, link-local, loopback); write"),
        ({"routes": ["2001:db8:1f0a:3b::/64"]}, "2001:db8:1f0a:3b::/64 of `routes` is the tunnel's own prefix"),
        ({"routes": ["2001:db8:1f0a:3b::7/128"]}, "`address` has 2001:db8:1f0a:3b::/64; remove it"),
        ({"address": "2001:db8:1f0a:3b::/64"}, "2001:db8:1f0a:3b::/64 is every router's address there"),
        ({"address": "2001:db8::4/126"}, "2001:db8::4/126 is every router's address"),
        ({"far_address": "2001:db8:5::9", "prefixes": ["2001:db8:5::/48"]}, "2001:db8:5::9 is on this side"),
        ({"address": "2001:db8::2/32", "prefixes": ["2001:db8::/48"]}, "the far end's 2001:db8::1 is on this side"),
        ({"routes": ["::/0", "::/0"]}, "`routes` has ::/0 twice"),
        ({"prefixes": ["2001:db8:5::/48"], "routes": ["2001:db8:5::/48"]}, "2001:db8:5::/48 of `routes` is on this side"),
        ({"prefixes": ["2001:db8:5::/48"], "routes": ["2001:db8:5:1::/64"]}, "`prefixes` has 2001:db8:5::/48; remove it"),
    ],
)
def test_an_address_that_cannot_be_is_refused_with_the_value_and_the_next_step(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**wrong)
    assert why in str(refused.value)
    assert ";" in str(refused.value)


@pytest.mark.parametrize(
    "right",
    [
        {"remote": "10.0.0.1", "local": "192.168.1.2"},
        {"address": "fd00:db8::2/64", "prefixes": ["fd00:db8:5::/48"]},
        {"prefixes": ["2001:db8:5::/48"], "routes": ["2001:db8::/32", "64:ff9b::/96"]},
        {"routes": ["2000::/3"]},
        {"routes": ["2001:db8:1f0a::/48"]},
        {"address": "2001:db8::6/127"},
        {"address": "2001:db8::/128", "far_address": "2001:db8::1"},
        {"address": "2001:db8:5::2/64", "prefixes": ["2001:db8:5::/48"]},
        {"routes": []},
    ],
)
def test_private_addresses_and_any_destination_are_good(right: dict[str, Any]) -> None:
    settings(**right)


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
