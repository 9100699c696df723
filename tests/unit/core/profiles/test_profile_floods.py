"""Whatever is in a file: a few mistakes are told, in bounded text and time, without a character that does something."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.yamlfile import SIZE_MAX

PRINTED_MAX = 64_000  # characters
WITHIN = 20.0  # seconds, generous: quadratic work on a file of the largest size takes minutes
FULL = SIZE_MAX - 200
METHOD = "method: {type: teredo, server: 192.0.2.1}\n"


def many(piece: str) -> str:
    return "".join(piece.format(number) for number in range(FULL // (len(piece) + 5)))


FLOODS = {
    "one long value": f"{METHOD}name: {'x' * (FULL - 100)}",
    "one long key": f"{METHOD}{'x' * (FULL - 100)}: 1",
    "a word that could hold a secret": f"{METHOD}name: {'pass' * (FULL // 5)}",
    "unknown keys": METHOD + many("k{0}: 1\n"),
    "unknown keys within a method": "method: {type: teredo, server: 192.0.2.1, " + many("k{0}: 1, ") + "}",
    "long keys that are nearly known": METHOD + many("default_route_{0}: 1\n"),
    "one key again and again": METHOD + many("name: a\n"),
    "wrong items": METHOD + "network: {probe: [" + many("x{0}, ") + "]}",
    "methods": "methods:\n" + many("  - {{type: no{0}}}\n"),
    "anchors and aliases": METHOD + many("a{0}: &a{0} [*a{0}, *a{0}]\n"),
    "deep": "[" * (FULL // 2),
    "deep mappings": METHOD + "lan: " + "{a: " * 1000,
    "long line of mistakes": METHOD + "network: {" + many("m{0}: 1, ") + "}",
    "escapes": METHOD + "".join(f'"\\e[{number}m\\u202e\\x9b": "\\u0007\\u2028"\n' for number in range(1500)),
    "secrets in plain sight": many("password{0}: hunter{0}\n"),
    "nothing but colons": ":" * FULL,
    "nothing but quotes": '"' * FULL,
    "tags": METHOD + many("t{0}: !!python/object x\n"),
    "resolvers": METHOD + "lan: {interfaces: [" + many("e{0}, ") + "]}",
}


def told(path: Path, text: str, plugins: PluginRegistry) -> str:
    path.write_text(text)
    begun = time.monotonic()
    try:
        load_profile(path, plugins)
    except TunnelError as error:
        said = f"{error.message}\n{error.hint}"
    else:
        said = ""
    assert time.monotonic() - begun < WITHIN
    assert len(said) < PRINTED_MAX
    assert all(one.isprintable() or one == "\n" for one in said)
    return said


@pytest.fixture(scope="module")
def real_plugins() -> PluginRegistry:
    return PluginRegistry.from_environment()


@pytest.mark.parametrize("text", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_mistakes_is_told_in_a_page(tmp_path: Path, real_plugins: PluginRegistry, text: str) -> None:
    assert len(text.encode()) <= SIZE_MAX, "else it would be refused for its size alone"
    assert told(tmp_path / "home.yaml", text, real_plugins)


def test_a_larger_file_is_refused_with_the_limit(tmp_path: Path, real_plugins: PluginRegistry) -> None:
    said = told(tmp_path / "home.yaml", METHOD + "#" * SIZE_MAX, real_plugins)
    assert f"longer than {SIZE_MAX} bytes" in said
    sparse = tmp_path / "sparse.yaml"
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TunnelError, match=f"longer than {SIZE_MAX} bytes"):
        load_profile(sparse, real_plugins)


NASTY = st.characters(codec="utf-8") | st.sampled_from("\x1b\x07\x9b\u202e\u2066\u2028\x85:{}[],&*!|>'\"%@`#-?\n\t")


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(NASTY, max_size=200), prefix=st.sampled_from(["", METHOD, "method: {type: teredo, server: ", "network: "])
)
def test_nothing_that_is_told_has_a_character_that_does_something(
    tmp_path_factory: pytest.TempPathFactory, real_plugins: PluginRegistry, text: str, prefix: str
) -> None:
    told(tmp_path_factory.getbasetemp() / "home.yaml", prefix + text, real_plugins)
