"""The shipped profiles are examples to copy: short, explained, valid with and without what stands behind a hash."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tunnelmgr.api.errors import ExitCode
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.paths import SHIPPED, find_profile
from tunnelmgr.core.profiles.profile import Profile, ProfileFile

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
PROFILES = sorted(CONFIGS.glob("*.yaml"))
UNIT = CONFIGS / "tunnelmgr@.service"
CONTENTS = {"tsp.users": f"alice:{'0' * 32}"}
"""What the files of secrets must hold where not anything will do."""
SELF_EVIDENT = {"name", "type"}
LINES_MAX = 400
"""All of them together. What a key means stands in docs/profile.md and need not be said in twelve files."""
SETTING = re.compile(r"^\s*#?(?:- )?#?(\w+):(?: |$)", re.MULTILINE)


def load(path: Path) -> Profile:
    return load_profile(path, PluginRegistry.from_environment())


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.name)
def test_a_shipped_profile_is_valid(path: Path) -> None:
    profile = load(path)
    assert profile.name == path.stem
    assert profile.warnings == ()


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.name)
def test_a_shipped_profile_is_found_by_its_name(path: Path) -> None:
    assert find_profile(path.stem, (SHIPPED,)).samefile(path)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.name)
def test_a_setting_behind_a_hash_is_valid_once_the_hash_is_removed(path: Path, tmp_path: Path) -> None:
    text = re.sub(r"^(\s*)#(?=(?:- )?\w+:)", r"\1", path.read_text(), flags=re.MULTILINE)
    copy = tmp_path / path.name
    copy.write_text(text)
    for name in re.findall(r"\{file: ([\w.]+)\}", text):
        key = tmp_path / name
        key.touch(mode=0o600)
        key.write_text(CONTENTS.get(name, "secret"))
    load(copy)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.name)
def test_every_setting_with_a_value_follows_a_comment(path: Path) -> None:
    lines = path.read_text().splitlines()
    bare = [
        match[1]
        for before, line in zip(["", *lines], lines, strict=False)
        if (match := SETTING.match(line)) and not before.lstrip().startswith("# ") and line[match.end() :].strip()
    ]
    assert set(bare) <= SELF_EVIDENT


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.name)
def test_a_shipped_profile_says_nothing_that_is_the_default(path: Path) -> None:
    written = yaml.safe_load(path.read_text())
    ours = ProfileFile.model_validate(written)
    assert ours.model_dump(exclude_unset=True).keys() == ours.model_dump(exclude_defaults=True).keys()


def test_the_shipped_profiles_together_are_short() -> None:
    assert sum(len(path.read_text().splitlines()) for path in PROFILES) <= LINES_MAX


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_what_systemd_expects(tmp_path: Path) -> None:
    # systemd looks whether the program is there; any will do.
    text = UNIT.read_text().replace("ExecStart=tunnelmgr ", f"ExecStart={sys.executable} ")
    assert sys.executable in text
    unit = tmp_path / "tunnelmgr@home.service"
    unit.write_text(text)
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.stderr, checked.returncode) == ("", 0)


def test_the_unit_is_not_restarted_when_that_cannot_help() -> None:
    permanent = " ".join(str(code.value) for code in ExitCode if code.permanent)
    assert f"RestartPreventExitStatus={permanent}\n" in UNIT.read_text()
