"""A device that is the kernel's own tunnel, and the tables beside it, as text; on the fake machine as it comes and goes."""

import asyncio
import errno
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.events import PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.host.apply import Configurator
from tunnelmgr.host.cleanup import cleanup
from tunnelmgr.host.desired import Desired, Inbound, KernelPath
from tunnelmgr.host.fake import FakeHost
from tunnelmgr.host.items import KernelTunnel
from tunnelmgr.host.journal import Journal
from tunnelmgr.host.plan import Step, plan, taken_back
from tunnelmgr.host.surroundings import NO_PROGRAM

LOCAL, REMOTE, LATER = IPv4Address("203.0.113.1"), IPv4Address("192.0.2.80"), IPv4Address("203.0.113.9")
FAR, OURS, SITE = IPv6Network("2001:db8:41::1"), IPv6Network("2001:db8:41::2"), IPv6Network("2001:db8:77::/48")


def path(prefix: IPv6Network, *ingress: IPv6Network) -> PathUp:
    return PathUp(prefix, Endpoint(REMOTE, 0), "raw41/1", None, ingress, local=OURS, local_also=(SITE,))


PATHS = (path(FAR), path(IPv6Network("::/0"), OURS.supernet(new_prefix=64), SITE))
KERNEL = KernelPath(LOCAL, REMOTE, ttl=64, tos=0x28, copies_ecn=True, dont_fragment=True, paths=PATHS)
HOME = Desired("tm-home", inbound=Inbound.OPEN, addresses=(IPv6Interface("2001:db8:41::2/64"),), kernel=KERNEL)

ADD = "ip link add dev tm-home type sit local 203.0.113.1 remote 192.0.2.80 ttl 64 tos 0x28"
PATHS_TABLE = """\
nft add table ip6 tunnelmgr_home_paths
nft delete table ip6 tunnelmgr_home_paths
nft add table ip6 tunnelmgr_home_paths
nft add counter ip6 tunnelmgr_home_paths dropped-discovery
nft add counter ip6 tunnelmgr_home_paths dropped-routing-header
nft add counter ip6 tunnelmgr_home_paths dropped-nested
nft add counter ip6 tunnelmgr_home_paths dropped-source
nft add counter ip6 tunnelmgr_home_paths dropped-ingress
nft add counter ip6 tunnelmgr_home_paths dropped-destination
nft add chain ip6 tunnelmgr_home_paths prerouting { type filter hook prerouting priority raw; policy accept; }
nft add rule ip6 tunnelmgr_home_paths prerouting iifname != "tm-home" accept
nft add rule ip6 tunnelmgr_home_paths prerouting icmpv6 type { nd-router-solicit, nd-router-advert, nd-redirect } \
counter name dropped-discovery drop
nft add rule ip6 tunnelmgr_home_paths prerouting rt type 0 counter name dropped-routing-header drop
nft add rule ip6 tunnelmgr_home_paths prerouting @nh,48,8 41 @nh,368,8 41 @nh,688,8 41 @nh,1008,8 41 \
counter name dropped-nested drop
nft add rule ip6 tunnelmgr_home_paths prerouting ip6 saddr { ::/8, ff00::/8 } counter name dropped-source drop
nft add rule ip6 tunnelmgr_home_paths prerouting ip6 saddr fe80::/10 accept
nft add rule ip6 tunnelmgr_home_paths prerouting ip6 saddr 2001:db8:41::1/128 ip6 daddr \
{ 2001:db8:41::2/128, 2001:db8:77::/48, ff00::/8 } accept
nft add rule ip6 tunnelmgr_home_paths prerouting ip6 saddr 2001:db8:41::1/128 counter name dropped-destination drop
nft add rule ip6 tunnelmgr_home_paths prerouting ip6 saddr { 2001:db8:41::/64, 2001:db8:77::/48 } \
counter name dropped-ingress drop
nft add rule ip6 tunnelmgr_home_paths prerouting ip6 daddr { 2001:db8:41::2/128, 2001:db8:77::/48, ff00::/8 } accept
nft add rule ip6 tunnelmgr_home_paths prerouting counter name dropped-destination drop
"""


def lines(steps: list[Step]) -> list[str]:
    """The steps without the marks of rules."""
    return [line.partition(' comment "tunnelmgr ')[0] for step in steps for line in step.lines()]


