"""The kernel's own tunnel as a data path, on the fake host: taken where it can do all that is asked, left when it cannot."""

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from tests.process.stage import GENEROUS, Stage, until, up
from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.effects import CloseChannel, OpenChannel
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import OuterTos, PathDown, PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.core.condition import State
from tunnelmgr.core.driving.kernel_offer import KernelOffer, Unsuited
from tunnelmgr.core.profiles.profile import DatapathWish, NetworkSettings
from tunnelmgr.dataplane.kernel import KernelUse
from tunnelmgr.host.desired import KernelPath
from tunnelmgr.host.fake import FakeHost
from tunnelmgr.host.items import Address, KernelTunnel

LOCAL, LATER, REMOTE = IPv4Address("203.0.113.1"), IPv4Address("203.0.113.9"), IPv4Address("192.0.2.80")
EVERYWHERE, ALONE = IPv6Network("::/0"), IPv6Network("2001:db8:41::1")
ADDRESS = IPv6Interface("2001:db8:41::2/64")
PATH = PathUp(EVERYWHERE, Endpoint(REMOTE, 0), "raw41/1", None, local=IPv6Network(ADDRESS.ip))


def raw41(channel: str = "raw41/1", local: IPv4Address = LOCAL) -> OpenChannel:
    return OpenChannel(channel, ChannelKind.RAW41, Endpoint(local, 0), path_mtu_discovery=True, ttl=33)


@contextlib.asynccontextmanager
async def living(folder: Path, wish: DatapathWish = DatapathWish.AUTO, host: FakeHost | None = None) -> AsyncIterator[Stage]:
    stage = Stage(folder, network=NetworkSettings(), methods=1, datapath=wish, host=host)
    running = asyncio.create_task(stage.life.run())
    await until(lambda: stage.host.tuns)
    stage.say(raw41(), up(ADDRESS), PATH)
    await until(lambda: State.UP in stage.states)
    yield stage
    stage.life.stop()
    async with asyncio.timeout(GENEROUS):
        assert await running is ExitCode.DONE
    assert stage.clean


def path(stage: Stage) -> tuple[str, str]:
    return stage.running.datapath, stage.running.datapath_reason


@pytest.mark.parametrize("wish", [DatapathWish.AUTO, DatapathWish.KERNEL])
def test_a_tunnel_to_one_far_end_is_carried_by_the_kernel(tmp_path: Path, wish: DatapathWish) -> None:
    async def story() -> None:
        async with living(tmp_path, wish) as stage:
            assert path(stage) == ("kernel", "")
            assert stage.has(KernelTunnel, local=LOCAL, remote=REMOTE, ttl=33, tos=0)
            assert stage.has(Address, interface=ADDRESS)
            assert not stage.host.tuns
            assert stage.default_route

    asyncio.run(story())


def test_while_there_is_no_path_nobody_is_blamed(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, network=NetworkSettings(), methods=1, datapath=DatapathWish.AUTO)
        running = asyncio.create_task(stage.life.run())
        await until(lambda: stage.host.tuns)
        stage.say(raw41(), up(ADDRESS))
        await until(lambda: State.UP in stage.states)
        assert path(stage) == ("plain", "there is no path yet that the kernel could carry")
        stage.life.stop()
        await running

    asyncio.run(story())


def test_without_sit_or_where_the_profile_says_so_packets_are_carried_here_and_status_says_why(tmp_path: Path) -> None:
    async def story(wish: DatapathWish, reason: str) -> None:
        host = FakeHost()
        host.without_kernel_tunnels = "this kernel has no module sit"
        async with living(tmp_path, wish, host) as stage:
            assert path(stage) == ("plain", reason)
            assert not any("type sit" in line for line in host.history)

    asyncio.run(story(DatapathWish.AUTO, "this kernel has no module sit"))
    asyncio.run(story(DatapathWish.PLAIN, "the profile says `datapath: plain`"))


def test_a_kernel_that_refuses_costs_the_fast_path_and_not_the_tunnel(tmp_path: Path) -> None:
    async def story() -> None:
        host = FakeHost()
        host.failures["ip link add"] = errno.EOPNOTSUPP
        async with living(tmp_path, DatapathWish.KERNEL, host) as stage:
            name, reason = path(stage)
            assert name == "plain"
            assert "ip link add dev tm-home type sit" in reason
            assert any(line.startswith("carried by the plain path, the kernel cannot") for line in stage.story)
            assert stage.has(Address, interface=ADDRESS)
            assert "tm-home" in host.tuns
            tries = sum("paths prerouting" in line for line in host.history)
            stage.say(replace(PATH, local=IPv6Network("2001:db8:42::2")))
            await asyncio.sleep(0.05)
            assert sum("paths prerouting" in line for line in host.history) == tries

    asyncio.run(story())


