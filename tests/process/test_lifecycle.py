"""A profile's life on a fake host with a scripted Tunnel: what is configured when, what is said, what is left."""

import asyncio
import contextlib
import errno
import socket
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path

import pytest

from tests.process.stage import ADDRESS, DEFAULT, OTHER, TARGET, Stage, ending, living, until, up
from tests.process.virtual_time import run
from tunnelmgr.api.datagrams import ChannelFailed, ChannelKind, Datagram
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.events import Down, Notice, Up
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.status import PeerStatus, TunnelStatus
from tunnelmgr.core.condition import Condition, State
from tunnelmgr.core.profiles.profile import DefaultRouteWish, NetworkSettings
from tunnelmgr.host.fake import FakeHost
from tunnelmgr.host.items import Address, Item, Purpose, Resolvers, Rule, Table, Unreachable
from tunnelmgr.host.resolvers import ResolverHelper
from tunnelmgr.host.surroundings import NO_PROGRAM


@pytest.mark.requirement("T-SE-004")
def test_the_firewall_stands_before_the_tunnel_is_up_and_everything_is_there_when_it_is(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            assert not stage.has(Address)
            stage.say(Notice("scripted.nat", "NAT port-restricted"), up())
            await until(lambda: State.UP in stage.states)
            assert stage.has(Address, interface=ADDRESS)
            assert stage.has(Rule, source=IPv6Network(ADDRESS.ip))
            assert stage.default_route
            assert stage.story == [
                "starting, scripted, as scripted",
                "NAT port-restricted",
                "tm-home 2001:0:c000:201:0:efff:3fff:fdfe  MTU 1280, default route, inbound closed",
                "reach beyond the server not proven",
            ]
            assert stage.life.snapshot().condition.state is State.UP
            assert (stage.running.default_route, stage.running.mtu) == (True, 1280)

    run(story())


def test_the_far_end_is_asked_before_slow_modules_are_imported(tmp_path: Path) -> None:
    """`Host.actual` is where pyroute2 is imported; importing the host itself must not do it."""

    class ObservantHost(FakeHost):
        async def actual(self, device: str, others: Collection[Item] = ()) -> frozenset[Item]:
            with contextlib.suppress(BlockingIOError):
                heard.append(far.recv(2048))
            return await super().actual(device, others)

    heard: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.setblocking(False)

        async def story() -> None:
            stage = Stage(tmp_path, network=NetworkSettings(), methods=1, host=ObservantHost())
            service = OpenChannel("service", ChannelKind.UDP)
            stage.tunnel.outbox.say(service)
            remote = Endpoint(IPv4Address("127.0.0.1"), far.getsockname()[1])
            stage.tunnel.on_answer = lambda effect, result: stage.tunnel.outbox.send(
                Datagram("service", b"solicitation", remote)
            )
            running = asyncio.create_task(stage.life.run())
            await until(lambda: stage.has(Table, purpose=Purpose.INBOUND))
            stage.life.stop()
            await running

        run(story())
    assert heard == [b"solicitation"]
    importing = "import sys, tunnelmgr.host.linux.host, tunnelmgr.core.running.lifecycle; print('pyroute2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", importing], capture_output=True, text=True).stdout == "False\n"


def test_the_default_route_and_the_word_up_wait_for_an_answered_probe(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, probe=(TARGET,)) as stage:
            stage.say(up())
            await until(lambda: stage.prober.asked == [ADDRESS.ip])
            assert stage.has(Rule, source=IPv6Network(ADDRESS.ip)), "the probe leaves by the source rule"
            assert stage.has(Unreachable, prefix=DEFAULT), "and nothing else does"
            assert not stage.default_route
            stage.prober.results.put_nowait(False)
            await until(lambda: any("2001:db8::1 does not answer" in line for line in stage.story))
            assert not stage.default_route
            assert State.UP not in stage.states
            stage.tunnel.status = lambda now: TunnelStatus(  # type: ignore[method-assign]
                "scripted", peers=(PeerStatus(str(TARGET), "198.51.100.1:3545", "relay"),)
            )
            stage.prober.results.put_nowait(True)
            await until(lambda: State.UP in stage.states)
            assert stage.default_route
            assert not stage.has(Unreachable)
            assert stage.story[-1] == "carries packets: 2 of 2 probes, 41 ms, via relay 198.51.100.1"

    run(story())


