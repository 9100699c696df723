"""The manual is whole: each key is explained, each example is valid, and docs/profile.md says what `explain` says."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.environment import ROOT
from tools.profile_manual import OURS, PAGE, page
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.manual import Section, manual

PLUGINS = PluginRegistry.from_environment(OURS)
SECTIONS = manual(PLUGINS)
METHOD = "method: {type: teredo, server: 192.0.2.1}\n"
USERS = f"alice:{'0' * 32}"
"""What a file of accounts holds; any other secret may be this, too."""
SENTENCES = re.compile(r"[A-Z0-9`].*\.", re.DOTALL)


def role_sections() -> list[Section]:
    return [section for section in SECTIONS if section.path.partition(".")[0] in PLUGINS.types()]


def assert_valid(folder: Path, text: str) -> None:
    for name in re.findall(r"file: ([\w.-]+)", text):
        secret = folder / name
        secret.touch(mode=0o600)
        secret.write_text(USERS)
    (folder / "example.yaml").write_text(text)
    assert load_profile(folder / "example.yaml", PLUGINS).methods


def all_examples(section: Section) -> dict[str, Any]:
    """Return the section with the example of every key that has one."""
    keys: dict[str, Any] = {}
    lists = {key.path for key in section.keys if key.takes == "a list of sections"}
    for key in section.keys:
        if key.example:
            inside = keys
            *outer, _ = key.path.removeprefix(f"{section.path}.").split(".")
            for name in outer:
                inside = inside.setdefault(name, {})
            inside.update(yaml.safe_load(key.example))
    return {name: [value] if f"{section.path}.{name}" in lists else value for name, value in keys.items()}


def test_the_page_is_what_the_models_say() -> None:
    assert PAGE.read_text() == page(), "run `make manual`"


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.path)
def test_a_section_and_each_key_of_it_is_explained_in_sentences(section: Section) -> None:
    assert SENTENCES.fullmatch(section.description)
    assert [key.path for key in section.keys if not SENTENCES.fullmatch(key.description)] == []


@pytest.mark.parametrize("section", role_sections(), ids=lambda section: section.path)
def test_the_example_of_a_role_is_a_valid_profile(section: Section, tmp_path: Path) -> None:
    assert_valid(tmp_path, section.example)


@pytest.mark.parametrize("section", role_sections(), ids=lambda section: section.path)
def test_the_examples_of_the_keys_of_a_role_are_valid_together(section: Section, tmp_path: Path) -> None:
    method = yaml.safe_load(section.example)["method"] | all_examples(section)
    assert_valid(tmp_path, yaml.safe_dump({"method": method}))


@pytest.mark.parametrize("name", ["network", "firewall", "lan", "detect"])
def test_the_examples_of_the_keys_of_a_section_are_valid_together(name: str, tmp_path: Path) -> None:
    (section,) = [section for section in SECTIONS if section.path == name]
    assert_valid(tmp_path, METHOD + yaml.safe_dump({name: all_examples(section)}))


def test_the_page_is_listed_among_the_documents() -> None:
    assert f"]({PAGE.name})" in (ROOT / "docs" / "README.md").read_text()
