"""Plain data, there and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest

from tests.home_snapshot import SNAPSHOT, with_running
from tunnelmgr.api.plain import as_named, as_plain, from_plain
from tunnelmgr.core.condition import State
from tunnelmgr.core.driving.traffic import Traffic
from tunnelmgr.core.running.snapshot import Snapshot


class Colour(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    name: str = ""


@dataclass(frozen=True)
class Flower:
    colour: Colour
    place: Point
    height: float = 0.5
    key: bytes = b""
    file: Path | None = None
    server: IPv4Address | IPv6Address | None = None
    prefixes: tuple[IPv6Network, ...] = ()
    lost: frozenset[int] = frozenset()
    facts: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Tree:
    age: int


Plant = Flower | Tree
FLOWER = Flower(
    Colour.RED,
    Point(1, "here"),
    2,
    b"\x00\xff",
    Path("/etc"),
    IPv6Address("2001:db8::1"),
    (IPv6Network("2001:db8::/32"),),
    frozenset({1, 2}),
    {"a": None, "b": True, "c": 1.5, "d": "text"},
)


@pytest.mark.parametrize("value", [FLOWER, Flower(Colour.RED, Point(1)), SNAPSHOT], ids=lambda value: type(value).__name__)
def test_what_was_taken_apart_comes_back(value: object) -> None:
    assert from_plain(type(value), as_plain(value)) == value


def test_addresses_and_mappings_of_any_kind_become_plain() -> None:
    assert as_plain(MappingProxyType({"a": (IPv6Address("::1"), State.UP)})) == {"a": ["::1", "up"]}


@pytest.mark.parametrize("plant", [FLOWER, Tree(80)], ids=lambda value: type(value).__name__)
def test_one_of_several_is_known_by_its_name(plant: Plant) -> None:
    assert from_plain(Plant, as_named(plant)) == plant
    assert from_plain(Plant | None, as_named(plant)) == plant
    assert from_plain(Plant | None, None) is None


def test_what_a_newer_process_says_besides_is_left_out() -> None:
    assert from_plain(Snapshot, {**as_plain(SNAPSHOT), "mood": "fine"}) == SNAPSHOT


def test_what_an_older_process_does_not_say_takes_its_default() -> None:
    told = as_plain(SNAPSHOT)
    del told["running"]["traffic"], told["running"]["mtu"]
    assert from_plain(Snapshot, told) == with_running(SNAPSHOT, traffic=Traffic(), mtu=None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "blue"}, "colour: 'blue' is not a valid Colour"),
        ({"colour": []}, "colour: .. is not a valid Colour"),
        ({"place": ["x", ""]}, "place: not a int: 'x'"),
        ({"place": [1]}, "place: .*shorter"),
        ({"height": "high"}, "height: not a float: 'high'"),
        ({"key": "not base64"}, "key: "),
        ({"file": 5}, "file: not a Path: 5; not a NoneType: 5"),
        ({"server": 5}, "server: not a IPv4Address: 5; not a IPv6Address: 5; not a NoneType: 5"),
        ({"prefixes": "2001:db8::/32"}, "prefixes: "),
        ({"prefixes": ["2001:db8::1/32"]}, "prefixes: .*host bits"),
        ({"facts": [1]}, "facts: "),
        ({"facts": {"a": []}}, "facts: "),
    ],
    ids=str,
)
def test_what_is_something_else_is_told_by_its_field(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        from_plain(Flower, {**as_plain(FLOWER), **change})


def test_a_field_that_must_be_told_is_named() -> None:
    with pytest.raises(ValueError, match="Tree without age"):
        from_plain(Tree, {})


@pytest.mark.parametrize("data", [{}, {"stone": {}}, {"tree": {}, "flower": {}}, {"tree": 1}, [], None, "tree"], ids=str)
def test_what_names_none_of_several_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_plain(Plant, data)