def test_resolvers_of_the_far_end_are_asked_while_packets_flow(tmp_path: Path) -> None:
    offer = Up(HostConfig(addresses=(ADDRESS,), dns=(TARGET,)))

    async def story() -> None:
        async with living(tmp_path, probe=(TARGET,), dns=True) as stage:
            stage.host.helper = ResolverHelper.RESOLVECTL
            stage.say(offer)
            await until(lambda: stage.prober.asked)
            assert not stage.has(Resolvers)
            stage.prober.results.put_nowait(True)
            await until(lambda: State.UP in stage.states)
            assert stage.has(Resolvers, servers=(TARGET,))
            assert stage.running.resolvers == (str(TARGET),)
            stage.say(Down("no answer"))
            await until(lambda: stage.states[-1] is State.DOWN)
            assert not stage.has(Resolvers)

    asyncio.run(story())


def test_resolvers_nobody_minds_are_a_warning_in_story_and_status(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, dns=True) as stage:
            stage.say(Up(HostConfig(addresses=(ADDRESS,), dns=(TARGET,))))
            await until(lambda: State.UP in stage.states)
            assert "neither does systemd-resolved run nor is resolvconf installed" in stage.story[-1]
            assert "resolvers of the far end (2001:db8::1) are not used" in stage.running.shortfall

    asyncio.run(story())


def test_a_tunnel_that_goes_down_loses_its_addresses_and_gets_them_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(up())
            await until(lambda: State.UP in stage.states)
            stage.say(Down("no answer from 192.0.2.1:3544", hint="check it"))
            await until(lambda: stage.states[-1] is State.DOWN)
            assert not stage.has(Address)
            assert not stage.has(Rule)
            assert not stage.default_route
            assert stage.has(Table, purpose=Purpose.INBOUND)
            condition = stage.life.snapshot().condition
            assert (condition.reason, condition.hint) == ("no answer from 192.0.2.1:3544", "check it")
            stage.say(up(OTHER))
            await until(lambda: stage.states[-1] is State.UP)
            assert stage.has(Address, interface=OTHER)

    run(story())


def test_a_new_address_replaces_the_old_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(up())
            await until(lambda: stage.has(Address, interface=ADDRESS))
            stage.say(up(OTHER))
            await until(lambda: stage.has(Address, interface=OTHER))
            await until(lambda: not stage.has(Address, interface=ADDRESS))
            added = stage.host.history.index(f"ip -6 address add {OTHER} dev tm-home nodad")
            removed = stage.host.history.index(f"ip -6 address delete {ADDRESS} dev tm-home")
            assert added < removed

    run(story())


