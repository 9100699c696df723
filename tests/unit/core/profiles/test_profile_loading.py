"""A valid profile becomes what its file says."""

import os
import sys
from collections.abc import Callable
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.names import ServerName
from tunnelmgr.api.report import NatKind
from tunnelmgr.api.transport import Transport
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.problem import ProblemSeverity, ProfileError
from tunnelmgr.core.profiles.profile import DatapathWish, DefaultRouteWish, LanShare, Method
from tunnelmgr.core.profiles.when import When
from tunnelmgr.host.desired import Inbound
from tunnelmgr.host.device_name import device_name

WriteProfile = Callable[[str], Path]
NOBODY = 65534


def settings(method: Method) -> dict[str, object]:
    """Return what the fake transport was bound to, as far as the file says it."""
    return dict(method.transport.settings.model_dump(exclude_unset=True))  # type: ignore[attr-defined]


@pytest.mark.requirement("T-SE-004")
def test_a_profile_of_one_line_has_the_defaults(plugins: PluginRegistry, write_profile: WriteProfile) -> None:
    path = write_profile("method: {type: paper, server: 192.0.2.1}\n")
    profile = load_profile(path, plugins)
    assert (profile.name, profile.file, profile.device) == ("home", path, "tm-home")
    (method,) = profile.methods
    assert (method.type, method.role, method.when, method.line) == ("paper", "client", None, 1)
    assert settings(method) == {"server": ("192.0.2.1",)}
    network = profile.network
    assert (network.mtu, network.default_route, network.metric) == ("auto", DefaultRouteWish.IF_NO_NATIVE, "auto")
    assert network.probe == ()
    assert profile.firewall.inbound is Inbound.ESTABLISHED
    assert (profile.lan.interfaces, profile.lan.share) == ((), LanShare.PREFIX)
    assert profile.datapath is DatapathWish.AUTO
    assert profile.warnings == ()


def test_every_section_says_what_it_says(plugins: PluginRegistry, write_profile: WriteProfile) -> None:
    profile = load_profile(
        write_profile(
            """
name: garden
methods:
  - type: paper
    server: [a, 192.0.2.7]
    colour: yellow
    bind: 192.0.2.9
    when: {nat: symmetric}
  - type: paper
    role: server
    addresses: [192.0.2.1, 192.0.2.2]
network: {mtu: 1400, default_route: always, metric: 5, probe: [2001:db8::1]}
firewall: {inbound: open}
lan: {interfaces: [br-lan], share: nat66}
detect: {stun: ["stun.example.net", "192.0.2.5:3479"], ipv6: [2001:db8::9]}
datapath: plain
"""
        ),
        plugins,
    )
    assert profile.detect.servers == (ServerName("stun.example.net"), ServerName("192.0.2.5", 3479))
    assert profile.detect.ipv6 == (IPv6Address("2001:db8::9"),)
    assert (profile.name, profile.device) == ("garden", device_name("garden"))
    first, second = profile.methods
    assert (first.role, first.line, second.role, second.line) == ("client", 4, "server", 9)
    assert first.when == When(nat=frozenset({NatKind.SYMMETRIC}))
    assert settings(first)["server"] == ("a", "192.0.2.7")
    network = profile.network
    assert (network.mtu, network.default_route, network.metric) == (1400, DefaultRouteWish.ALWAYS, 5)
    assert network.probe == (IPv6Address("2001:db8::1"),)
    assert profile.firewall.inbound is Inbound.OPEN
    assert (profile.lan.interfaces, profile.lan.share) == (("br-lan",), LanShare.NAT66)
    assert profile.datapath is DatapathWish.PLAIN


