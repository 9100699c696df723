"""Which of a profile's methods may be used on this network, and in which order. Pure.

The order is the profile's. An explicit `when:` replaces the transport's own judgement. What a condition asks and nobody
knows yet is neither yes nor no: such methods come after those that are known to suit.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network

from tunnelmgr.api.network import Network
from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.api.transport import Fit
from tunnelmgr.core.profile import Method
from tunnelmgr.core.when import When


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether one method may be used here. `suits` None: not known."""

    method: Method
    suits: bool | None
    reason: str
    """One sentence without a full stop."""


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


# Addresses that stand behind a NAT, or on no network at all. The documentation blocks (RFC 5737) count as public: nobody
# routes them, and every laboratory uses them.
_NOT_PUBLIC = tuple(
    IPv4Network(prefix)
    for prefix in (
        "0.0.0.0/8",
        "10.0.0.0/8",  # RFC 1918
        "100.64.0.0/10",  # RFC 6598: a provider's own NAT
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "240.0.0.0/4",
    )
)


def is_public(address: IPv4Address) -> bool:
    """Say whether the internet may know this address."""
    return not any(address in prefix for prefix in _NOT_PUBLIC)


def judge(method: Method, report: NetworkReport) -> Judgement:
    """Judge one method."""
    if method.when is not None:
        return _by_condition(method, method.when, report)
    suitability = method.transport.suits(report)
    return Judgement(method, suitability.fit is not Fit.UNSUITABLE, suitability.reason)


def choose(methods: tuple[Method, ...], report: NetworkReport) -> tuple[list[Judgement], list[Judgement]]:
    """Return the methods to try, in order, and those ruled out."""
    judged = [judge(method, report) for method in methods]
    suitable = [judgement for judgement in judged if judgement.suits is True]
    unknown = [judgement for judgement in judged if judgement.suits is None]
    return suitable + unknown, [judgement for judgement in judged if judgement.suits is False]


def _by_condition(method: Method, when: When, report: NetworkReport) -> Judgement:
    interface = report.network.default_route.interface if report.network.default_route else None
    checks = [
        ("nat", when.nat is None, None if report.nat is None else report.nat in (when.nat or ())),
        ("public_ipv4", when.public_ipv4 is None, (report.public_ipv4 is not None) == when.public_ipv4),
        (
            "native_ipv6",
            when.native_ipv6 is None,
            None if report.native_ipv6 is None else report.native_ipv6 == when.native_ipv6,
        ),
        (
            "interface",
            when.interface is None and not when.not_interface,
            None if interface is None else _matches(interface, when),
        ),
    ]
    asked = [(name, holds) for name, silent, holds in checks if not silent]
    if refusing := [name for name, holds in asked if holds is False]:
        return Judgement(method, False, f"`when: {refusing[0]}` does not hold here")
    if unknown := [name for name, holds in asked if holds is None]:
        return Judgement(method, None, f"whether `when: {unknown[0]}` holds is not known yet")
    return Judgement(method, True, "`when:` holds here")


def _matches(interface: str, when: When) -> bool:
    wanted = when.interface is None or any(fnmatchcase(interface, pattern) for pattern in when.interface)
    return wanted and not any(fnmatchcase(interface, pattern) for pattern in when.not_interface)
