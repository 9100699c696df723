"""Plugins are found, imported lazily, and kept apart when they break."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from ipaddress import IPv6Network
from pathlib import Path

import pytest

from tunnelmgr.api.effects import Resolve
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Notice, PathDown
from tunnelmgr.core.plugins import PLUGINS, TRANSPORTS, PluginRegistry, PluginState

WORKING = """
from tunnelmgr.api.hookspecs import hookimpl
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Fit, Suitability, Transport

heard = []

class {name}(Transport):
    type_name = "{name}"
    summary = "carries nothing"
    roles = {{"client": Settings, "server": Settings}}

    def __init__(self, role, settings): ...
    def describe(self): return "nowhere"
    def suits(self, report): return Suitability(Fit.GOOD, "it is a test")
    def tunnel(self, random): raise NotImplementedError

@hookimpl
def tunnelmgr_register_transports():
    return [{name}]

@hookimpl
def tunnelmgr_tunnel_event(profile, event):
    heard.append((profile, event))
"""

BAD = WORKING.format(name="bad")

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a plugin's module and return its name; it is unloaded after the test."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> str:
        module = f"plugin_{tmp_path.name}_{name}"
        (tmp_path / f"{module}.py").write_text(text)
        return module

    return write


def entry_points(*plugins: tuple[str, str, str]) -> EntryPoints:
    """Return the entry points of plugins given as (id, module, transport type)."""
    return EntryPoints(
        entry
        for name, module, type_name in plugins
        for entry in (EntryPoint(name, module, PLUGINS), EntryPoint(type_name, module, TRANSPORTS))
    )


def working(write: Write, name: str) -> tuple[str, str, str]:
    return name, write(name, WORKING.format(name=name)), name


def failure(registry: PluginRegistry, type_name: str) -> TunnelError:
    with pytest.raises(TunnelError) as raised:
        registry.transport(type_name)
    return raised.value


def test_hook_register_transports(write: Write) -> None:
    registry = PluginRegistry(entry_points(working(write, "fou")))
    transport = registry.transport("fou")
    assert transport.type_name == "fou"
    assert registry.transport("fou") is transport


def test_hook_tunnel_event(write: Write) -> None:
    fou = working(write, "fou")
    registry = PluginRegistry(entry_points(fou))
    registry.transport("fou")
    event = PathDown(IPv6Network("2001:db8::/32"))
    registry.tunnel_event("home", Resolve("effects.are.left.out"))
    registry.tunnel_event("home", event)
    assert sys.modules[fou[1]].heard == [("home", event)]


def test_a_listener_that_raises_is_named_and_keeps_no_other_from_hearing(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    deaf = "a", write("a", WORKING.format(name="a").replace("heard.append((profile, event))", "1 / 0")), "a"
    good = working(write, "b")
    registry = PluginRegistry(entry_points(deaf, good))
    registry.list()
    with caplog.at_level(logging.ERROR):
        registry.tunnel_event("home", Notice("b.news", "news"))
    assert len(sys.modules[good[1]].heard) == 1
    assert "plugin a: tunnelmgr_tunnel_event failed for Notice" in caplog.text


def test_only_the_plugin_that_is_needed_is_imported(write: Write) -> None:
    needed, other = working(write, "needed"), working(write, "other")
    registry = PluginRegistry(entry_points(needed, other))
    assert registry.types() == ("needed", "other")
    assert needed[1] not in sys.modules
    registry.transport("needed")
    assert needed[1] in sys.modules
    assert other[1] not in sys.modules


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise SystemExit(3)", "it ended the program (SystemExit: 3)"),
        ("TUNNELMGR_API = 2", "written for plugin API 2, this is API 1"),
        ("", "its entry points promise 'bad', it registers no transport"),
        (WORKING.format(name="good"), "its entry points promise 'bad', it registers 'good'"),
        (BAD.replace("return [bad]", "raise KeyError('x')"), "KeyError: 'x'"),
        (BAD.replace("return [bad]", "return [dict]"), "<class 'dict'> is not a transport: it has no type_name"),
        (BAD.replace('{"client": Settings, "server": Settings}', "{}"), "transport 'bad' has no roles"),
    ],
)
def test_a_broken_plugin_is_named_with_its_reason_and_others_go_on(write: Write, text: str, reason: str) -> None:
    registry = PluginRegistry(entry_points(("bad", write("bad", text), "bad"), working(write, "fine")))
    assert registry.transport("fine")
    error = failure(registry, "bad")
    assert error.exit_code is ExitCode.BUG
    assert error.message.startswith("plugin bad (plugin_")
    assert f"is broken: {reason}" in error.message
    bad, fine = registry.list()
    assert (bad.state, fine.state) == (PluginState.BROKEN, PluginState.READY)
    assert bad.reason.startswith(reason)
    assert [(known.type, known.roles) for known in bad.transports] == [("bad", ())]


def test_what_a_broken_plugin_raised_is_the_cause(write: Write) -> None:
    registry = PluginRegistry(entry_points(("bad", write("bad", "1 / 0"), "bad")))
    assert isinstance(failure(registry, "bad").__cause__, ZeroDivisionError)


def test_two_plugins_of_one_type_are_an_error_found_without_importing_either(write: Write) -> None:
    first, second = write("first", "1 / 0"), write("second", "1 / 0")
    points = entry_points(("one", first, "fou"), ("two", second, "fou"))
    registry = PluginRegistry(points)
    error = failure(registry, "fou")
    assert error.exit_code is ExitCode.INVALID
    assert error.message == f"transport type 'fou' is provided by more than one plugin: one ({first}), two ({second})"
    assert [known.reason for known in registry.list()] == [error.message, error.message]
    assert first not in sys.modules
    assert second not in sys.modules


def test_denying_one_of_two_plugins_of_one_type_settles_it(write: Write) -> None:
    points = entry_points(("one", write("one", "1 / 0"), "fou"), ("two", write("two", WORKING.format(name="fou")), "fou"))
    assert PluginRegistry(points, denied=frozenset({"one"})).transport("fou").type_name == "fou"


@pytest.mark.parametrize(
    ("allowed", "denied", "reason"),
    [
        (None, frozenset({"fou"}), "named in TUNNELMGR_DISABLE_PLUGINS"),
        (frozenset({"teredo"}), frozenset[str](), "not named in TUNNELMGR_LOAD_PLUGINS"),
    ],
)
def test_a_disabled_plugin_is_not_imported(
    write: Write, allowed: frozenset[str] | None, denied: frozenset[str], reason: str
) -> None:
    fou = working(write, "fou")
    registry = PluginRegistry(entry_points(fou), allowed=allowed, denied=denied)
    error = failure(registry, "fou")
    assert error.exit_code is ExitCode.INVALID
    assert error.message == f"transport type 'fou' comes with a disabled plugin: fou ({reason})"
    (info,) = registry.list()
    assert (info.state, info.reason) == (PluginState.DISABLED, reason)
    assert registry.types() == ()
    assert fou[1] not in sys.modules


def test_an_unknown_type_is_answered_by_a_close_one_or_by_all_there_are(write: Write) -> None:
    registry = PluginRegistry(entry_points(working(write, "teredo"), working(write, "fou")))
    assert str(failure(registry, "Terdo")) == "unknown transport type 'Terdo'; did you mean 'teredo'?"
    assert str(failure(registry, "wireguard")) == "unknown transport type 'wireguard'; installed are: fou, teredo"
    assert failure(registry, "wireguard").exit_code is ExitCode.INVALID


def test_the_listing_tells_types_roles_and_summary(write: Write) -> None:
    name, module, _ = working(write, "fou")
    (info,) = PluginRegistry(entry_points((name, module, "fou"))).list()
    assert (info.name, info.module, info.state, info.reason) == ("fou", module, PluginState.READY, "")
    (transport,) = info.transports
    assert (transport.type, transport.roles, transport.summary) == ("fou", ("client", "server"), "carries nothing")


@pytest.mark.requirement("T-CL-028")
def test_the_environment_allows_and_denies_plugins() -> None:
    denied = PluginRegistry.from_environment({"TUNNELMGR_DISABLE_PLUGINS": "teredo, sixinfour"})
    allowed = PluginRegistry.from_environment({"TUNNELMGR_LOAD_PLUGINS": "sixinfour"})
    assert "teredo" in PluginRegistry.from_environment({}).types()
    assert "teredo" not in {*denied.types(), *allowed.types()}


def test_blank_variables_disable_nothing() -> None:
    blank = PluginRegistry.from_environment({"TUNNELMGR_DISABLE_PLUGINS": " , ", "TUNNELMGR_LOAD_PLUGINS": ""})
    assert blank.types() == PluginRegistry.from_environment({}).types()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed distributions: two whose metadata cannot be read, and a plugin that prints."""
    for name, entry_points in (
        ("torn", b"[tunnelmgr.commands]\nno equals sign here\n"),
        ("latin", b"[tunnelmgr]\n\xe9 = nothing\n"),
        ("chatty", b"[tunnelmgr]\nchatty = chatty\n"),
    ):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_bytes(b"Name: " + name.encode() + b"\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_bytes(entry_points)
    (tmp_path / "chatty.py").write_text("print('good morning')\n")
    return tmp_path


def test_broken_metadata_of_others_is_named_and_ends_no_command(site: Path) -> None:
    def said(*words: str) -> str:
        program = "from tunnelmgr.cli.main import main; main()"
        command = [sys.executable, "-c", program, *words]
        environment = {**os.environ, "PYTHONPATH": str(site)}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    assert "up " in said("--help")
    listed = json.loads(said("plugins", "--json"))["data"]["plugins"]
    broken = {Path(one["module"]).name: one["reason"] for one in listed if one["name"] == "?"}
    assert set(broken) == {"latin-1.0.dist-info", "torn-1.0.dist-info"}
    assert broken["latin-1.0.dist-info"].startswith("its metadata cannot be read: UnicodeDecodeError")
