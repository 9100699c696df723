"""How a NAT behaves, in the words of RFC 4787, and which of the old names that makes. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.report import Filtering, Mapping, NatKind


class Sighting(NamedTuple):
    """`remote` saw the one inside endpoint as `mapped`."""

    remote: Endpoint
    mapped: Endpoint


_CONES = {
    Filtering.ENDPOINT_INDEPENDENT: NatKind.FULL_CONE,
    Filtering.ADDRESS: NatKind.ADDRESS_RESTRICTED,
    Filtering.ADDRESS_AND_PORT: NatKind.PORT_RESTRICTED,
}
_BY_STRICTNESS = [NatKind.NONE, *_CONES.values(), NatKind.SYMMETRIC, NatKind.BLOCKED]


def mapping_of(sightings: Iterable[Sighting]) -> Mapping | None:
    """Return what sightings of one inside endpoint show. None: they are too few to tell.

    Where different addresses saw different endpoints and no address was asked on two ports, ports may matter too: the
    milder word is returned.
    """
    seen = list(dict.fromkeys(sightings))
    pairs = [(one, other) for number, one in enumerate(seen) for other in seen[:number]]
    if any(one.mapped != other.mapped for one, other in pairs if one.remote.address == other.remote.address):
        return Mapping.ADDRESS_AND_PORT
    elsewhere = [(one, other) for one, other in pairs if one.remote.address != other.remote.address]
    if not elsewhere:
        return None
    same = all(one.mapped == other.mapped for one, other in elsewhere)
    return Mapping.ENDPOINT_INDEPENDENT if same else Mapping.ADDRESS


def kinds_of(mapping: Mapping | None, filtering: Filtering | None) -> tuple[NatKind, ...]:
    """Return the kinds a NAT may be of, the mildest first."""
    cones = [_CONES[filtering]] if filtering is not None else [*_CONES.values()]
    if mapping is None:
        return (*cones, NatKind.SYMMETRIC)
    return tuple(cones) if mapping is Mapping.ENDPOINT_INDEPENDENT else (NatKind.SYMMETRIC,)


def strictest(kinds: Iterable[NatKind]) -> NatKind:
    """Return the kind that lets the least through: who copes with it copes with the others. Raises ValueError for none."""
    return max(kinds, key=_BY_STRICTNESS.index)
