"""What was asked and answered, in sentences without a full stop: the evidence behind a verdict. Pure."""

from collections.abc import Iterator

from tunnelmgr.detect.addresses import BEHIND_A_NAT, scope_of
from tunnelmgr.detect.far_ends import FarEnd
from tunnelmgr.detect.findings import Observation, Scope
from tunnelmgr.detect.inquiries import FRAGMENTATION_NEEDED, Inquiry, InquiryState
from tunnelmgr.detect.observed import Observed
from tunnelmgr.detect.router_probe import NAT_PMP, PCP
from tunnelmgr.detect.strangers import came_in

_SPECIAL = {Scope.SHARED: "shared (100.64.0.0/10): the provider translates", Scope.OTHER: "none of the internet's"}


def about_nat(observed: Observed) -> Iterator[Observation]:
    """Yield what tells of NATs."""
    yield from _about_addresses(observed)
    yield from _about_router(observed)
    for inquiry in observed.nat.servers:
        yield Observation("stun", f"{inquiry.remote} {_what_became(inquiry)}", observed.at(inquiry))
    for inquiry in observed.nat.elsewhere:
        yield Observation("mapping", f"{inquiry.remote} {_what_became(inquiry)}", observed.at(inquiry))
    for one in observed.far_ends.all:
        if one.mapped is not None and one.inquiry is not None:
            yield Observation("far-end", f"{one.probe.what} {_what_became(one.inquiry)}", observed.at(one.inquiry))
    yield from _about_filtering(observed)
    yield from _about_lifetime(observed)
    if turned := observed.nat.turned:
        comes = "comes back in" if observed.nat.turned_round else "does not come back in"
        yield Observation("hairpin", f"a packet to our own outside endpoint {comes}", observed.at(turned[0]))


def about_path(observed: Observed) -> Iterator[Observation]:
    """Yield the largest size that passed, and those that did not."""
    for mtu, inquiry in observed.path_mtu.asked.items():
        if mtu >= (observed.path_mtu.passed or 0):
            yield Observation("path-mtu", _about_size(mtu, inquiry), observed.at(inquiry))


def reason_of(far_end: FarEnd) -> str:
    """Return why a far end was not reached, or nobody knows; empty where it was."""
    if far_end.reached:
        return ""
    if far_end.trouble:
        return far_end.trouble
    if far_end.inquiry is None:
        return "refused or unreachable" if far_end.connected is False else "not asked to the end"
    return _what_became(far_end.inquiry)


def _about_addresses(observed: Observed) -> Iterator[Observation]:
    if (source := observed.network.source) is not None:
        scope = scope_of(source)
        yield Observation("address", f"our own address {source} is {_SPECIAL.get(scope, scope.value)}", 0.0)
    for number, address in sorted(observed.hops.routers.items()):
        if number > 1 and (scope := scope_of(address)) in BEHIND_A_NAT:
            found = f"router {number} on the way has the {scope.value} address {address}"
            yield Observation("hops", found, observed.hops.heard_at[number] - observed.began_at)


def _about_router(observed: Observed) -> Iterator[Observation]:
    probe = observed.router
    for name, inquiry in probe.asked.items():
        does = {InquiryState.REFUSED: "refuses", InquiryState.ANSWERED: "speaks"}.get(inquiry.state, "does not answer")
        does = "does not speak" if probe.offers(name) is False and inquiry.answer is not None else does
        yield Observation("router", f"{inquiry.remote.address} {does} {name}", observed.at(inquiry))
    if not probe.asked:
        return
    nat_pmp, pcp = probe.asked[NAT_PMP], probe.asked[PCP]
    router = nat_pmp.remote.address
    if (external := probe.external) is not None:
        found = f"{router} has the {scope_of(external).value} address {external} outside"
        yield Observation("router", found, observed.at(nat_pmp))
    elif probe.claimed is not None:
        found = f"{router} claims the address {probe.claimed} outside, which no host has"
        yield Observation("router", found, observed.at(nat_pmp))
    if (failure := probe.failure) is not None:
        found = f"{router} says that it has no address outside ({failure.name})"
        yield Observation("router", found, observed.at(nat_pmp))
    if probe.behind_a_nat:
        yield Observation("router", f"{router} sees us come from another address than ours", observed.at(pcp))


def _about_filtering(observed: Observed) -> Iterator[Observation]:
    nat = observed.nat
    for probe, inquiry in observed.strangers.asked:
        words = {True: "passes", False: "does not pass", None: "was not given"}[came_in(inquiry)]
        yield Observation("filtering", f"{probe.what}: an answer from another address {words}", observed.at(inquiry))
    heard = nat.explored or observed.far_ends.first_heard()
    if heard is not None and not nat.elsewhere and not observed.strangers.let_in:
        unknown = "whether ports matter is not measured" if observed.strangers.let_in is False else "not measured"
        found = f"no STUN server with two addresses answered: {unknown}"
        yield Observation("filtering", found, observed.at(heard))
    far, near = nat.answer_from_elsewhere, nat.from_other_port
    if far is None or near is None or nat.fence is None:
        return
    if nat.ignores_changes:
        yield Observation("filtering", f"{far.remote} does not answer from elsewhere when asked to", observed.at(far))
    elif nat.fence.state is not InquiryState.ANSWERED:
        yield Observation("filtering", f"{far.remote} fell silent: not measured", observed.at(nat.fence))
    else:
        for inquiry, what in ((far, "another address"), (near, "another port")):
            passes = "passes" if inquiry.state is InquiryState.ANSWERED else "does not pass"
            found = f"an answer from {what} of {inquiry.remote.address} {passes}"
            yield Observation("filtering", found, observed.at(inquiry))


def _about_lifetime(observed: Observed) -> Iterator[Observation]:
    if not observed.lifetime.begun:
        return
    for seconds, echo in observed.lifetime.echoes:
        was = "there" if echo.state is InquiryState.ANSWERED else "gone"
        if observed.lifetime.obeyed:
            yield Observation("lifetime", f"a mapping left alone for {seconds:.0f} s was {was}", observed.at(echo))
    if not observed.lifetime.obeyed:
        found = f"{observed.lifetime.server} does not answer to another port: not measured"
        yield Observation("lifetime", found, observed.lifetime.begun_at - observed.began_at)


def _what_became(inquiry: Inquiry) -> str:
    if inquiry.mapped is not None and inquiry.round_trip is not None:
        return f"sees us as {inquiry.mapped} ({inquiry.round_trip * 1000:.0f} ms)"
    if inquiry.claimed is not None:
        return f"claims to see us as {inquiry.claimed}, which cannot be"
    return {
        InquiryState.WAITING: "was not asked to the end",
        InquiryState.ANSWERED: "answered",
        InquiryState.REFUSED: "cannot be reached (ICMP)",
        InquiryState.SILENT: f"did not answer {inquiry.transmissions} requests",
    }[inquiry.state]


def _about_size(mtu: int, inquiry: Inquiry) -> str:
    subject = f"{mtu} bytes to {inquiry.remote.address}"
    if inquiry.state is InquiryState.ANSWERED or inquiry.refused_there:
        return f"{subject} pass"
    if inquiry.icmp is not None and inquiry.icmp.code == FRAGMENTATION_NEEDED:
        reporter = inquiry.icmp.reporter
        where = reporter.address if reporter is not None else "our own link"
        return f"{subject} do not pass: {where} takes {inquiry.icmp.mtu}"
    return f"{subject}: no answer to {inquiry.transmissions} requests"