def test_an_unquoted_ipv6_address_stays_one(plugins: PluginRegistry, write_profile: WriteProfile) -> None:
    profile = load_profile(write_profile("method: {type: paper, server: 2001:10:20:30:40:50:1:2}\n"), plugins)
    assert settings(profile.methods[0]) == {"server": ("2001:10:20:30:40:50:1:2",)}


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("{}", When()),
        ("{nat: [symmetric, blocked]}", When(nat=frozenset({NatKind.SYMMETRIC, NatKind.BLOCKED}))),
        ("{nat: not symmetric}", When(nat=frozenset(NatKind) - {NatKind.SYMMETRIC})),
        ("{nat: [not symmetric, not blocked]}", When(nat=frozenset(NatKind) - {NatKind.SYMMETRIC, NatKind.BLOCKED})),
        ("{nat: any}", When(nat=frozenset(NatKind) - {NatKind.NONE})),
        ("{nat: [any, not blocked]}", When(nat=frozenset(NatKind) - {NatKind.NONE, NatKind.BLOCKED})),
        ("{nat: not any}", When(nat=frozenset({NatKind.NONE}))),
        ("{public_ipv4: true, native_ipv6: false}", When(public_ipv4=True, native_ipv6=False)),
        ("{interface: eth*}", When(interface=("eth*",))),
        ("{interface: [wlan0, not ww*, eth*]}", When(interface=("wlan0", "eth*"), not_interface=("ww*",))),
    ],
)
def test_conditions_are_resolved(plugins: PluginRegistry, write_profile: WriteProfile, text: str, when: When) -> None:
    profile = load_profile(write_profile(f"method: {{type: paper, server: a, when: {text}}}\n"), plugins)
    assert profile.methods[0].when == when


def test_a_secret_beside_the_profile_reaches_the_transport_only(
    plugins: PluginRegistry, write_profile: WriteProfile
) -> None:
    path = write_profile("method: {type: paper, server: a, login: {username: me, key: {file: he.key}}}\n")
    key = path.parent / "he.key"
    key.write_text("hunter2\n")
    key.chmod(0o600)
    profile = load_profile(path, plugins)
    bound = profile.methods[0].transport.settings  # type: ignore[attr-defined]
    assert bound.login.key.reveal() == "hunter2"
    assert "hunter2" not in f"{bound!r} {bound} {bound.model_dump()} {bound.model_dump_json()}"
    assert profile.warnings == ()


def test_a_secret_in_the_profile_is_a_warning_that_does_not_show_it(
    plugins: PluginRegistry, write_profile: WriteProfile
) -> None:
    path = write_profile("method: {type: paper, server: a, login: {username: me, key: hunter2}}\n")
    (warning,) = load_profile(path, plugins).warnings
    assert warning.severity is ProblemSeverity.WARNING
    assert str(warning) == (
        f"{path}:1:61: warning: a secret stands in the profile; put it into a file of mode 0600 and write {{file: NAME}}\n"
        "method: {type: paper, server: a, login: {username: me, key: *******}}\n"
        f"{' ' * 60}^~~~~~~"
    )


def test_a_broken_plugin_is_an_error_of_the_profile_that_needs_it(
    plugins: PluginRegistry, write_profile: WriteProfile
) -> None:
    with pytest.raises(TunnelError) as raised:
        load_profile(write_profile("methods: [{type: paper, server: a}, {type: torn}]\n"), plugins)
    assert raised.value.exit_code is ExitCode.BUG
    assert "plugin torn (tunnelmgr_that_is_not_there), which provides 'torn', is broken" in raised.value.message
    load_profile(write_profile("method: {type: paper, server: a}\n"), plugins)


def test_a_plugin_that_crashes_on_its_settings_is_named(plugins: PluginRegistry, write_profile: WriteProfile) -> None:
    with pytest.raises(TunnelError) as raised:
        load_profile(write_profile("method: {type: paper, server: a, port: 666}\n"), plugins)
    assert raised.value.exit_code is ExitCode.BUG
    assert raised.value.message == "transport 'paper' crashed on its settings: LookupError: no such beast"
    assert isinstance(raised.value.__cause__, LookupError)