def test_what_may_come_out_is_fenced_before_the_device_is_there() -> None:
    said = lines(plan(HOME, ()))
    table = PATHS_TABLE.splitlines()
    assert said[: len(table)] == table
    assert said[len(table) : len(table) + 2] == [ADD, "sysctl -w net/ipv6/conf/tm-home/disable_ipv6=0"]


@pytest.mark.requirement("S-MT-003", "S-EC-001")
def test_what_the_kernel_writes_unasked_into_the_outer_header_is_cleared() -> None:
    bare = replace(HOME, kernel=replace(KERNEL, copies_ecn=False, dont_fragment=False))
    match = "nft add rule ip tunnelmgr_home_outer output ip protocol 41 ip saddr 203.0.113.1 ip daddr 192.0.2.80"
    said = lines(plan(bare, ()))
    assert "nft add chain ip tunnelmgr_home_outer output { type filter hook output priority mangle; policy accept; }" in said
    assert said[said.index(f"{match} ip ecn set not-ect") + 1] == f"{match} ip frag-off set 0"
    assert not any("tunnelmgr_home_outer" in line for line in lines(plan(HOME, ())))


@pytest.mark.requirement("S-DE-002")
def test_errors_about_what_a_raw_socket_takes_stay_here_and_no_others() -> None:
    said = lines(plan(Desired("tm-home", inbound=Inbound.OPEN, raw41=(LOCAL,)), ()))
    chain = "{ type filter hook output priority mangle; policy accept; }"
    error = "icmp type destination-unreachable icmp code port-unreachable @th,136,8 41 @th,192,32 0xcb007101"
    assert said[3:5] == [
        f"nft add chain ip tunnelmgr_home_errors output {chain}",
        f"nft add rule ip tunnelmgr_home_errors output ip saddr 203.0.113.1 {error} counter drop",
    ]


def test_another_address_changes_the_device_in_place() -> None:
    existing = {step.after for step in plan(HOME, ()) if step.after}
    steps = plan(replace(HOME, kernel=replace(KERNEL, local=LATER)), existing)
    change = "ip link set dev tm-home type sit local 203.0.113.9 remote 192.0.2.80 ttl 64 tos 0x28"
    assert lines(steps) == [change]
    assert [step.inverse().lines() for step in steps] == [[change.replace(str(LATER), str(LOCAL))]]
    assert plan(HOME, existing) == []


def test_a_device_and_tables_that_outlive_us_are_taken_back() -> None:
    assert lines(taken_back(plan(replace(HOME, raw41=(LOCAL,)), ()))) == [
        "ip -6 address delete 2001:db8:41::2/64 dev tm-home",
        "ip link delete dev tm-home",
        "nft delete table ip6 tunnelmgr_home_paths",
        "nft delete table ip tunnelmgr_home_errors",
    ]


def test_after_a_crash_cleanup_deletes_the_device(tmp_path: Path) -> None:
    async def story() -> None:
        host = FakeHost()
        journal = Journal.take(tmp_path / "home.journal", None)
        await Configurator(host, journal).apply(HOME)
        assert KernelTunnel("tm-home", LOCAL, REMOTE, 64, 0x28) in host.items.values()
        journal.close()
        before = len(host.history)
        await cleanup(host, tmp_path)
        assert "ip link delete dev tm-home" in host.history[before:]
        assert not any(isinstance(item, KernelTunnel) for item in host.items.values())

    asyncio.run(story())


def test_without_nft_errors_leave_and_the_tunnel_works_but_a_kernel_tunnel_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        host = FakeHost()
        host.without_nft = NO_PROGRAM
        host.failures["nft"] = errno.ENOENT
        configurator = Configurator(host, Journal.take(tmp_path / "home.journal", None))
        host.open_tun("tm-home")
        await configurator.apply(Desired("tm-home", inbound=Inbound.OPEN, raw41=(LOCAL,)))
        assert "ip link set dev tm-home up" in host.history
        with pytest.raises(TunnelError, match="nft is missing"):
            await configurator.apply(HOME)

    asyncio.run(story())


def test_the_tunnel_is_deleted_to_make_room_for_a_tun(tmp_path: Path) -> None:
    async def story() -> None:
        host = FakeHost()
        configurator = Configurator(host, Journal.take(tmp_path / "home.journal", None))
        await configurator.apply(HOME)
        await configurator.delete_kernel_tunnel("tm-home")
        host.open_tun("tm-home")
        await configurator.apply(replace(HOME, kernel=None))
        await configurator.clear()
        assert host.history.count("ip link delete dev tm-home") == 1

    asyncio.run(story())
