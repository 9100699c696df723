"""A registry with one fake plugin, one that is broken, and profiles written by tests."""

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tunnelmgr.core.plugins import PLUGINS, TRANSPORTS, PluginRegistry

FOLDER = Path(__file__).parent / "plugins"


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> PluginRegistry:
    monkeypatch.syspath_prepend(FOLDER)
    modules = {"paper": "tunnelmgr_paper", "torn": "tunnelmgr_that_is_not_there"}
    return PluginRegistry(
        EntryPoint(name, module, group) for name, module in modules.items() for group in (PLUGINS, TRANSPORTS)
    )


@pytest.fixture
def write_profile(tmp_path: Path) -> Callable[[str], Path]:
    """Write a profile named home.yaml and return its path."""

    def write(text: str, name: str = "home.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write