@pytest.mark.requirement("S-SE-003")
def test_native_ipv6_takes_the_default_route_and_leaves_the_source_rule(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(up())
            await until(lambda: stage.default_route)
            stage.host.change_network(Network(native_ipv6=True))
            await until(lambda: not stage.default_route)
            assert stage.has(Rule, source=IPv6Network(ADDRESS.ip))
            assert stage.tunnel.networks[-1] == Network(native_ipv6=True)
            stage.host.change_network(Network(native_ipv6=False))
            await until(lambda: stage.default_route)

    run(story())


@pytest.mark.parametrize(
    ("wish", "native", "expected"),
    [
        (DefaultRouteWish.IF_NO_NATIVE, True, False),
        (DefaultRouteWish.IF_NO_NATIVE, False, True),
        (DefaultRouteWish.ALWAYS, True, True),
        (DefaultRouteWish.NEVER, False, False),
    ],
)
def test_the_profile_decides_on_the_default_route(
    tmp_path: Path, wish: DefaultRouteWish, native: bool, expected: bool
) -> None:
    async def story() -> None:
        async with living(tmp_path, default_route=wish, native_ipv6=native) as stage:
            stage.say(up())
            await until(lambda: State.UP in stage.states)
            assert stage.default_route is expected

    run(story())


def test_one_that_listens_is_up_without_a_probe(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, probe=(TARGET,)) as stage:
            stage.say(Up(HostConfig(listening=True)))
            await until(lambda: State.UP in stage.states)
            assert not stage.prober.asked
            assert not stage.default_route

    run(story())


def test_a_permanent_failure_ends_with_its_reason_and_code(tmp_path: Path) -> None:
    def disturb(stage: Stage) -> None:
        stage.tunnel.outbox.say(Down("login refused for me", "check the password", ExitCode.NO_PERMISSION, permanent=True))

    _, error = run(ending(tmp_path, disturb))
    assert (error.message, error.hint, error.exit_code) == ("login refused for me", "check the password", 77)


def told_down(folder: Path, network: Network, failed: ChannelFailed | None = None) -> Condition:
    """Return what is said when nobody answers on a host like this."""

    async def story() -> Condition:
        stage = Stage(folder, network=NetworkSettings(), methods=1, host=FakeHost(network))
        running = asyncio.create_task(stage.life.run())
        await until(lambda: stage.tunnel.networks)
        if failed:
            assert stage.life._run
            stage.life._run._driver._channel_changed(failed)
        stage.say(Down("no answer from 192.0.2.1:3544", "check that UDP may leave"))
        await until(lambda: State.DOWN in stage.states)
        condition = stage.life.snapshot().condition
        stage.life.stop()
        await running
        return condition

    return run(story())


def test_a_send_that_this_host_s_own_firewall_refuses_is_told_as_that(tmp_path: Path) -> None:
    refused = ChannelFailed("udp", errno.EPERM, Endpoint(IPv4Address("192.0.2.1"), 3544))
    condition = told_down(tmp_path, Network(), refused)
    assert condition.reason == "this host's own firewall refuses UDP to 192.0.2.1:3544 (EPERM)"


def test_without_a_way_out_the_next_step_is_a_network(tmp_path: Path) -> None:
    condition = told_down(tmp_path, Network(native_ipv6=False))
    assert condition.reason == "no answer from 192.0.2.1:3544"
    assert condition.hint.startswith("this host has no IPv4 default route")


def test_a_permanent_failure_without_a_code_never_says_try_later(tmp_path: Path) -> None:
    def disturb(stage: Stage) -> None:
        stage.tunnel.outbox.say(Down("nobody home", permanent=True))

    _, error = run(ending(tmp_path, disturb))
    assert (error.message, error.exit_code) == ("nobody home", 1)


@pytest.mark.requirement("T-SE-001")
def test_a_tunnel_that_raises_ends_as_a_bug_of_its_plugin(tmp_path: Path) -> None:
    def disturb(stage: Stage) -> None:
        def crash(now: float, network: Network, memory: object) -> None:
            raise ZeroDivisionError("seven over nothing")

        stage.tunnel.start = crash  # type: ignore[method-assign]

    _, error = run(ending(tmp_path, disturb))
    assert error.exit_code is ExitCode.BUG
    assert "the scripted plugin crashed: ZeroDivisionError: seven over nothing" in error.message
    assert isinstance(error.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    "beginning",
    ["nft add", "ip link set dev tm-home mtu", "ip link set dev tm-home up", "ip -6 address add", "ip -6 rule add"],
)
def test_a_host_that_refuses_a_change_is_left_as_it_was(tmp_path: Path, beginning: str) -> None:
    def disturb(stage: Stage) -> None:
        stage.host.failures[beginning] = errno.EPERM
        stage.tunnel.outbox.say(up())

    _, error = run(ending(tmp_path, disturb))
    assert beginning.split()[0] in str(error)


def _lose_nft(stage: Stage) -> None:
    stage.host.without_nft = NO_PROGRAM


def _lose_ipv6(stage: Stage) -> None:
    stage.host.outer = replace(stage.host.outer, kernel_has_ipv6=False)


@pytest.mark.parametrize(("disturb", "named"), [(_lose_nft, "nft"), (_lose_ipv6, "kernel runs without IPv6")])
def test_what_no_tunnel_can_do_without_is_missed_before_anything_is_sent(
    tmp_path: Path, disturb: Callable[[Stage], None], named: str
) -> None:
    stage, error = run(ending(tmp_path, disturb))
    assert named in error.message
    assert not stage.tunnel.networks, "the Tunnel was never started"


def test_a_second_life_of_the_same_name_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path):
            second = Stage(tmp_path, network=NetworkSettings(), methods=1)
            with pytest.raises(TunnelError, match="home"):
                await second.life.run()

    run(story())


def test_a_probe_that_cannot_be_sent_is_a_reason_and_not_the_end(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, probe=(TARGET,)) as stage:
            stage.prober.error = OSError(errno.ENETUNREACH, "Network is unreachable")
            stage.say(up())
            await until(lambda: stage.states)
            assert stage.story[-1] == "probes cannot be sent through the tunnel: Network is unreachable"
            stage.prober.error = None
            stage.prober.results.put_nowait(True)
            await until(lambda: State.UP in stage.states)

    run(story())


def test_a_device_that_was_removed_is_made_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(up())
            await until(lambda: State.UP in stage.states)
            tun = stage.host.tuns["tm-home"]
            tun.outside.close()
            await until(lambda: stage.host.tuns.get("tm-home") not in {None, tun})
            assert State.DOWN in stage.states

    run(story())


def test_packets_the_host_writes_reach_the_tunnel(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            packet = b"\x60" + bytes(39)
            stage.host.tuns["tm-home"].outside.send(packet)
            await until(lambda: stage.tunnel.packets == [packet])
            stage.tunnel.outbox.deliver(packet)
            stage.tunnel.outbox.send(Datagram("nowhere", b"", Endpoint(IPv4Address("127.0.0.1"), 9)))
            stage.life.snapshot()
            assert stage.host.tuns["tm-home"].outside.recv(2048) == packet
            assert stage.running.tunnel.counters["dropped-no-channel"] == 1

    run(story())
