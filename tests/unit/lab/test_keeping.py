"""Labs without root: whom they belong to, and why there is none."""

import os
from pathlib import Path

import pytest

from tunnelmgr.lab.namespaces.keeping import RECORD, Keeper, may_build, why_not


@pytest.mark.parametrize(
    ("capabilities", "may"),
    [
        ("000001ffffffffff", True),
        ("0000000000201000", True),  # CAP_SYS_ADMIN and CAP_NET_ADMIN
        ("0000000000001000", False),
        ("0000000000200000", False),
        ("0000000000000000", False),
    ],
)
def test_building_needs_two_capabilities(capabilities: str, *, may: bool) -> None:
    assert may_build(f"Name:\tx\nCapInh:\t000001ffffffffff\nCapEff:\t{capabilities}\n") is may


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"user/max_user_namespaces": "0"}, "0 of them are allowed (/proc/sys/user/max_user_namespaces is 0)"),
        (
            {"kernel/unprivileged_userns_clone": "0"},
            "they are for root alone (/proc/sys/kernel/unprivileged_userns_clone is 0)",
        ),
        (
            {"user/max_user_namespaces": "9", "kernel/apparmor_restrict_unprivileged_userns": "1"},
            "AppArmor restricts them to programs it knows (/proc/sys/kernel/apparmor_restrict_unprivileged_userns is 1)",
        ),
    ],
)
def test_the_kernel_s_setting_is_named(settings: dict[str, str], reason: str) -> None:
    said = why_not(settings, "unshare: unshare failed: Operation not permitted")
    assert said == f"this machine does not let users make user namespaces: {reason}"


def test_without_such_a_setting_the_failure_speaks_for_itself() -> None:
    settings = {"user/max_user_namespaces": "96365", "kernel/unprivileged_userns_clone": ""}
    assert why_not(settings, "mount: /proc: denied").endswith("cannot be made or used here: mount: /proc: denied")


def test_a_keeper_is_found_by_its_record(tmp_path: Path) -> None:
    us = Keeper.of(os.getpid())
    us.write(tmp_path / RECORD)
    assert Keeper.find(tmp_path) == us


# The name of a test is the same in every worker, a process number is not.
@pytest.mark.parametrize("record", [pytest.param(f"{os.getpid()} 1", id="ours, of another start"), "0 1", "x", "", "1 2 3"])
def test_another_process_of_its_number_is_no_keeper(tmp_path: Path, record: str) -> None:
    (tmp_path / RECORD).write_text(record)
    assert Keeper.find(tmp_path) is None


def test_a_folder_without_a_record_has_no_keeper(tmp_path: Path) -> None:
    assert Keeper.find(tmp_path) is None


def test_a_command_runs_inside_in_the_folder_of_this_process() -> None:
    command = Keeper(42, "1").command(["ls", "-l"])
    assert command[:2] == ["nsenter", "--target=42"]
    assert command[-4:] == ["env", f"--chdir={os.getcwd()}", "ls", "-l"]
