"""Methods of a profile that can never be reached are told, and accepted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile

WriteProfile = Callable[[str], Path]
SAME = "this method is never reached: line 2 has the same one, wherever this one would be used"


@pytest.fixture
def warnings(plugins: PluginRegistry, write_profile: WriteProfile) -> Callable[..., list[tuple[int, str]]]:
    """Return the line and the text of each warning about a list of methods."""

    def warnings(*methods: str) -> list[tuple[int, str]]:
        lines = "".join(f"  - {method}\n" for method in methods)
        profile = load_profile(write_profile(f"methods:\n{lines}"), plugins)
        return [(one.line, one.message) for one in profile.warnings]

    return warnings


@pytest.mark.parametrize("word", ["[none, not none]", "[any, not any]", "[symmetric, not any]"])
def test_a_condition_no_nat_fulfils(warnings: Callable[..., list[tuple[int, str]]], word: str) -> None:
    assert warnings(f"{{type: paper, server: a, when: {{nat: {word}}}}}") == [
        (2, "this method is never tried: its 'nat' excludes every kind it names")
    ]


@pytest.mark.parametrize(
    "words", ["[eth0, not eth*]", "['eth?', not eth*]", "[wwan*, wlan0, not w*]", "not *", "[eth0, 'not eth?']"]
)
def test_a_condition_no_interface_fulfils(warnings: Callable[..., list[tuple[int, str]]], words: str) -> None:
    assert warnings(f"{{type: paper, server: a, when: {{interface: {words}}}}}") == [
        (2, "this method is never tried: its 'interface' excludes every interface it names")
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{type: paper, server: a}", "{server: a, type: paper, role: client}"),
        ("{type: paper, server: a, when: {}}", "{type: paper, server: a, when: {nat: any}}"),
        ("{type: paper, server: a, when: {}}", "{type: paper, server: a}"),
        (
            "{type: paper, server: a, when: {nat: any}}",
            "{type: paper, server: a, when: {nat: symmetric, public_ipv4: false}}",
        ),
        ("{type: paper, server: a, when: {interface: eth*}}", "{type: paper, server: a, when: {interface: eth*}}"),
    ],
)
def test_the_same_method_again(warnings: Callable[..., list[tuple[int, str]]], first: str, second: str) -> None:
    assert warnings(first, second) == [(3, SAME)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{type: paper, server: a}", "{type: paper, server: b}"),  # what suits everywhere may carry nothing
        ("{type: paper, server: a, when: {}}", "{type: paper, server: b, when: {nat: none}}"),
        ("{type: paper, server: a}", "{type: paper, server: a, when: {}}"),  # the transport itself may refuse
        ("{type: paper, server: a, when: {nat: symmetric}}", "{type: paper, server: a, when: {nat: any}}"),
        (
            "{type: paper, server: a, when: {nat: none, public_ipv4: false}}",
            "{type: paper, server: a, when: {public_ipv4: true}}",
        ),
        (
            "{type: paper, server: a, when: {interface: [w*an0, 'not w?an0']}}",
            "{type: paper, server: a, when: {native_ipv6: true}}",
        ),
        ("{type: paper, server: a, when: {interface: eth*}}", "{type: paper, server: a, when: {interface: eth0}}"),
    ],
)
def test_methods_that_may_be_reached(warnings: Callable[..., list[tuple[int, str]]], first: str, second: str) -> None:
    assert warnings(first, second) == []


def test_the_warning_points_at_the_condition(plugins: PluginRegistry, write_profile: WriteProfile) -> None:
    text = "method:\n  type: paper\n  server: a\n  when:\n    nat: [none, not none]\n"
    [warning] = load_profile(write_profile(text), plugins).warnings
    assert str(warning).splitlines()[1:] == ["  when:", "  ^~~~"]
    assert (warning.line, warning.hint) == (4, "correct its 'when'")
