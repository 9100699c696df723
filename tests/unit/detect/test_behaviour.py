"""Which behaviour is which kind of NAT, and what is left open where too little was seen."""

from ipaddress import IPv4Address

import pytest

from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.report import Filtering, Mapping, NatKind
from tunnelmgr.detect.behaviour import Sighting, kinds_of, mapping_of, strictest

CONES = (NatKind.FULL_CONE, NatKind.ADDRESS_RESTRICTED, NatKind.PORT_RESTRICTED)


def seen(address: str, port: int, mapped_port: int) -> Sighting:
    return Sighting(Endpoint(IPv4Address(address), port), Endpoint(IPv4Address("203.0.113.1"), mapped_port))


@pytest.mark.parametrize(
    ("sightings", "mapping"),
    [
        ([], None),
        ([seen("192.0.2.5", 3478, 4000)], None),
        ([seen("192.0.2.5", 3478, 4000), seen("192.0.2.5", 3479, 4000)], None),
        ([seen("192.0.2.5", 3478, 4000), seen("192.0.2.6", 3478, 4000)], Mapping.ENDPOINT_INDEPENDENT),
        ([seen("192.0.2.5", 3478, 4000), seen("192.0.2.6", 3478, 4001)], Mapping.ADDRESS),
        (
            [seen("192.0.2.5", 3478, 4000), seen("192.0.2.6", 3478, 4001), seen("192.0.2.6", 3479, 4001)],
            Mapping.ADDRESS,
        ),
        (
            [seen("192.0.2.5", 3478, 4000), seen("192.0.2.6", 3478, 4001), seen("192.0.2.6", 3479, 4002)],
            Mapping.ADDRESS_AND_PORT,
        ),
        ([seen("192.0.2.5", 3478, 4000), seen("192.0.2.5", 3479, 4001)], Mapping.ADDRESS_AND_PORT),
        ([seen("192.0.2.5", 3478, 4000)] * 2, None),
    ],
)
def test_the_mapping_is_what_different_remotes_saw(sightings: list[Sighting], mapping: Mapping | None) -> None:
    assert mapping_of(sightings) is mapping


@pytest.mark.parametrize(
    ("mapping", "filtering", "kinds"),
    [
        (Mapping.ENDPOINT_INDEPENDENT, Filtering.ENDPOINT_INDEPENDENT, (NatKind.FULL_CONE,)),
        (Mapping.ENDPOINT_INDEPENDENT, Filtering.ADDRESS, (NatKind.ADDRESS_RESTRICTED,)),
        (Mapping.ENDPOINT_INDEPENDENT, Filtering.ADDRESS_AND_PORT, (NatKind.PORT_RESTRICTED,)),
        (Mapping.ENDPOINT_INDEPENDENT, None, CONES),
        (Mapping.ADDRESS, None, (NatKind.SYMMETRIC,)),
        (Mapping.ADDRESS_AND_PORT, Filtering.ENDPOINT_INDEPENDENT, (NatKind.SYMMETRIC,)),
        (None, Filtering.ADDRESS_AND_PORT, (NatKind.PORT_RESTRICTED, NatKind.SYMMETRIC)),
        (None, None, (*CONES, NatKind.SYMMETRIC)),
    ],
)
def test_the_kinds_left_are_those_the_behaviour_allows(
    mapping: Mapping | None, filtering: Filtering | None, kinds: tuple[NatKind, ...]
) -> None:
    assert kinds_of(mapping, filtering) == kinds


def test_of_several_kinds_the_strictest_counts() -> None:
    assert strictest(CONES) is NatKind.PORT_RESTRICTED
    assert strictest([NatKind.SYMMETRIC, NatKind.PORT_RESTRICTED]) is NatKind.SYMMETRIC
