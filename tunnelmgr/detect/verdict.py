"""From what was asked and answered to what the NAT is, with the evidence in words. Pure."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.network import Network
from tunnelmgr.api.report import NatKind
from tunnelmgr.core.choice import is_public
from tunnelmgr.detect.behaviour import Filtering, Mapping, Sighting, kinds_of, mapping_of, strictest
from tunnelmgr.detect.far_ends import FarEnd, FarEnds
from tunnelmgr.detect.findings import (
    Evidence,
    FarEndFindings,
    Ipv4Findings,
    NatFindings,
    PathFindings,
    RouterFindings,
    Scope,
)
from tunnelmgr.detect.hops import Hops
from tunnelmgr.detect.inquiries import FRAGMENTATION_NEEDED, Inquiry, Outcome
from tunnelmgr.detect.lifetime import Lifetime
from tunnelmgr.detect.nat_probe import NatProbe
from tunnelmgr.detect.path_mtu import PathMtu
from tunnelmgr.detect.router_probe import RouterProbe, offered

_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_SHARED = IPv4Network("100.64.0.0/10")
_LINK_LOCAL = IPv4Network("169.254.0.0/16")
_PROHIBITED = {9, 10, 13}  # codes of ICMPv4 type 3 that a firewall answers with: RFC 1812 section 5.2.7.1
SERVERS_FOR_BLOCKED = 2  # silent servers that make a blocked network: one alone may be down


def scope_of(address: IPv4Address) -> Scope:
    """Return what kind of address this is."""
    if is_public(address):
        return Scope.PUBLIC
    if any(address in prefix for prefix in _PRIVATE):
        return Scope.PRIVATE
    if address in _SHARED:
        return Scope.SHARED
    return Scope.LINK_LOCAL if address in _LINK_LOCAL else Scope.OTHER


def ipv4_findings(network: Network) -> Ipv4Findings:
    """Return what this host itself knows."""
    route = network.default_route
    return Ipv4Findings(
        address=network.source,
        scope=scope_of(network.source) if network.source is not None else None,
        interface=route.interface if route else None,
        gateway=route.gateway if route else None,
    )


class Verdict:
    """Reads the probes when they are done."""

    def __init__(
        self,
        *,
        began_at: float,
        network: Network,
        nat: NatProbe,
        far_ends: FarEnds,
        hops: Hops,
        router: RouterProbe,
        path_mtu: PathMtu,
        lifetime: Lifetime,
        ports: dict[str, int],
    ) -> None:
        """`ports` are those our sockets have, by channel."""
        self._began_at = began_at
        self._network = network
        self._nat = nat
        self._far_ends = far_ends
        self._hops = hops
        self._router = router
        self._path_mtu = path_mtu
        self._lifetime = lifetime
        self._ports = ports

    @property
    def udp(self) -> bool | None:
        """Whether UDP passes. False takes two servers, or a firewall that says so."""
        asked = self._udp_inquiries()
        if any(inquiry.outcome is Outcome.ANSWERED or inquiry.refused_there for _, inquiry in asked):
            return True
        if not asked or not all(inquiry.settled for _, inquiry in asked):
            return None
        if any(inquiry.icmp is not None and inquiry.icmp.code in _PROHIBITED for _, inquiry in asked):
            return False
        return False if len({name for name, _ in asked}) >= SERVERS_FOR_BLOCKED or self._reached_otherwise() else None

    @property
    def protocol41(self) -> bool | None:
        reached = [one.reached for one in self._far_ends.all if one.kind is ChannelKind.RAW41]
        if True in reached:
            return True
        return False if reached and None not in reached else None

    def nat(self) -> NatFindings:
        """Return which NAT it is, as far as anybody can tell."""
        sightings = self._all_sightings()
        mapping, filtering = mapping_of(sightings), self._nat.filtering()
        candidates = self._candidates(mapping, filtering)
        translated = candidates not in {(), (NatKind.NONE,), (NatKind.BLOCKED,)}
        measured = not translated or mapping is not None or filtering is not None
        return NatFindings(
            kind=strictest(candidates) if candidates and measured else None,
            mapping=mapping,
            filtering=filtering,
            candidates=candidates,
            mapped=str(sightings[0].mapped) if sightings else None,
            port_preserved=self._port_preserved() if translated else None,
            hairpinning=self._hairpinning(mapping) if translated else None,
            several=self._several(),
            lifetime_min=self._lifetime.kept,
            lifetime_max=self._lifetime.lost,
            evidence=tuple(self._evidence()),
        )

    def path(self) -> PathFindings:
        """Return how large packets may be."""
        probe = self._path_mtu
        telling = [(mtu, one) for mtu, one in probe.asked.items() if mtu >= (probe.passed or 0)]
        evidence = [Evidence("path-mtu", _about_size(mtu, inquiry), self._at(inquiry)) for mtu, inquiry in telling]
        return PathFindings(probe.mtu, tuple(evidence))

    def router(self) -> RouterFindings:
        """Return what this host's own router says."""
        external = self._router.external
        return RouterFindings(
            pcp=offered(self._router.pcp),
            nat_pmp=offered(self._router.nat_pmp),
            external=external,
            scope=scope_of(external) if external is not None else None,
        )

    def far_ends(self) -> tuple[FarEndFindings, ...]:
        """Return the far ends: those that answered first, the fastest in front."""
        found = [
            FarEndFindings(one.method, one.probe.what, one.reached, one.round_trip, _reason(one))
            for one in self._far_ends.all
        ]
        return tuple(sorted(found, key=lambda one: (one.reached is not True, one.round_trip or 0.0)))

    def _all_sightings(self) -> list[Sighting]:
        return [*self._nat.sightings(), *self._far_ends.sightings()]

    def _candidates(self, mapping: Mapping | None, filtering: Filtering | None) -> tuple[NatKind, ...]:
        sightings = self._all_sightings()
        if sightings:
            own = {one.address.ip for one in self._network.addresses}
            direct = all(sighting.mapped.address in own for sighting in sightings)
            return (NatKind.NONE,) if direct else kinds_of(mapping, filtering)
        if self.udp is False:
            return (NatKind.BLOCKED,)
        source = self._network.source
        return (NatKind.NONE,) if source is not None and is_public(source) else ()

    def _port_preserved(self) -> bool | None:
        """Whether the outside port is the inside one, by the first mapping of a socket: later ones may find it taken.

        On the socket everybody is asked on, which is looked at where there is no other, the first need not be heard first.
        """
        asked = [one for one in (self._nat.fence, self._nat.hairpin) if one is not None and one.mapped is not None]
        if not asked:
            far_ends = [one.inquiry for one in self._far_ends.all if one.mapped is not None and one.inquiry is not None]
            asked = [*([self._nat.explored] if self._nat.explored else []), *far_ends][:1]
        seen = [(inquiry.mapped.port, self._ports.get(inquiry.channel)) for inquiry in asked if inquiry.mapped]
        return all(outside == inside for outside, inside in seen) if seen else None

    def _hairpinning(self, mapping: Mapping | None) -> bool | None:
        """Behind a symmetric NAT nobody inside knows the other's endpoint: nothing that is lost proves anything there."""
        found = self._nat.hairpins()
        return found if found or mapping is Mapping.ENDPOINT_INDEPENDENT else None

    def _several(self) -> bool | None:
        """Whether our router, or one beyond it, has an address that only stands behind a NAT."""
        source, external = self._network.source, self._router.external
        if source is None or is_public(source):
            return False if source is not None else None
        if scope_of(source) is Scope.SHARED or self._router.behind_a_nat:
            return True
        if external is not None and not is_public(external):
            return True
        if external is not None and external in {sighting.mapped.address for sighting in self._all_sightings()}:
            return False
        beyond = [address for number, address in sorted(self._hops.routers.items()) if number > 1]
        if not beyond:
            return None
        return any(scope_of(address) in {Scope.PRIVATE, Scope.SHARED} for address in beyond)

    def _reached_otherwise(self) -> bool:
        """Whether a server that is silent over UDP answers over TCP: then it is there, and UDP is not."""
        reached = {one.probe.target for one in self._far_ends.all if one.kind is ChannelKind.TCP_CONNECT and one.reached}
        return any(one.probe.target in reached for one in self._far_ends.all if one.kind is ChannelKind.UDP)

    def _udp_inquiries(self) -> list[tuple[str, Inquiry]]:
        """Return the first questions, each with the server it was for: two addresses of one server go down together."""
        stun = [(str(inquiry.remote.address), inquiry) for inquiry in self._nat.servers]
        others = [one for one in self._far_ends.all if one.kind is ChannelKind.UDP and one.inquiry is not None]
        names = {one.probe.target: str(one.remote.address) for one in others if one.remote and not one.probe.offset}
        return stun + [(names.get(one.probe.target, one.probe.target), one.inquiry) for one in others if one.inquiry]

    # In words.

    def _evidence(self) -> Iterator[Evidence]:
        yield from self._about_addresses()
        yield from self._about_router()
        for inquiry in self._nat.servers:
            yield Evidence("stun", f"{inquiry.remote} {_what_became(inquiry)}", self._at(inquiry))
        for inquiry in self._nat.elsewhere:
            yield Evidence("mapping", f"{inquiry.remote} {_what_became(inquiry)}", self._at(inquiry))
        heard = self._nat.explored or self._far_ends.heard()
        if heard is not None and not self._nat.elsewhere:
            yield Evidence("filtering", "no STUN server with two addresses answered: not measured", self._at(heard))
        yield from self._about_filtering()
        for one in self._far_ends.all:
            if one.mapped is not None and one.inquiry is not None:
                yield Evidence("far-end", f"{one.probe.what} {_what_became(one.inquiry)}", self._at(one.inquiry))
        if self._lifetime.begun and not self._lifetime.obeyed:
            yield Evidence("lifetime", "the STUN server does not answer to another port: not measured", 0.0)
        if self._nat.turned:
            turned = "comes back in" if self._nat.turned_round else "does not come back in"
            yield Evidence("hairpin", f"a packet to our own outside endpoint {turned}", self._at(self._nat.turned[0]))

    def _at(self, inquiry: Inquiry) -> float:
        """When it was settled, or begun where it is not, in seconds since detection began."""
        settled_at = inquiry.begun_at if inquiry.settled_at is None else inquiry.settled_at
        return settled_at - self._began_at

    def _about_addresses(self) -> Iterator[Evidence]:
        if (source := self._network.source) is not None:
            scope = scope_of(source)
            special = {
                Scope.SHARED: "shared (100.64.0.0/10): the provider translates",
                Scope.OTHER: "none of the internet's",
            }
            words = special.get(scope, scope.value)
            yield Evidence("address", f"our own address {source} is {words}", 0.0)
        for number, address in sorted(self._hops.routers.items()):
            if number > 1 and scope_of(address) in {Scope.PRIVATE, Scope.SHARED}:
                yield Evidence(
                    "hops", f"router {number} on the way has the {scope_of(address).value} address {address}", 0.0
                )

    def _about_router(self) -> Iterator[Evidence]:
        nat_pmp, pcp = self._router.nat_pmp, self._router.pcp
        if nat_pmp is None or pcp is None:
            return
        router = nat_pmp.remote.address
        for inquiry, name in ((nat_pmp, "NAT-PMP"), (pcp, "PCP")):
            refuses = "refuses" if inquiry.outcome is Outcome.REFUSED else "does not answer"
            does = "speaks" if offered(inquiry) else refuses
            yield Evidence("router", f"{router} {does} {name}", self._at(inquiry))
        if (external := self._router.external) is not None:
            words = f"{router} has the {scope_of(external).value} address {external} outside"
            yield Evidence("router", words, self._at(nat_pmp))
        if (failure := self._router.failure) is not None:
            words = f"{router} says that it has no address outside ({failure.name})"
            yield Evidence("router", words, self._at(nat_pmp))
        if self._router.behind_a_nat:
            yield Evidence("router", f"{router} sees us come from another address than ours", self._at(pcp))

    def _about_filtering(self) -> Iterator[Evidence]:
        far, near = self._nat.from_other_address, self._nat.from_other_port
        if far is None or near is None or self._nat.fence is None:
            return
        if self._nat.ignores_changes:
            yield Evidence("filtering", f"{far.remote} does not answer from elsewhere when asked to", self._at(far))
        elif self._nat.fence.outcome is not Outcome.ANSWERED:
            yield Evidence("filtering", f"{far.remote} fell silent: not measured", self._at(self._nat.fence))
        else:
            for inquiry, what in ((far, "another address"), (near, "another port")):
                passes = "passes" if inquiry.outcome is Outcome.ANSWERED else "does not pass"
                yield Evidence("filtering", f"an answer from {what} of {inquiry.remote.address} {passes}", self._at(inquiry))


