"""The manual is made of the settings models: what it says of each kind of field, and how a key is found in it."""

from enum import Enum
from ipaddress import IPv4Network, IPv6Address
from typing import Literal

import pytest
from pydantic import Field

from tunnelmgr.api.secret import Secret
from tunnelmgr.api.settings import SECONDS, Settings
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.manual import Explained, Key, Section, find, manual, section_of


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Inner(Settings):
    """What is within."""

    depth: int = Field(description="How deep.", ge=1)


class Base(Settings):
    inherited: bool = Field(default=True, description="From the base.")


class Wishes(Base):
    """A model with every kind of field.

    It has two
    paragraphs.
    """

    colour: Colour = Field(default=Colour.RED, description="Which.", examples=["blue"])
    pause: float | None = Field(default=60.0, ge=5, le=600, description="How long.", json_schema_extra=SECONDS)
    limit: Literal["auto"] | int = Field(default="auto", description="How much.", json_schema_extra={"since": "0.2"})
    targets: tuple[IPv6Address, ...] = Field(default=(), max_length=4, description="Whom.")
    prefix: IPv4Network | None = Field(default=None, description="Where.")
    key: Secret | None = Field(default=None, description="What opens it.")
    inner: Inner | None = Field(default=None, description="More.")
    several: tuple[Inner, ...] = Field(default=(), description="Much more.")
    name: str = Field(description="Who.", examples=["me"])


@pytest.fixture
def section() -> Section:
    return section_of("lan", Wishes, "lan")


def test_a_section_has_the_words_of_its_model_and_an_example_of_what_must_be_written(section: Section) -> None:
    assert section.description == "A model with every kind of field.\n\nIt has two paragraphs."
    assert section.example == "lan:\n  name: me"


def test_what_must_be_written_comes_first_and_what_is_inherited_last(section: Section) -> None:
    names = [key.path.removeprefix("lan.") for key in section.keys]
    assert (names[0], names[1], names[-1]) == ("name", "colour", "inherited")


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("name", "text; required; since 0.1"),
        ("colour", "red or blue; default red; since 0.1"),
        ("pause", "5 to 600 seconds or null; default 60; since 0.1"),
        ("limit", "auto or a number; default auto; since 0.2"),
        ("targets", "a list of IPv6 addresses, 4 at most; default []; since 0.1"),
        ("prefix", "IPv4 prefix; since 0.1"),
        ("key", "{file: NAME}, {credential: NAME}, {env: NAME} or text; since 0.1"),
        ("inner", "a section; since 0.1"),
        ("inner.depth", "at least 1; required; since 0.1"),
        ("several", "a list of sections; since 0.1"),
        ("several.depth", "at least 1; required; since 0.1"),
        ("inherited", "true or false; default true; since 0.1"),
    ],
)
def test_a_key_tells_what_may_be_written_and_what_holds_otherwise(section: Section, name: str, facts: str) -> None:
    (key,) = [key for key in section.keys if key.path == f"lan.{name}"]
    assert key.facts == facts


def test_an_example_is_a_line_of_a_profile(section: Section) -> None:
    assert {key.path: key.example for key in section.keys if key.example} == {
        "lan.name": "name: me",
        "lan.colour": "colour: blue",
    }


def test_the_manual_has_the_sections_of_the_file_and_each_role_of_each_working_transport(plugins: PluginRegistry) -> None:
    paths = [section.path for section in manual(plugins)]
    assert paths[:7] == ["profile", "method", "method.when", "network", "firewall", "lan", "detect"]
    assert paths[7:] == ["paper.client", "paper.server"]


def test_the_example_of_a_role_is_a_method(plugins: PluginRegistry) -> None:
    (client, server) = manual(plugins)[7:]
    assert client.example.startswith("method:\n  type: paper")
    assert server.example.startswith("method:\n  type: paper\n  role: server")


def some(path: str) -> Key:
    return Key(path, "text", required=False, default=None, since="0.1", description="Something.", example="")


SECTIONS = (
    Section("profile", "", (some("name"), some("method"), some("lan")), ""),
    Section("method", "", (some("method.type"),), ""),
    Section("lan", "", (some("lan.share"), some("lan.dns")), ""),
    Section("paper.client", "", (some("paper.client.server"), some("paper.client.relays.allow")), ""),
    Section("paper.server", "", (some("paper.server.relay"), some("paper.server.dns")), ""),
)


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("lan.share", {"lan.share"}),
        ("share", {"lan.share"}),
        ("dns", {"lan.dns", "paper.server.dns"}),
        ("paper.dns", {"paper.server.dns"}),
        ("lan", {"lan"}),
        ("methods", {"method"}),
        ("method.server", {"paper.client.server", "paper.server"}),
        ("paper.server", {"paper.client.server", "paper.server"}),
        ("paper.client.server", {"paper.client.server"}),
        ("relays.allow", {"paper.client.relays.allow"}),
        ("paper", {"paper.client", "paper.server"}),
        ("method.share", set()),
        ("server.paper", set()),
        ("shade", set()),
    ],
)
def test_a_word_finds_the_keys_and_sections_it_ends_in_else_those_it_is_part_of(word: str, found: set[str]) -> None:
    explained = find(SECTIONS, word)
    assert {section.path for section in explained.sections} | {key.path for key in explained.keys} == found


def test_nothing_found_is_nothing_explained() -> None:
    assert find(SECTIONS, "shade") == Explained(())
