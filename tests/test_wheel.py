"""The wheel is whole: in an environment with nothing else, the programs run and find what ships with them."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.environment import ROOT, Unavailable, make_environment

PROFILES = sorted((ROOT / "configs").glob("*.yaml"))

# One worker makes the environment for all of them.
pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return make_environment(tmp_path_factory.mktemp("wheel"), ROOT)
    except Unavailable as reason:
        pytest.skip(str(reason))


def tunnelmgr(programs: Path, *words: str, **variables: str) -> str:
    """Run the command away from the checkout and return what it prints."""
    environment = {"PATH": os.environ["PATH"], **variables}
    command = [str(programs / "tunnelmgr"), *words]
    return subprocess.run(command, cwd=programs, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_plugins_in_the_wheel_are_found(programs: Path) -> None:
    assert "teredo" in tunnelmgr(programs, "plugins")


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.stem)
def test_a_shipped_profile_is_found_by_name_in_a_lab_and_valid(programs: Path, profile: Path) -> None:
    tunnelmgr(programs, "check", profile.stem, TUNNELMGR_EXAMPLES="yes")


def test_a_key_is_explained_without_the_page(programs: Path) -> None:
    assert tunnelmgr(programs, "explain", "lan.share").startswith("lan.share: prefix or nat66;")


def test_the_systemd_unit_is_there(programs: Path) -> None:
    assert list(programs.parent.glob("lib/python*/site-packages/**/tunnelmgr@.service"))
