"""From what was asked and answered to what the NAT is. Pure."""

from tunnelmgr.api.addresses import is_public
from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.report import Filtering, Mapping, NatKind
from tunnelmgr.detect.addresses import BEHIND_A_NAT, scope_of
from tunnelmgr.detect.behaviour import kinds_of, mapping_of, strictest
from tunnelmgr.detect.evidence import about_nat, about_path, reason_of
from tunnelmgr.detect.findings import FarEndFindings, NatFindings, PathFindings, RouterFindings, Scope
from tunnelmgr.detect.inquiries import Inquiry, InquiryState
from tunnelmgr.detect.observed import Observed
from tunnelmgr.detect.router_probe import NAT_PMP, PCP, UPNP

_PROHIBITED = {9, 10, 13}  # codes of ICMPv4 type 3 that a firewall answers with: RFC 1812 section 5.2.7.1
SERVERS_FOR_BLOCKED = 2  # silent servers that make a blocked network: one alone may be down


class Conclusions:
    """Reads the probes when they are done."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._nat = observed.nat
        self._far_ends = observed.far_ends

    @property
    def udp(self) -> bool | None:
        """Whether UDP passes. False takes two servers, or a firewall that says so."""
        asked = self._udp_inquiries()
        if any(inquiry.state is InquiryState.ANSWERED or inquiry.refused_there for _, inquiry in asked):
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
        sightings = self._observed.sightings()
        mapping, filtering = mapping_of(sightings), self._filtering()
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
            lifetime_min=self._observed.lifetime.kept,
            lifetime_max=self._observed.lifetime.lost,
            evidence=tuple(about_nat(self._observed)),
        )

    def path(self) -> PathFindings:
        """Return how large packets may be."""
        return PathFindings(self._observed.path_mtu.mtu, tuple(about_path(self._observed)))

    def router(self) -> RouterFindings:
        """Return what this host's own router says."""
        router, external = self._observed.router, self._observed.router.external
        return RouterFindings(
            pcp=router.offers(PCP),
            nat_pmp=router.offers(NAT_PMP),
            upnp=router.offers(UPNP),
            external=external,
            scope=scope_of(external) if external is not None else None,
        )

    def far_ends(self) -> tuple[FarEndFindings, ...]:
        """Return the far ends: those that answered first, the fastest in front."""
        found = [
            FarEndFindings(one.method, one.probe.what, one.reached, one.round_trip, reason_of(one))
            for one in self._far_ends.all
        ]
        return tuple(sorted(found, key=lambda one: (one.reached is not True, one.round_trip or 0.0)))

    def _candidates(self, mapping: Mapping | None, filtering: Filtering | None) -> tuple[NatKind, ...]:
        sightings = self._observed.sightings()
        if sightings:
            own = {one.address.ip for one in self._observed.network.addresses}
            direct = all(sighting.mapped.address in own for sighting in sightings)
            if direct:
                return (NatKind.NONE,)
            no_cone = filtering is None and self._observed.strangers.let_in is False
            return tuple(kind for kind in kinds_of(mapping, filtering) if not (no_cone and kind is NatKind.FULL_CONE))
        if self.udp is False:
            return (NatKind.BLOCKED,)
        source = self._observed.network.source
        return (NatKind.NONE,) if source is not None and is_public(source) else ()

    def _filtering(self) -> Filtering | None:
        """Return what STUN measured; without it, the one answer that a stranger's packet gives."""
        let_in = Filtering.ENDPOINT_INDEPENDENT if self._observed.strangers.let_in else None
        return self._nat.filtering() or let_in

    def _port_preserved(self) -> bool | None:
        """Whether the outside port is the inside one, by the first mapping of a socket: later ones may find it taken.

        Where no socket has a single task, the one all far ends are asked on is taken: there the first answer need not
        come from the one that was asked first.
        """
        asked = [one for one in (self._nat.fence, self._nat.hairpin) if one is not None and one.mapped is not None]
        if not asked:
            far_ends = [one.inquiry for one in self._far_ends.all if one.mapped is not None and one.inquiry is not None]
            asked = [*([self._nat.explored] if self._nat.explored else []), *far_ends][:1]
        seen = [(inquiry.mapped.port, self._observed.ports.get(inquiry.channel)) for inquiry in asked if inquiry.mapped]
        return all(outside == inside for outside, inside in seen) if seen else None

    def _hairpinning(self, mapping: Mapping | None) -> bool | None:
        """Return whether the NAT turns packets round; None behind a symmetric NAT that lost them.

        There an inside host does not know which endpoint another one has outside, so a lost packet proves nothing.
        """
        found = self._nat.hairpins()
        return found if found or mapping is Mapping.ENDPOINT_INDEPENDENT else None

    def _several(self) -> bool | None:
        """Whether our router, or one beyond it, has an address that only stands behind a NAT."""
        source, external = self._observed.network.source, self._observed.router.external
        if source is None or is_public(source):
            return False if source is not None else None
        if scope_of(source) is Scope.SHARED or self._observed.router.behind_a_nat:
            return True
        if external is not None and not is_public(external):
            return True
        if external is not None and external in {sighting.mapped.address for sighting in self._observed.sightings()}:
            return False
        beyond = [address for number, address in sorted(self._observed.hops.routers.items()) if number > 1]
        if not beyond:
            return None
        return any(scope_of(address) in BEHIND_A_NAT for address in beyond)

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
