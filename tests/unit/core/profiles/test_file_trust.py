"""Who else may write a file that root obeys."""

import os
from pathlib import Path

import pytest

from tunnelmgr.core.profiles.file_trust import untrusted


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    folder = tmp_path / "profiles"
    folder.mkdir(mode=0o755)
    path = folder / "home.yaml"
    path.touch(mode=0o644)
    return path


def test_a_file_and_folder_only_their_owner_writes_are_trusted(profile: Path) -> None:
    assert untrusted(profile) == ""


def test_a_file_everybody_writes_is_not(profile: Path) -> None:
    profile.chmod(0o646)
    assert untrusted(profile) == f"{profile} is writable by everybody (mode 0646), and root would obey it"


def test_a_folder_everybody_writes_is_not(profile: Path) -> None:
    profile.parent.chmod(0o777)
    assert untrusted(profile) == f"{profile.parent} is writable by everybody (mode 0777), and root would obey it"


def test_in_a_sticky_folder_nobody_can_replace_the_file(profile: Path) -> None:
    profile.parent.chmod(0o1777)
    assert untrusted(profile) == ""


def test_the_owners_own_group_may_write(profile: Path) -> None:
    # As umask 002 makes it, where every user has a group of the same number.
    profile.chmod(0o664)
    if profile.stat().st_gid in {0, profile.stat().st_uid}:
        assert untrusted(profile) == ""
    else:
        assert untrusted(profile).startswith(f"{profile} is writable by group ")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a file to another group")
def test_another_group_may_not_write(profile: Path) -> None:
    os.chown(profile, 0, 12345)
    profile.chmod(0o664)
    assert untrusted(profile) == f"{profile} is writable by group 12345 (mode 0664), and root would obey it"
