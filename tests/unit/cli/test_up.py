"""`up --dry-run`: the changes to this host before the far end has spoken."""

from pathlib import Path

import pytest

from tunnelmgr.api.network import Network
from tunnelmgr.cli.commands.up import rehearse
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.host.resolvers import ResolverHelper
from tunnelmgr.host.surroundings import Surroundings

UNKNOWN = "<address>"


def rehearsed(
    folder: Path, text: str = "", network: Network | None = None, method: str = "type: teredo, server: 192.0.2.1"
) -> list[str]:
    file = folder / "home.yaml"
    file.write_text(f"method: {{{method}}}\n{text}")
    around = Surroundings({"br-lan": 1500}, network or Network())
    return rehearse(load_profile(file, PluginRegistry.from_environment()), around, Runtime())


def test_every_line_is_a_change_and_the_device_comes_first(tmp_path: Path) -> None:
    lines = rehearsed(tmp_path)
    assert all(line.startswith("[#] ") for line in lines)
    assert lines[0] == "[#] ip tuntap add dev tm-home mode tun"


def test_the_firewall_stands_before_the_address(tmp_path: Path) -> None:
    lines = rehearsed(tmp_path)
    tables = [number for number, line in enumerate(lines) if line.startswith("[#] nft")]
    addresses = [number for number, line in enumerate(lines) if line.startswith("[#] ip -6 address")]
    assert max(tables) < min(addresses)


def test_what_the_far_end_assigns_is_a_placeholder(tmp_path: Path) -> None:
    lines = rehearsed(tmp_path)
    assert f"[#] ip -6 address add {UNKNOWN} dev tm-home nodad" in lines
    assert any(line.startswith(f"[#] ip -6 rule add from {UNKNOWN} ") for line in lines)


@pytest.mark.parametrize("native", [True, False])
def test_the_default_route_is_taken_where_there_is_no_native_ipv6(tmp_path: Path, native: bool) -> None:
    lines = rehearsed(tmp_path, network=Network(native_ipv6=native))
    assert any(line.startswith("[#] ip -6 route") and " metric 1029" in line for line in lines) is not native


def test_an_open_profile_has_no_firewall(tmp_path: Path) -> None:
    assert not [line for line in rehearsed(tmp_path, "firewall: {inbound: open}\n") if "nft" in line]


def test_a_configured_tunnel_is_known_before(tmp_path: Path) -> None:
    file = tmp_path / "home.yaml"
    address, prefixes = "2001:db8:41::2/64", '["2001:db8:5::/48"]'
    method = f"{{type: 6in4, remote: 192.0.2.80, address: {address}, prefixes: {prefixes}}}"
    file.write_text(f"method: {method}\nlan: {{interfaces: [br-lan]}}\n")
    around = Surroundings({"br-lan": 1500}, Network())
    lines = rehearse(load_profile(file, PluginRegistry.from_environment()), around, Runtime())
    assert f"[#] ip -6 address add {address} dev tm-home nodad" in lines
    assert "[#] ip -6 address add 2001:db8:5::1/64 dev br-lan nodad" in lines
    assert not any(UNKNOWN in line or "<prefix>" in line for line in lines)


def test_what_a_far_end_needs_is_known_before(tmp_path: Path) -> None:
    file = tmp_path / "far.yaml"
    file.write_text("method: {type: teredo, role: server, addresses: [192.0.2.1], relay: true, exit: nat66}\n")
    lines = rehearse(load_profile(file, PluginRegistry.from_environment()), Surroundings({}, Network()), Runtime())
    assert not any("address add" in line or "default" in line or "hook forward" in line for line in lines)
    assert "[#] ip -6 route append 2001::/32 dev tm-far proto 116 metric 1029" in lines
    assert any("ip6 saddr 2001::/32" in line and "masquerade" in line for line in lines)
    assert "[#] sysctl -w net/ipv6/conf/all/forwarding=1" in lines


def test_resolvers_are_handed_over_when_the_profile_asks(tmp_path: Path) -> None:
    file = tmp_path / "home.yaml"
    file.write_text("method: {type: tsp, broker: 192.0.2.1}\nnetwork: {dns: true}\n")
    lines = rehearse(
        load_profile(file, PluginRegistry.from_environment()),
        Surroundings({}, Network(), resolver_helper=ResolverHelper.RESOLVECTL),
        Runtime(),
    )
    assert lines[-2:] == ["[#] resolvectl dns tm-home <resolver>", "[#] resolvectl domain tm-home ~."]


def test_a_lan_is_shown_with_a_prefix_that_is_not_known_yet(tmp_path: Path) -> None:
    lines = rehearsed(tmp_path, "lan: {interfaces: [br-lan]}\n", method="type: tsp, broker: 192.0.2.1")
    for line in (
        "[#] ip -6 route append unreachable <prefix> proto 116 metric 2147483647",
        "[#] ip -6 rule add from <prefix> lookup main suppress_prefixlength 0 priority 7200 protocol 116",
        "[#] ip -6 address add <address> dev br-lan nodad",
        "[#]     prefix <prefix> {",
        "[#] radvd --config /run/tunnelmgr/home.radvd --pidfile /run/tunnelmgr/home.radvd.pid",
        "[#] sysctl -w net/ipv6/conf/br-lan/mtu=1280",
    ):
        assert line in lines


def test_a_translated_lan_is_shown_with_its_table(tmp_path: Path) -> None:
    lines = rehearsed(tmp_path, "lan: {interfaces: [br-lan], share: nat66}\n")
    assert any('ip6 saddr <prefix> oifname "tm-home" masquerade' in line for line in lines)
    assert not any("route append unreachable" in line for line in lines)


def test_an_interface_that_gets_nothing_is_named_with_the_reason(tmp_path: Path) -> None:
    lines = rehearsed(tmp_path, "lan: {share: nat66, interfaces: [br-lan, br-guest]}\n")
    assert lines[-1].startswith("# LAN br-guest: there is no interface br-guest; it will be served when it appears")
