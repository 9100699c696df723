"""Which of a profile's methods may be used on this network, and in which order. Pure.

The order is the profile's. An explicit `when:` replaces the transport's own judgement. What a condition asks and nobody
knows yet is neither yes nor no: such methods come after those that are known to suit.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from tunnelmgr.api.addresses import is_public
from tunnelmgr.api.network import Network
from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.api.transport import Fit
from tunnelmgr.core.profiles.profile import Method
from tunnelmgr.core.profiles.when import When

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look at the network found: what methods are judged by, and whose far ends keep silent."""

    report: NetworkReport
    unreached: frozenset[int] = frozenset()
    """The methods, by their place in the profile from 0, of whose far ends none answered."""
    close: bool = False
    """True if the far ends were asked."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """May one method be used here? `suits` None: not known."""

    method: Method
    suits: bool | None
    reason: str
    """One sentence without a full stop."""
    certain: bool = False
    """True if a closer look would find out nothing more."""


def report_on(network: Network) -> NetworkReport:
    """Return what the addresses and routes of this host tell by themselves."""
    public = network.source if network.source is not None and is_public(network.source) else None
    return NetworkReport(
        network=network,
        public_ipv4=public,
        # A public address of its own: nobody translates. Behind a private one the kind of NAT is not known.
        nat=NatKind.NONE if public else None,
        native_ipv6=network.native_ipv6,
    )


def judge(method: Method, report: NetworkReport) -> Judgement:
    """Judge one method."""
    if method.when is not None:
        return _by_condition(method, method.when, report)
    try:
        suitability = method.transport.suits(report)
    except Exception as error:
        _log.exception("judging %s", method.type)
        return Judgement(method, False, f"the {method.type} plugin crashed: {error!r}", certain=True)
    fit = suitability.fit
    return Judgement(method, fit is not Fit.UNSUITABLE, suitability.reason, certain=fit is not Fit.POSSIBLE)


def judge_beside_native(method: Method, report: NetworkReport) -> Judgement:
    """Judge one method of a profile that has been up: beside native IPv6 it stands aside and need not go.

    A condition of the user's is a condition all the same.
    """
    return judge(method, report if method.when is not None else replace(report, native_ipv6=None))


def is_the_only_one(methods: tuple[Method, ...]) -> bool:
    """True if there is one method without a condition: the user wants it wherever this host is, and `up` judges nothing."""
    return len(methods) == 1 and methods[0].when is None


def choose(methods: tuple[Method, ...], report: NetworkReport) -> tuple[list[Judgement], list[Judgement]]:
    """Return the methods to try, in order, and those ruled out."""
    judged = [judge(method, report) for method in methods]
    suitable = [judgement for judgement in judged if judgement.suits is True]
    unknown = [judgement for judgement in judged if judgement.suits is None]
    return suitable + unknown, [judgement for judgement in judged if judgement.suits is False]


def _by_condition(method: Method, when: When, report: NetworkReport) -> Judgement:
    parts = when.parts
    asked = [check for check in _checks(when, report) if check.key in parts]
    if refusing := [check for check in asked if check.holds is False]:
        reason = f"`when: {{{parts[refusing[0].key]}}}` does not hold: {refusing[0].found}"
        return Judgement(method, False, reason, certain=True)
    if unknown := [check for check in asked if check.holds is None]:
        return Judgement(method, None, f"whether `when: {{{parts[unknown[0].key]}}}` holds is not known: {unknown[0].found}")
    return Judgement(method, True, f"`when: {when}` holds", certain=True)


class _Check(NamedTuple):
    """One part of a condition."""

    key: str
    holds: bool | None
    found: str
    """What is here, in a sentence without a full stop."""


def _checks(when: When, report: NetworkReport) -> Iterator[_Check]:
    yield _Check("nat", _holds_for_nat(when, report), _nat_found(report))
    public = report.public_ipv4 is not None
    source = report.network.source
    has = f"this host has {source}" if source is not None else "this host has no way to the internet"
    yield _Check("public_ipv4", public == when.public_ipv4, has)
    native = None if report.native_ipv6 is None else report.native_ipv6 == when.native_ipv6
    there = {True: "there is IPv6 without a tunnel", False: "there is no IPv6 without a tunnel", None: "nobody could tell"}
    yield _Check("native_ipv6", native, there[report.native_ipv6])
    route = report.network.default_route
    takes = when.takes(route.interface) if route is not None else None
    leads = f"the default route is on {route.interface}" if route is not None else "there is no default route"
    yield _Check("interface", takes, leads)


def _holds_for_nat(when: When, report: NetworkReport) -> bool | None:
    """Judge by the kind; where it is not known, by what all candidates have in common."""
    wanted = when.nat or frozenset()
    if report.nat is not None:
        return report.nat in wanted
    fitting = [kind in wanted for kind in report.nat_candidates]
    if not fitting:
        return None
    return True if all(fitting) else None if any(fitting) else False


def _nat_found(report: NetworkReport) -> str:
    if report.nat is NatKind.NONE:
        return "there is no NAT"
    if report.nat is NatKind.BLOCKED:
        return "no UDP passes (blocked)"
    if report.nat is not None:
        return f"the NAT is {report.nat.value}"
    candidates = [kind.value for kind in report.nat_candidates]
    return f"the NAT is one of {', '.join(candidates)}" if candidates else "nothing shows which NAT there is"
