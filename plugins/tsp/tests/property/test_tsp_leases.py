"""Leases in an SQLite file, whose brokers die over them; the same on PostgreSQL is in tests/process."""

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests.tsp_world.leases_machine import LeasesMachine

from tunnelmgr_tsp.broker.leases import Leases
from tunnelmgr_tsp.broker.leasing import Lease, LeaseClaim, Release


def test_nothing_is_given_twice_or_lost_whenever_a_broker_dies(tmp_path: Path) -> None:
    class OnSqlite(LeasesMachine):
        url = f"sqlite:///{tmp_path}/leases.db"

    examples = max(settings().max_examples // 3, 10)
    run_state_machine_as_test(
        OnSqlite,
        settings=settings(stateful_step_count=25, max_examples=examples),
    )


def test_a_freed_number_rests_until_all_others_were_given(tmp_path: Path) -> None:
    leases = Leases(f"sqlite:///{tmp_path}/new/leases.db", "one", 3, 0)
    slots = [leases.handle(LeaseClaim(owner, anonymous=True, wants_prefix=True)) for owner in "ab"]
    leases.handle(Release("a"))
    assert [lease.slot for lease in slots if isinstance(lease, Lease)] == [0, 1]
    third, fourth, full = (leases.handle(LeaseClaim(owner, anonymous=True, wants_prefix=False)) for owner in "cde")
    assert isinstance(third, Lease)
    assert isinstance(fourth, Lease)
    assert (third.slot, fourth.slot, full) == (2, 0, None)
    leases.close()


def test_what_is_no_request_is_refused() -> None:
    leases = Leases("sqlite://", "one", 3, 0)
    with pytest.raises(TypeError):
        leases.handle("give")
    leases.close()