def test_what_the_kernel_drops_in_the_tunnel_s_place_is_counted_with_what_the_tunnel_drops(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            own = dict(stage.running.tunnel.counters)
            stage.host.barred_packets = {"heard": 2, "dropped-nested": 4}
            assert stage.running.tunnel.counters == own | {"heard": own["heard"] + 2, "dropped-nested": 4}

    asyncio.run(story())


def test_another_ipv4_address_keeps_the_device_and_what_is_on_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            before = len(stage.host.history)
            moved = replace(PATH, channel="raw41/2")
            stage.say(CloseChannel("raw41/1"), raw41("raw41/2", LATER), PathDown(EVERYWHERE), moved)
            await until(lambda: stage.has(KernelTunnel, local=LATER))
            changes = [line for line in stage.host.history[before:] if line.startswith("ip ")]
            assert changes == ["ip link set dev tm-home type sit local 203.0.113.9 remote 192.0.2.80 ttl 33 tos 0x00"]

    asyncio.run(story())


def test_a_far_end_that_falls_silent_keeps_the_device_the_kernels(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(PathDown(EVERYWHERE))
            await asyncio.sleep(0.05)
            assert path(stage) == ("kernel", "")
            stage.say(PATH)
            await asyncio.sleep(0.05)
            assert stage.host.history.count("ip link delete dev tm-home") == 0

    asyncio.run(story())


def test_what_the_kernel_cannot_do_any_more_is_taken_over_with_addresses_and_routes(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.say(replace(PATH, prefix=ALONE, remote=Endpoint(IPv4Address("192.0.2.81"), 0)))
            await until(lambda: stage.host.tuns)
            await until(lambda: stage.has(Address, interface=ADDRESS) and stage.default_route)
            assert path(stage) == ("plain", "a kernel tunnel has one far end, and this one several")
            packet = b"\x60\0\0\0\0\0\x11\x40" + ADDRESS.ip.packed + ALONE.network_address.packed
            stage.tunnel.outbox.deliver(packet)
            stage.life.snapshot()
            assert stage.host.tuns["tm-home"].outside.recv(2048) == packet

    asyncio.run(story())


def test_what_the_tunnel_delivers_beside_the_kernel_is_a_copy_and_dropped(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as stage:
            stage.tunnel.outbox.deliver(b"\x60" + bytes(39))
            running = stage.running
            assert not [name for name in running.tunnel.counters if name.startswith("dropped-")]
            assert running.traffic.packets_received == 0

    asyncio.run(story())


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ((replace(PATH, channel="udp"),), "UDP by the plain path only"),
        ((PATH, replace(PATH, prefix=ALONE, remote=Endpoint(LATER, 0))), "one far end"),
        ((replace(PATH, valid_for=30.0),), "judged one by one"),
        ((replace(PATH, tos=OuterTos(0, 0xFC)),), "does not copy the DSCP"),
        ((PATH, replace(PATH, prefix=ALONE, tos=OuterTos(0x28, 0))), "one DSCP"),
    ],
)
def test_what_a_kernel_tunnel_cannot_do_is_refused_with_the_reason(events: tuple[PathUp, ...], reason: str) -> None:
    offer = KernelOffer()
    offer.hear(raw41())
    for event in events:
        offer.hear(event)
    assert isinstance(offer.current, Unsuited)
    assert reason in offer.current.reason


def test_an_offer_says_all_that_the_outer_header_shall_be() -> None:
    offer = KernelOffer()
    assert offer.hear(raw41())
    assert offer.addresses == (LOCAL,)
    assert offer.current is None
    tos = OuterTos(0x28, 0x03)
    assert offer.hear(replace(PATH, tos=tos))
    assert offer.current == KernelPath(LOCAL, REMOTE, 33, 0x28, True, True, (replace(PATH, tos=tos),))
    assert not offer.hear(replace(PATH, tos=tos))
    assert offer.hear(PathDown(EVERYWHERE))
    assert offer.current is None


def test_a_hundred_thousand_paths_over_udp_are_not_remembered() -> None:
    offer = KernelOffer()
    for number in range(1000):
        offer.hear(replace(PATH, prefix=IPv6Network(number), channel="udp"))
    assert offer.paths == ()


def test_use_is_what_the_devices_counters_say(tmp_path: Path) -> None:
    counters = tmp_path / "dev"

    def count(received: int, sent: int) -> None:
        others = b"Inter-|   Receive  |  Transmit\n face |bytes    packets ...\na\xff\x1cb: 1 2 3\n"
        counters.write_bytes(
            others + f"tm-home: {received * 100} {received} 0 0 0 0 0 0 {sent * 50} {sent} 0 0 0 0 0 0\n".encode()
        )

    count(5, 5)
    use = KernelUse("tm-home", EVERYWHERE, counters)
    assert use.uses(1.0) == ()
    count(7, 5)
    (said,) = use.uses(2.0)
    assert (said.packets_received, said.bytes_received, said.packets_sent) == (2, 200, 0)
    assert (said.received_at, said.sent_at) == (2.0, None)
    count(1, 1)  # a device of the same name, made anew
    (said,) = use.uses(3.0)
    assert (said.packets_received, said.packets_sent, said.sent_at) == (1, 1, 3.0)
    counters.write_text("")
    assert use.uses(4.0) == ()
