"""Who may change the host, and the line that makes it so."""

from pathlib import Path

import pytest

from tunnelmgr.cli.privileges import may_configure, sudo_line
from tunnelmgr.core.profiles.paths import SHIPPED, SYSTEM_FOLDERS


@pytest.mark.parametrize(
    ("capabilities", "allowed"),
    [("000001ffffffffff", True), ("0000000000001000", True), ("0000000000000000", False), ("00000000a80425fb", False)],
)
def test_the_capability_counts_not_the_user(capabilities: str, allowed: bool) -> None:
    status = f"Name:\tpython3\nCapInh:\tffffffffffffffff\nCapEff:\t{capabilities}\nCapBnd:\tffffffffffffffff\n"
    assert may_configure(status) is allowed


def test_our_variables_and_nothing_else_pass_sudo() -> None:
    environment = {"TUNNELMGR_RUNTIME_DIR": "/tmp/run", "PATH": "/bin", "LD_PRELOAD": "evil.so"}
    assert sudo_line(["/usr/bin/tunnelmgr", "up", "home"], environment, [*SYSTEM_FOLDERS, SHIPPED]) == [
        "sudo",
        "TUNNELMGR_RUNTIME_DIR=/tmp/run",
        "/usr/bin/tunnelmgr",
        "up",
        "home",
    ]


def test_the_users_own_profiles_are_found_under_sudo() -> None:
    folders = [Path("/given"), Path("/home/me/.config/tunnelmgr/profiles"), *SYSTEM_FOLDERS]
    assert sudo_line(["tunnelmgr"], {"TUNNELMGR_CONFIG_PATH": "/given"}, folders) == [
        "sudo",
        "TUNNELMGR_CONFIG_PATH=/given:/home/me/.config/tunnelmgr/profiles",
        "tunnelmgr",
    ]
