"""What was found out about a network in plain words: the first lines of the screen, for people who know no NATs. Pure."""

from collections.abc import Iterator

from tunnelmgr.api.report import NatKind
from tunnelmgr.cli.detecting import Detected, RankedMethod
from tunnelmgr.detect.findings import Ipv6Findings, NatFindings, Scope

SUITS = {True: "suits", None: "may suit", False: "does not suit"}
_KINDS = {
    NatKind.NONE: "This host is on the internet itself: no router translates its address.",
    NatKind.FULL_CONE: "This host is behind a router (NAT) that lets in whoever knows the port.",
    NatKind.ADDRESS_RESTRICTED: "This host is behind a router (NAT) that lets in only whom this host has spoken to.",
    NatKind.PORT_RESTRICTED: "This host is behind a router (NAT) that lets in answers only, as most at home do.",
    NatKind.SYMMETRIC: "This host is behind a router (NAT) that takes another port for every peer: few reach it directly.",
    NatKind.BLOCKED: "No UDP leaves this network: what needs it, as Teredo does, cannot work here.",
}


def plain_words(found: Detected) -> Iterator[str]:
    """Yield what `up` would do, and why, a sentence a line."""
    yield from _choice(found)
    yield f"  {_about_nat(found)}"
    if found.nat.kind is not None and len(found.nat.candidates) > 1:
        yield "  It may let in more than that: only a STUN server with two addresses could tell."
    if found.ipv4.scope is Scope.SHARED:
        yield "  That router is the provider's: nobody here can open ports in it."
    elif found.nat.several:
        yield "  There is another NAT beyond it, often the provider's: nobody here can open ports in that one."
    if found.udp is None and found.methods:
        yield "  Whether UDP passes is not known: nobody who was asked answered."
    yield f"  {_about_ipv6(found.ipv6)}"


def _choice(found: Detected) -> Iterator[str]:
    subject = f"{found.profile}: " if found.profile else ""
    best = next((method for method in found.methods if method.suits is not False), None)
    if best is not None:
        yield f"{subject}{_praise(best, found)}"
        return
    if not found.methods:
        yield f"{subject}no profile is named, so nobody but this host and its router was asked"
        return
    needless = found.ipv6.reach is True
    yield f"{subject}no tunnel is needed" if needless else f"{subject}no method of this profile suits this network"


def _praise(best: RankedMethod, found: Detected) -> str:
    ends = [far_end.reached for far_end in found.far_ends if far_end.method == best.method]
    words = f"{best.method}, {best.described}, {SUITS[best.suits]}"
    return f"{words}, but nobody there answers" if ends and not any(ends) and None not in ends else f"{words} this network"


def _about_nat(found: Detected) -> str:
    nat = found.nat
    if nat.kind is not None:
        return _KINDS[nat.kind]
    if nat.candidates:
        return "This host is behind a router (NAT), and nothing shows of which kind."
    return _without_evidence(nat, found.ipv4.scope)


def _without_evidence(nat: NatFindings, scope: Scope | None) -> str:
    if scope is None:
        return "This host has no way to the internet."
    if scope in {Scope.PRIVATE, Scope.SHARED} or nat.several:
        return "This host has no public address, so a router (NAT) is on the way; of which kind, nothing shows."
    return "Whether a router (NAT) is on the way is not known."


def _about_ipv6(ipv6: Ipv6Findings) -> str:
    if ipv6.reach:
        return "IPv6 works here without a tunnel."
    if ipv6.default_route and ipv6.reach is False:
        return "IPv6 is set up here, but nobody answers over it: it is broken, and a tunnel helps."
    if ipv6.default_route:
        return "IPv6 is set up here; whether it works was not tried, since nobody is named to ask."
    if ipv6.default_route is None:
        return "Whether there is IPv6 without a tunnel is not known."
    return "There is no IPv6 here without a tunnel."
