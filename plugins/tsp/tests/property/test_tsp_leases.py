"""Leases in an SQLite file, whose brokers die over them; the same on PostgreSQL is in tests/process."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests.tsp_world.leases_machine import LeasesMachine

from tunnelmgr.api.errors import TunnelError
from tunnelmgr_tsp.broker.leases import Leases
from tunnelmgr_tsp.broker.leasing import Lease, LeaseClaim, ListLeases, Release


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


def test_a_file_without_a_path_is_in_the_profile_s_folder_and_nobody_else_s(tmp_path: Path) -> None:
    leases = Leases("sqlite:///leases.db", "one", 3, 0, folder=tmp_path / "broker")
    leases.handle(LeaseClaim("a", anonymous=True, wants_prefix=False))
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "broker").iterdir()} == {0o600}
    assert (tmp_path / "broker/leases.db").exists()
    leases.close()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a file to another user")


def _by_others(file: Path) -> None:
    file.touch(mode=0o600)
    os.chown(file, 12345, 0)


def _open_to_all(file: Path) -> None:
    file.touch()
    file.chmod(0o644)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(_by_others, "it belongs to user 12345", marks=needs_root),
        (_open_to_all, "it is open to others (mode 0644); chmod 600"),
        (lambda file: file.symlink_to("elsewhere"), "Too many levels of symbolic links"),
        (lambda file: file.mkdir(), "Is a directory"),
        (lambda file: (file.write_bytes(b"no database" * 1000), file.chmod(0o600)), "file is not a database"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_in_one_sentence(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    file = tmp_path / "leases.db"
    make(file)
    with pytest.raises(TunnelError) as failure:
        Leases(f"sqlite:///{file}", "one", 3, 0)
    assert failure.value.message.startswith(f"the leases cannot be kept in sqlite:///{file}: ")
    assert said in failure.value.message
    assert "\n" not in str(failure.value)


def test_a_database_that_breaks_and_is_mended_is_used_again(tmp_path: Path) -> None:
    file = tmp_path / "leases.db"
    leases = Leases(f"sqlite:///{file}", "one", 3, 0)
    with sqlite3.connect(file) as other:
        other.execute("ALTER TABLE tsp_leases RENAME TO hidden")
    with pytest.raises(TunnelError, match="no such table"):
        leases.handle(ListLeases())
    with sqlite3.connect(file) as other:
        other.execute("ALTER TABLE hidden RENAME TO tsp_leases")
    assert leases.handle(ListLeases()) == ()
    leases.close()