def test_the_file_of_a_profile_is_absolute(
    plugins: PluginRegistry, write_profile: WriteProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_profile("method: {type: paper, server: a}\n")
    monkeypatch.chdir(path.parent)
    assert load_profile(Path("home.yaml"), plugins).file == path


def test_no_plugin_is_imported_for_a_profile_that_names_none(plugins: PluginRegistry, write_profile: WriteProfile) -> None:
    sys.modules.pop("tunnelmgr_paper", None)
    with pytest.raises(ProfileError):
        load_profile(write_profile("network: {mtu: auto}\n"), plugins)
    assert "tunnelmgr_paper" not in sys.modules


def test_a_file_that_is_not_there_is_no_profile(plugins: PluginRegistry, tmp_path: Path) -> None:
    with pytest.raises(TunnelError) as raised:
        load_profile(tmp_path / "away.yaml", plugins)
    assert raised.value.exit_code is ExitCode.NO_PROFILE
    assert "away.yaml cannot be read: No such file or directory" in raised.value.message


def test_bytes_that_are_no_text_are_said_to_be(plugins: PluginRegistry, tmp_path: Path) -> None:
    path = tmp_path / "home.yaml"
    path.write_bytes(b"name: \xff\n")
    with pytest.raises(ProfileError) as raised:
        load_profile(path, plugins)
    assert str(raised.value) == f"{path}: error: not UTF-8 text, at byte 6; save it as UTF-8"


@pytest.mark.parametrize("text", ["", "# method: {type: paper}\n", "paper\n"])
def test_a_file_without_keys_is_told_how_to_begin(plugins: PluginRegistry, write_profile: WriteProfile, text: str) -> None:
    with pytest.raises(ProfileError, match=r"1:1: error: a profile consists of keys and values; begin with 'method:"):
        load_profile(write_profile(text), plugins)


def test_a_file_whose_name_names_no_profile_needs_a_key(plugins: PluginRegistry, tmp_path: Path) -> None:
    path = tmp_path / "my home.yaml"
    path.write_text("method: {type: paper, server: a}\n")
    with pytest.raises(ProfileError, match=r"'my home' is no profile name; .*; add 'name:' or rename the file"):
        load_profile(path, plugins)
    path.write_text("name: mine\nmethod: {type: paper, server: a}\n")
    assert load_profile(path, plugins).name == "mine"


@pytest.mark.requirement("T-SE-007")
def test_root_does_not_obey_a_file_others_may_write(plugins: PluginRegistry, write_profile: WriteProfile) -> None:
    path = write_profile("method: {type: paper, server: a}\n")
    path.chmod(0o666)
    with pytest.raises(ProfileError) as raised:
        load_profile(path, plugins, user=0)
    assert raised.value.exit_code is ExitCode.INVALID
    assert (
        str(raised.value)
        == f"{path}: error: {path} is writable by everybody (mode 0666), and root would obey it; chmod go-w {path}"
    )
    assert load_profile(path, plugins, user=NOBODY).name == "home"


def test_the_user_is_this_process_where_none_is_given(plugins: PluginRegistry, write_profile: WriteProfile) -> None:
    path = write_profile("method: {type: paper, server: a}\n")
    path.chmod(0o666)
    if os.geteuid() == 0:
        with pytest.raises(ProfileError, match="writable by everybody"):
            load_profile(path, plugins)
    else:
        assert load_profile(path, plugins).name == "home"


@pytest.mark.parametrize(
    ("lan", "needed"),
    [
        ("lan: {interfaces: [lan0]}", 64),
        ("lan: {interfaces: [lan0, lan1]}", 63),
        ("lan: {interfaces: [lan0, lan1, lan2]}", 62),
        ("lan: {interfaces: [lan0], share: nat66}", None),
        ("", None),
    ],
)
def test_a_lan_asks_the_method_for_the_prefix_it_needs(
    plugins: PluginRegistry, write_profile: WriteProfile, lan: str, needed: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def with_prefix(transport: Transport, length: int) -> Transport:
        asked.append(length)
        return transport

    monkeypatch.setattr(Transport, "with_prefix", with_prefix)
    load_profile(write_profile(f"method: {{type: paper, server: 192.0.2.1}}\n{lan}\n"), plugins)
    assert asked == ([] if needed is None else [needed])
