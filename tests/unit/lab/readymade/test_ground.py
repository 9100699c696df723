"""Where a user's labs keep their files."""

import os
from pathlib import Path

import pytest

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.readymade.ground import own_dir


def test_a_user_s_labs_are_in_the_folder_the_session_gives(tmp_path: Path) -> None:
    assert own_dir(str(tmp_path), 1000) == tmp_path / "tunnelmgr"


@pytest.mark.parametrize("given", [None, "", "/nowhere/at/all"])
def test_without_one_they_are_in_a_folder_nobody_else_reads(tmp_path: Path, given: str | None) -> None:
    folder = own_dir(given, os.geteuid(), tmp_path)
    assert folder == tmp_path / f"tunnelmgr-{os.geteuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert own_dir(given, os.geteuid(), tmp_path) == folder


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    stranger = os.geteuid() + 1
    (tmp_path / f"tunnelmgr-{stranger}").mkdir()
    with pytest.raises(TunnelError, match=f"tunnelmgr-{stranger} belongs to another user"):
        own_dir(None, stranger, tmp_path)


def test_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / f"tunnelmgr-{os.geteuid()}").symlink_to("/etc")
    with pytest.raises(TunnelError, match="belongs to another user"):
        own_dir(None, os.geteuid(), tmp_path)