def _what_became(inquiry: Inquiry) -> str:
    if inquiry.mapped is not None and inquiry.round_trip is not None:
        return f"sees us as {inquiry.mapped} ({inquiry.round_trip * 1000:.0f} ms)"
    return {
        Outcome.WAITING: "was not asked to the end",
        Outcome.ANSWERED: "answered",
        Outcome.REFUSED: "cannot be reached (ICMP)",
        Outcome.SILENT: f"did not answer {inquiry.transmissions} requests",
    }[inquiry.outcome]


def _about_size(mtu: int, inquiry: Inquiry) -> str:
    subject = f"{mtu} bytes to {inquiry.remote.address}"
    if inquiry.outcome is Outcome.ANSWERED or inquiry.refused_there:
        return f"{subject} pass"
    if inquiry.icmp is not None and inquiry.icmp.code == FRAGMENTATION_NEEDED:
        reporter = inquiry.icmp.reporter
        where = reporter.address if reporter is not None else "our own link"
        return f"{subject} do not pass: {where} takes {inquiry.icmp.mtu}"
    return f"{subject}: no answer to {inquiry.transmissions} requests"


def _reason(far_end: FarEnd) -> str:
    if far_end.reached:
        return ""
    if far_end.trouble:
        return far_end.trouble
    if far_end.inquiry is None:
        return "refused or unreachable" if far_end.connected is False else "not asked to the end"
    return _what_became(far_end.inquiry)
