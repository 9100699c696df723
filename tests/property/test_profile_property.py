"""Whatever a file contains, reading it as a profile ends in a profile or in a list of places within the file."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunnelmgr.core.plugins import PLUGINS, TRANSPORTS, PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.problem import ProfileError
from tunnelmgr.core.profiles.profile import Profile
from tunnelmgr.core.profiles.yamlfile import read_yaml

PAPER = Path(__file__).parent.parent / "unit" / "core" / "plugins"

WORDS = [
    "name", "method", "methods", "network", "firewall", "lan", "datapath", "type", "role", "when", "server", "port", "login",
    "key", "file", "paper", "client", "nat", "symmetric", "mtu", "auto", "probe", "2001:db8::1", "192.0.2.1", "true", "1280",
]  # fmt: skip
PUNCTUATION = [
    ": ",
    "\n",
    "\n  ",
    "\n    ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "'",
    '"',
    "#",
    "&a ",
    "*a",
    "!x ",
    "|",
    "? ",
    "\t",
]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(WORDS + PUNCTUATION), max_size=40).map("".join),
    # Trees that are valid YAML: these reach validation.
    st.recursive(
        st.sampled_from([*WORDS, "", "~", "7"]),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
            st.dictionaries(st.sampled_from(WORDS), inner, max_size=5).map(
                lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"
            ),
        ),
        max_leaves=20,
    ),
)


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> PluginRegistry:
    monkeypatch.syspath_prepend(PAPER)
    return PluginRegistry(EntryPoint("paper", "tunnelmgr_paper", group) for group in (PLUGINS, TRANSPORTS))


def outcome(path: Path, plugins: PluginRegistry) -> Profile | ProfileError:
    try:
        return load_profile(path, plugins)
    except ProfileError as error:
        return error


@given(TEXTS)
def test_reading_yaml_never_raises_and_faults_are_within_the_file(text: str) -> None:
    document = read_yaml(text)
    for fault in document.faults:
        assert 1 <= fault.place.line <= len(document.lines) + 1
        assert fault.place.column >= 1
        assert fault.place.length >= 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS)
def test_a_file_is_a_profile_or_has_problems(plugins: PluginRegistry, tmp_path: Path, text: str) -> None:
    path = tmp_path / "home.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    found = outcome(path, plugins)
    assert found.problems if isinstance(found, ProfileError) else found.methods
