"""From the word on the command line to a file."""

from pathlib import Path

import pytest

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.core.profiles.paths import (
    SHIPPED,
    SYSTEM_FOLDERS,
    find_profile,
    is_path,
    known_profiles,
    profile_folders,
)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, ...]:
    first, second = tmp_path / "first", tmp_path / "second"
    for file in (
        first / "home.yaml",
        first / "office.yml",
        second / "home.yaml",
        second / "garden.yaml",
        second / "note.txt",
    ):
        file.parent.mkdir(exist_ok=True)
        file.touch()
    return first, tmp_path / "missing", second


def missing(word: str, folders: tuple[Path, ...] | None = None) -> TunnelError:
    with pytest.raises(TunnelError) as raised:
        find_profile(word, folders)
    assert raised.value.exit_code is ExitCode.NO_PROFILE
    return raised.value


@pytest.mark.parametrize(
    ("word", "path"),
    [("home", False), ("home.yaml", True), ("home.yml", True), ("./home", True), ("/x", True), ("a.b", False)],
)
def test_a_word_with_a_slash_or_an_ending_is_a_path(word: str, path: bool) -> None:
    assert is_path(word) is path


def test_a_name_is_looked_up_in_the_folders_in_order(folders: tuple[Path, ...]) -> None:
    first, _, second = folders
    assert find_profile("home", folders) == first / "home.yaml"
    assert find_profile("office", folders) == first / "office.yml"
    assert find_profile("garden", folders) == second / "garden.yaml"


def test_a_path_is_not_looked_up(folders: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders[2])
    assert find_profile("garden.yaml", folders) == Path("garden.yaml")
    assert find_profile("../second/home.yaml", folders) == Path("../second/home.yaml")


def test_a_name_that_is_nowhere_names_the_folders_and_close_names(folders: tuple[Path, ...]) -> None:
    error = missing("gardn", folders)
    assert error.message == f"no profile 'gardn' in {', '.join(map(str, folders))}"
    assert error.hint == "did you mean 'garden'?"


def test_a_name_like_no_other_is_answered_by_all_there_are(folders: tuple[Path, ...]) -> None:
    assert missing("xyzzy", folders).hint == "there are: garden, home, office"
    assert missing("xyzzy", ()).hint == "write a profile there, or name a file"


def test_without_a_word_the_profile_is_default(folders: tuple[Path, ...]) -> None:
    with pytest.raises(TunnelError) as raised:
        find_profile(folders=folders)
    assert raised.value.hint == "name a profile: garden, home, office"
    (folders[0] / "default.yaml").touch()
    assert find_profile(folders=folders) == folders[0] / "default.yaml"


def test_a_path_that_leads_nowhere_is_answered_by_its_neighbours(folders: tuple[Path, ...]) -> None:
    error = missing(str(folders[0] / "hme.yaml"))
    assert error.message == f"no profile at {folders[0] / 'hme.yaml'}"
    assert error.hint == "did you mean 'home.yaml'?"
    assert missing("/nowhere/at/all.yaml").hint == "check the path"
    assert missing(f"{folders[0]}/").message == f"{folders[0]} is not a file"


def test_known_profiles_are_named_once(folders: tuple[Path, ...]) -> None:
    assert known_profiles(folders) == ("garden", "home", "office")


def test_the_folders_are_those_of_the_environment_the_user_the_system_and_the_package() -> None:
    environment = {"TUNNELMGR_CONFIG_PATH": "/a:/b", "HOME": "/home/me"}
    own = Path("/home/me/.config/tunnelmgr/profiles")
    assert profile_folders(environment, user=1000) == (Path("/a"), Path("/b"), own, *SYSTEM_FOLDERS)
    assert profile_folders({"XDG_CONFIG_HOME": "/xdg"}, user=1000)[0] == Path("/xdg/tunnelmgr/profiles")


def test_root_has_no_folder_of_its_own() -> None:
    assert profile_folders({"HOME": "/root", "XDG_CONFIG_HOME": "/xdg"}, user=0) == SYSTEM_FOLDERS


def test_on_a_host_of_a_lab_the_examples_are_found_last() -> None:
    assert profile_folders({"TUNNELMGR_EXAMPLES": "yes"}, user=0) == (*SYSTEM_FOLDERS, SHIPPED)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of profiles, on a host that is in no lab; the working directory is another one."""
    monkeypatch.delenv("TUNNELMGR_EXAMPLES", raising=False)
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("TUNNELMGR_CONFIG_PATH", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def test_outside_a_lab_an_example_is_no_profile(own: Path) -> None:
    error = missing("home")
    assert error.message == "home is the example shipped with tunnelmgr, and not a profile of yours"
    assert error.hint == f"copy {SHIPPED}/home.yaml to /etc/tunnelmgr/profiles/home.yaml and edit it"
    Path("home.yaml").touch()
    assert missing("home").hint.endswith("/etc/tunnelmgr/profiles/home.yaml, or did you mean ./home.yaml?")
    (own / "home.yaml").touch()
    assert find_profile("home") == own / "home.yaml"
    assert find_profile(str(SHIPPED / "home.yaml")) == SHIPPED / "home.yaml"


def test_lists_of_names_mark_the_examples(own: Path) -> None:
    (own / "zebra.yaml").touch()
    assert missing("hom").hint == "did you mean 'home' (an example)?"
    assert missing("zebr").hint == "did you mean 'zebra'?"
    listed = missing("xyzzy").hint
    assert listed.startswith("there are: far-end (an example), home (an example), ")
    assert listed.endswith(", zebra")
