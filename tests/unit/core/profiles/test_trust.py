import os
from pathlib import Path

import pytest

from tunnelmgr.core.profiles.trust import distrust

SOMEBODY = 12345
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files to others")


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    folder = tmp_path / "profiles"
    folder.mkdir(mode=0o755)
    path = folder / "home.yaml"
    path.touch(mode=0o644)
    return path


def reason(path: Path, **environment: str) -> str:
    found = distrust(path, environment)
    return found.reason if found else ""


def test_what_root_alone_writes_is_trusted(profile: Path) -> None:
    assert reason(profile) == ""


@pytest.mark.parametrize(("level", "mode"), [(0, 0o646), (1, 0o777), (2, 0o757)], ids=["file", "folder", "folder above"])
def test_what_everybody_writes_is_not_nor_what_is_in_such_a_folder(profile: Path, level: int, mode: int) -> None:
    place = (profile, *profile.parents)[level]
    place.chmod(mode)
    found = distrust(profile)
    assert found is not None
    assert found.reason == f"{place} is writable by everybody (mode {mode:04o}), and root would obey it"
    assert found.hint == f"chmod go-w {place}"


def test_in_a_sticky_folder_only_the_owner_of_a_file_can_replace_it(profile: Path) -> None:
    profile.parent.chmod(0o1777)
    assert reason(profile) == ""
    os.chown(profile, SOMEBODY, 0)
    assert reason(profile).startswith(f"{profile} belongs to user {SOMEBODY}")


@pytest.mark.parametrize("level", [0, 1, 2], ids=["file", "folder", "folder above"])
def test_what_somebody_owns_they_can_replace_whatever_its_mode(profile: Path, level: int) -> None:
    place = (profile, *profile.parents)[level]
    os.chown(place, SOMEBODY, 0)
    found = distrust(profile)
    assert found is not None
    assert found.reason.startswith(f"{place} belongs to user {SOMEBODY}, who could replace what root would obey")
    assert reason(profile, SUDO_UID=str(SOMEBODY)) == "", "who may become root need not trick it"


def test_another_group_may_not_write_and_the_owners_own_may(profile: Path) -> None:
    os.chown(profile, 0, SOMEBODY)
    profile.chmod(0o664)
    assert reason(profile) == f"{profile} is writable by group {SOMEBODY} (mode 0664), and root would obey it"
    os.chown(profile, 0, 0)
    assert reason(profile) == ""


def test_the_way_through_a_link_is_looked_at_step_by_step(profile: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "real.yaml").touch()
    (elsewhere / "second.yaml").symlink_to("real.yaml")
    profile.unlink()
    profile.symlink_to(Path("..") / "elsewhere" / "second.yaml")
    assert reason(profile) == ""
    os.chown(elsewhere / "second.yaml", SOMEBODY, 0, follow_symlinks=False)
    assert reason(profile).startswith(f"{elsewhere / 'second.yaml'} belongs to user {SOMEBODY}")
    (elsewhere / "second.yaml").unlink()
    (elsewhere / "second.yaml").symlink_to("real.yaml")
    elsewhere.chmod(0o777)
    assert reason(profile).startswith(f"{elsewhere} is writable by everybody")
