"""What was found out about a network, on one screen for people. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from tunnelmgr.api.network import Network
from tunnelmgr.api.report import NatKind
from tunnelmgr.cli.render import Row, aligned, columns
from tunnelmgr.detect.advice import Advice, RankedMethod
from tunnelmgr.detect.findings import (
    FarEndFindings,
    Findings,
    Ipv4Findings,
    Ipv6Findings,
    NatFindings,
    Observation,
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
_SUITS = {True: "suits", None: "may suit", False: "does not suit"}
_KINDS = {
    NatKind.NONE: "This host is on the internet itself: no router translates its address.",
    NatKind.FULL_CONE: "This host is behind a router (NAT) that lets in whoever knows the port.",
    NatKind.ADDRESS_RESTRICTED: "This host is behind a router (NAT) that lets in only whom this host has spoken to.",
    NatKind.PORT_RESTRICTED: "This host is behind a router (NAT) that lets in answers only, as most at home do.",
    NatKind.SYMMETRIC: "This host is behind a router (NAT) that takes another port for every peer: few reach it directly.",
    NatKind.BLOCKED: "No UDP leaves this network: what needs it, as Teredo does, cannot work here.",
}


def screen(advice: Advice) -> str:
    """Return what matters: first in plain words, then in those of the trade."""
    return "\n".join([*_plain_words(advice), "", *aligned(_rows(advice))])


def explained(advice: Advice) -> str:
    """Return the screen, why each method ranks as it does, and the evidence."""
    found, listed = advice.findings, advice.methods
    methods = ["", "  methods, in the order `up` tries them", *_method_lines(listed)] if listed else []
    evidence = [*found.nat.evidence, *found.path.evidence, *found.ipv6.evidence]
    seen = ["", "  evidence", *_evidence_lines(evidence)] if evidence else []
    return "\n".join([screen(advice), *methods, *seen])


def _plain_words(advice: Advice) -> Iterator[str]:
    """Yield what `up` would do, and why, a sentence a line, for people who know no NATs."""
    found = advice.findings
    yield _choice(advice)
    yield f"  {_about_nat(found.nat, found.ipv4.scope)}"
    if found.nat.kind is not None and len(found.nat.candidates) > 1:
        yield "  It may let in more than that: only a STUN server with two addresses could tell."
    if found.ipv4.scope is Scope.SHARED:
        yield "  That router is the provider's: nobody here can open ports in it."
    elif found.nat.several:
        yield "  There is another NAT beyond it, often the provider's: nobody here can open ports in that one."
    if found.udp is None and advice.methods:
        yield "  Whether UDP passes is not known: nobody who was asked answered."
    yield f"  {_about_ipv6(found.ipv6, found.network)}"


def _choice(advice: Advice) -> str:
    if not advice.methods:
        return "no profile is named, so nobody but this host and its router was asked"
    best = next((method for method in advice.methods if method.suits is not False), None)
    if best is not None:
        return f"{advice.profile}: {_praise(best, advice.findings)}"
    needless = advice.findings.ipv6.reach is True
    why = "no tunnel is needed" if needless else "no method of this profile suits this network"
    all_the_same = "; `up` starts its only method all the same" if advice.only_one else ""
    return f"{advice.profile}: {why}{all_the_same}"


def _praise(best: RankedMethod, found: Findings) -> str:
    ends = [far_end.reached for far_end in found.far_ends if far_end.method == best.method]
    words = f"{best.method}, {best.described}, {_SUITS[best.suits]}"
    return f"{words}, but nobody there answers" if ends and not any(ends) and None not in ends else f"{words} this network"


def _about_nat(nat: NatFindings, scope: Scope | None) -> str:
    if nat.kind is not None:
        return _KINDS[nat.kind]
    if nat.candidates:
        return "This host is behind a router (NAT), and nothing shows of which kind."
    if scope is None:
        return "This host has no way to the internet."
    if scope in {Scope.PRIVATE, Scope.SHARED} or nat.several:
        return "This host has no public address, so a router (NAT) is on the way; of which kind, nothing shows."
    return "Whether a router (NAT) is on the way is not known."


def _about_ipv6(ipv6: Ipv6Findings, network: Network) -> str:
    if not network.kernel_has_ipv6:
        return "This kernel runs without IPv6, and no tunnel can work here: start it without ipv6.disable=1."
    if ipv6.reach:
        return "IPv6 works here without a tunnel."
    if ipv6.default_route and ipv6.reach is False:
        return "IPv6 is set up here, but nobody answers over it: it is broken, and a tunnel helps."
    if ipv6.default_route:
        return "IPv6 is set up here; whether it works was not tried, since nobody is named to ask."
    if ipv6.default_route is None:
        return "Whether there is IPv6 without a tunnel is not known."
    return "There is no IPv6 here without a tunnel."


def _rows(advice: Advice) -> Iterator[Row]:
    found = advice.findings
    for link in found.network.addresses:
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
    for method in advice.methods:
        if method.suits is False:
            yield "unsuited", f"{method.method}, {method.described}: {method.reason}"
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
            _SUITS[method.suits],
            method.reason,
        )
        for number, method in enumerate(methods, 1)
    ]
    return columns(rows, indent="    ")


def _evidence_lines(evidence: Sequence[Observation]) -> Iterable[str]:
    in_order = sorted(evidence, key=lambda one: one.at)
    return columns([(f"{one.at:.2f} s", one.probe, one.found) for one in in_order], indent="    ")
