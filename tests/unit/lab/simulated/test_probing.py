"""The prober, which knows nothing of the simulation, finds in it what it was built from."""

import pytest

from tests.nat_prober.prober import measure
from tests.nat_prober.simulated import SimulatedProbeGround
from tunnelmgr.api.report import Filtering, Mapping
from tunnelmgr.lab.simulated import Internet
from tunnelmgr.lab.vocabulary import Nat, NatKind, PortChoice


def measured(nat: Nat, seed: int = 1) -> Nat | None:
    internet = Internet(seed)
    return measure(SimulatedProbeGround(internet, internet.site(nat)))


@pytest.mark.parametrize("kind", [kind for kind in NatKind if kind.nat is not None], ids=lambda kind: kind.value)
def test_each_kind_of_the_field_measures_as_described(kind: NatKind) -> None:
    assert kind.nat is not None
    assert measured(kind.nat) == kind.nat


@pytest.mark.parametrize("mapping", Mapping)
@pytest.mark.parametrize("filtering", Filtering)
@pytest.mark.parametrize("port_choice", PortChoice)
def test_every_combination_of_mapping_filtering_and_ports_measures_as_described(
    mapping: Mapping, filtering: Filtering, port_choice: PortChoice
) -> None:
    nat = Nat(mapping=mapping, filtering=filtering, port_choice=port_choice)
    assert measured(nat) == nat


def test_hairpinning_is_measured_where_the_filter_lets_strangers_in() -> None:
    nat = Nat(filtering=Filtering.ENDPOINT_INDEPENDENT, hairpinning=True)
    assert measured(nat) == nat


def test_on_the_backbone_nothing_is_translated() -> None:
    assert measure(SimulatedProbeGround(Internet(), None)) is None


def test_of_two_nats_in_a_row_the_stricter_shows() -> None:
    internet = Internet()
    carrier = internet.site(NatKind.SYMMETRIC)
    home = internet.site(NatKind.FULL_CONE, behind=carrier)
    seen = measure(SimulatedProbeGround(internet, home))
    assert seen is not None
    assert (seen.mapping, seen.filtering) == (Mapping.ADDRESS_AND_PORT, Filtering.ADDRESS_AND_PORT)


def test_a_nat_that_was_changed_measures_as_what_it_became() -> None:
    internet = Internet()
    site = internet.site(NatKind.FULL_CONE)
    symmetric = NatKind.SYMMETRIC.nat
    assert symmetric is not None
    site.change_nat(symmetric)
    assert measure(SimulatedProbeGround(internet, site)) == symmetric
