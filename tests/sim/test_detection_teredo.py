"""Detection with our Teredo server alone: as far as the evidence goes."""

from random import Random

import pytest

from tests.sim.test_detection import LAB, SLOW, detect
from tunnelmgr.api.report import Filtering, NatKind
from tunnelmgr.detect.plan import Plan
from tunnelmgr.lab.simulated import Internet
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.server.settings import ServerSettings
from tunnelmgr_teredo.transport import Teredo

RESTRICTED = (NatKind.ADDRESS_RESTRICTED, NatKind.PORT_RESTRICTED)
ADDRESSES = ("192.0.2.1", "192.0.2.2")


def teredo_plan() -> Plan:
    client = Teredo("client", ClientSettings.model_validate({"server": ADDRESSES[0]}))
    return Plan(probes=tuple(("teredo", probe) for probe in client.probes(Random(1))))


@pytest.mark.parametrize(
    ("behind", "kind", "candidates"),
    [
        (LAB.NONE, NatKind.NONE, (NatKind.NONE,)),
        (LAB.FULL_CONE, NatKind.FULL_CONE, (NatKind.FULL_CONE,)),
        (LAB.ADDRESS_RESTRICTED, NatKind.PORT_RESTRICTED, RESTRICTED),
        (LAB.PORT_RESTRICTED, NatKind.PORT_RESTRICTED, RESTRICTED),
        (LAB.SYMMETRIC, NatKind.SYMMETRIC, (NatKind.SYMMETRIC,)),
        (LAB.SYMMETRIC_SEQUENTIAL, NatKind.SYMMETRIC, (NatKind.SYMMETRIC,)),
        (LAB.UDP_BLOCKED, None, ()),
    ],
    ids=lambda value: value.value if isinstance(value, LAB) else "",
)
def test_a_teredo_server_alone_tells_how_the_nat_maps_and_whether_it_lets_in_everybody(
    internet: Internet, behind: LAB, kind: NatKind | None, candidates: tuple[NatKind, ...]
) -> None:
    server = Teredo("server", ServerSettings.model_validate({"addresses": ADDRESSES}))
    internet.add(server.tunnel, address=ADDRESSES, native_ipv6=True, link=SLOW)
    found = detect(internet, behind, teredo_plan())
    everybody = behind in {LAB.NONE, LAB.FULL_CONE}
    filtering = Filtering.ENDPOINT_INDEPENDENT if everybody else None
    assert (found.nat.kind, found.nat.candidates, found.nat.filtering) == (kind, candidates, filtering)
    assert found.took < (6.0 if behind is LAB.UDP_BLOCKED else 3.0)
