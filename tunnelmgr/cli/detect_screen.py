"""What was found out about a network, on one screen for people. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from tunnelmgr.api.report import NatKind
from tunnelmgr.cli.detect_words import SUITS, plain_words
from tunnelmgr.cli.detecting import Detected, RankedMethod
from tunnelmgr.cli.render import Row, aligned, columns
from tunnelmgr.detect.findings import (
    Evidence,
    FarEndFindings,
    Ipv4Findings,
    Ipv6Findings,
    NatFindings,
    RouterFindings,
    Scope,
)

_SCOPES = {
    Scope.PUBLIC: "public",
    Scope.PRIVATE: "private, so a NAT is on the way",
    Scope.SHARED: "shared (100.64.0.0/10), so the provider's NAT is on the way",
    Scope.LINK_LOCAL: "link-local, so no network gave an address",
    Scope.OTHER: "not of the internet",
}


def screen(found: Detected) -> str:
    """Return what matters: first in plain words, then in those of the trade."""
    return "\n".join([*plain_words(found), "", *aligned(_rows(found))])


def explained(found: Detected) -> str:
    """Return the screen, why each method ranks as it does, and the evidence."""
    methods = ["", "  methods, in the order `up` tries them", *_method_lines(found.methods)] if found.methods else []
    evidence = [*found.nat.evidence, *found.path.evidence, *found.ipv6.evidence]
    seen = ["", "  evidence", *_evidence_lines(evidence)] if evidence else []
    return "\n".join([screen(found), *methods, *seen])


def _rows(found: Detected) -> Iterator[Row]:
    for link in found.links:
        yield "link", f"{link.interface} {link.address}"
    yield "IPv4", _ipv4(found.ipv4)
    if found.nat.mapped:
        yield "seen as", found.nat.mapped
    yield "NAT", _nat(found.nat)
    yield from _nat_details(found.nat, found.ipv4.scope)
    if router := _router(found.router):
        yield "router", router
    yield "UDP", {True: "passes", False: "does not pass", None: "not known whether it passes"}[found.udp]
    if found.protocol41 is not None:
        yield "protocol 41", "passes to the far end and back" if found.protocol41 else "does not pass"
    if found.path.mtu is not None:
        yield "path MTU", f"{found.path.mtu} bytes"
    yield "IPv6", _ipv6(found.ipv6)
    for far_end in found.far_ends:
        yield "far ends", _far_end(far_end)
    for method in found.methods:
        if method.suits is False:
            yield "left out", f"{method.method}, {method.described}: {method.reason}"
    if found.strays:
        yield "ignored", f"{found.strays} datagrams that answered nothing that was asked"
    yield "took", f"{found.took:.1f} s"


def _ipv4(ipv4: Ipv4Findings) -> str:
    if ipv4.address is None or ipv4.scope is None:
        return "no way to the internet"
    via = f" via {ipv4.gateway}" if ipv4.gateway else ""
    return f"{ipv4.address}{via}, {_SCOPES[ipv4.scope]}"


def _nat(nat: NatFindings) -> str:
    if nat.kind is NatKind.NONE:
        return "none"
    if nat.kind is NatKind.BLOCKED:
        return "no UDP passes (blocked)"
    if nat.kind is None:
        return "there is one, and nothing shows which" if nat.candidates else "not known"
    mapping = f"mapping {nat.mapping.value}" if nat.mapping else "mapping not known"
    cones = {NatKind.FULL_CONE, NatKind.ADDRESS_RESTRICTED} & {*nat.candidates}
    unknown = "address-dependent or stricter" if cones == {NatKind.ADDRESS_RESTRICTED} else "not known"
    filtering = f"filtering {nat.filtering.value if nat.filtering else unknown}"
    return f"{mapping}, {filtering} ({_old_name(nat)})"


def _old_name(nat: NatFindings) -> str:
    assert nat.kind is not None  # noqa: S101 - the caller has looked
    others = [kind.value for kind in nat.candidates if kind is not nat.kind]
    return f"{nat.kind.value}, or milder: {', '.join(others)}" if others else nat.kind.value


def _nat_details(nat: NatFindings, scope: Scope | None) -> Iterator[Row]:
    if scope is Scope.SHARED:
        yield "", "carrier-grade"
    elif nat.several:
        yield "", "more than one NAT is on the way"
    if nat.port_preserved is not None:
        yield "", "keeps ports" if nat.port_preserved else "does not keep ports"
    if nat.hairpinning is not None:
        yield "", "turns packets for its own outside round (hairpinning)" if nat.hairpinning else "no hairpinning"

    if nat.lifetime_min is not None:
        until = f" and less than {nat.lifetime_max:.0f} s" if nat.lifetime_max is not None else ""
        yield "", f"keeps an idle mapping for at least {nat.lifetime_min:.0f} s{until}"


def _router(router: RouterFindings) -> str:
    """Return what the router offers; empty where it offers nothing."""
    spoken = [name for name, speaks in (("PCP", router.pcp), ("NAT-PMP", router.nat_pmp), ("UPnP", router.upnp)) if speaks]
    if not spoken:
        return ""
    outside = f"; outside it is {router.external} ({router.scope.value})" if router.external and router.scope else ""
    return f"opens ports on request ({', '.join(spoken)}){outside}"


def _ipv6(ipv6: Ipv6Findings) -> str:
    if not ipv6.default_route:
        return "none without a tunnel" if ipv6.default_route is False else "not known"
    where = f"{ipv6.address}, default route" if ipv6.address else "default route"
    if ipv6.reach is None:
        return f"{where}; not proven that it leads anywhere"
    if not ipv6.reach:
        return f"{where}, but nobody answers"
    took = f" in {ipv6.round_trip * 1000:.0f} ms" if ipv6.round_trip is not None else ""
    return f"{where}, answered{took}"


def _far_end(far_end: FarEndFindings) -> str:
    if far_end.reached and far_end.round_trip is not None:
        return f"{far_end.method} {far_end.what}: {far_end.round_trip * 1000:.0f} ms"
    return f"{far_end.method} {far_end.what}: {far_end.reason}"


def _method_lines(methods: Sequence[RankedMethod]) -> Iterable[str]:
    rows = [
        (
            f"{number}." if method.suits is not False else "-",
            f"{method.method}, {method.described}",
            SUITS[method.suits],
            method.reason,
        )
        for number, method in enumerate(methods, 1)
    ]
    return columns(rows, indent="    ")


def _evidence_lines(evidence: Sequence[Evidence]) -> Iterable[str]:
    in_order = sorted(evidence, key=lambda one: one.at)
    return columns([(f"{one.at:.2f} s", one.probe, one.found) for one in in_order], indent="    ")
