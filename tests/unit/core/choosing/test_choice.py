"""Which methods may be used, in which order, and why not the others."""

from ipaddress import IPv4Address
from typing import Any

import pytest

from tests.scripted_tunnel import ScriptedTransport, ScriptedTunnel
from tunnelmgr.api.network import DefaultRoute, Network
from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.api.transport import Fit, Suitability
from tunnelmgr.core.choosing.choice import choose, judge, report_on
from tunnelmgr.core.profiles.profile import Method
from tunnelmgr.core.profiles.when import WhenSettings

HOME = NetworkReport(Network(default_route=DefaultRoute("eth0", None), source=IPv4Address("192.168.1.2")))


class Opinionated(ScriptedTransport):
    """Suits as it is told to."""

    def __init__(self, fit: Fit, reason: str) -> None:
        super().__init__(ScriptedTunnel())
        self._suitability = Suitability(fit, reason)

    def suits(self, report: NetworkReport) -> Suitability:
        return self._suitability


def method(name: str, fit: Fit = Fit.GOOD, **when: Any) -> Method:
    condition = WhenSettings.model_validate(when).resolve() if when else None
    return Method(name, "client", Opinionated(fit, f"{name} says so"), condition, 1)


def test_the_order_is_the_profile_s_and_the_unsuitable_are_left_out_with_their_reason() -> None:
    chosen, refused = choose((method("a", Fit.UNSUITABLE), method("b", Fit.POSSIBLE), method("c")), HOME)
    assert [judgement.method.type for judgement in chosen] == ["b", "c"]
    assert [(judgement.method.type, judgement.reason) for judgement in refused] == [("a", "a says so")]


def test_a_condition_replaces_the_transport_s_own_judgement() -> None:
    assert judge(method("a", Fit.UNSUITABLE, public_ipv4=False), HOME).suits is True
    assert judge(method("a", Fit.GOOD, public_ipv4=True), HOME).suits is False


def test_what_nobody_knows_comes_after_what_is_known_to_suit() -> None:
    chosen, refused = choose((method("a", nat="symmetric"), method("b")), HOME)
    assert [judgement.method.type for judgement in chosen] == ["b", "a"]
    assert chosen[1].reason == "whether `when: {nat: symmetric}` holds is not known: nothing shows which NAT there is"
    assert not refused


@pytest.mark.parametrize(
    ("written", "known", "expected"),
    [
        ("symmetric", NatKind.SYMMETRIC, True),
        ("symmetric", NatKind.PORT_RESTRICTED, False),
        ("not symmetric", NatKind.PORT_RESTRICTED, True),
        (["none", "full-cone"], NatKind.FULL_CONE, True),
        ("none", None, None),
        (["any", "not any"], NatKind.NONE, False),
    ],
)
def test_kinds_of_nat_are_compared(written: object, known: NatKind | None, expected: bool | None) -> None:
    assert judge(method("a", nat=written), NetworkReport(nat=known)).suits is expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [("any", True), ("not none", True), ("none", False), ("symmetric", None), ("not symmetric", None)],
)
def test_a_nat_nobody_has_named_is_judged_by_what_it_may_be(written: str, expected: bool | None) -> None:
    candidates = (NatKind.PORT_RESTRICTED, NatKind.SYMMETRIC)
    assert judge(method("a", nat=written), NetworkReport(nat_candidates=candidates)).suits is expected


@pytest.mark.parametrize(
    ("when", "report", "reason"),
    [
        (
            {"nat": ["symmetric"]},
            NetworkReport(nat=NatKind.FULL_CONE),
            "{nat: symmetric}` does not hold: the NAT is full-cone",
        ),
        ({"nat": "any"}, NetworkReport(nat=NatKind.NONE), "{nat: any}` does not hold: there is no NAT"),
        (
            {"nat": "not blocked"},
            NetworkReport(nat=NatKind.BLOCKED),
            "{nat: not blocked}` does not hold: no UDP passes (blocked)",
        ),
        (
            {"nat": ["none", "blocked"]},
            NetworkReport(nat_candidates=(NatKind.FULL_CONE, NatKind.SYMMETRIC)),
            "{nat: [none, blocked]}` does not hold: the NAT is one of full-cone, symmetric",
        ),
        ({"public_ipv4": True}, HOME, "{public_ipv4: true}` does not hold: this host has 192.168.1.2"),
        (
            {"native_ipv6": True},
            NetworkReport(native_ipv6=False),
            "{native_ipv6: true}` does not hold: there is no IPv6 without a tunnel",
        ),
        (
            {"interface": ["eth*", "not eth0"]},
            HOME,
            "{interface: [eth*, not eth0]}` does not hold: the default route is on eth0",
        ),
    ],
    ids=str,
)
def test_a_refusal_says_what_was_asked_and_what_is_here(when: dict[str, Any], report: NetworkReport, reason: str) -> None:
    assert judge(method("a", **when), report).reason == f"`when: {reason}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [("eth0", True), ("wwan*", False), ("not wwan*", True), (["eth*", "not eth0"], False)],
)
def test_the_interface_of_the_default_route_is_matched_by_patterns(written: object, expected: bool) -> None:
    assert judge(method("a", interface=written), HOME).suits is expected


def test_without_a_default_route_the_interface_is_not_known() -> None:
    assert judge(method("a", interface="eth0"), NetworkReport()).suits is None


def test_all_that_is_asked_must_hold() -> None:
    one_fails = judge(method("a", public_ipv4=False, nat="symmetric", interface="wwan0"), HOME)
    assert one_fails.suits is False
    assert one_fails.reason == "`when: {interface: wwan0}` does not hold: the default route is on eth0"


@pytest.mark.parametrize(
    ("address", "public"),
    [("192.168.1.2", False), ("100.64.0.9", False), ("169.254.1.1", False), ("203.0.113.7", True), ("8.8.8.8", True)],
)
def test_a_public_address_of_its_own_means_no_nat(address: str, public: bool) -> None:
    report = report_on(Network(source=IPv4Address(address)))
    assert (report.public_ipv4 is not None) is public
    assert report.nat is (NatKind.NONE if public else None)


def test_without_a_network_nothing_is_known() -> None:
    report = report_on(Network())
    assert (report.public_ipv4, report.nat, report.native_ipv6) == (None, None, None)
