"""Channels that need privilege or a link: protocol 41 and multicast, between two hosts of the lab."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path

from tests.process.bench import Bench, bench
from tests.process.stage import until
from tunnelmgr.api.datagrams import ChannelKind, Datagram, IcmpReceived
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.events import PathUp
from tunnelmgr.api.network import Endpoint
from tunnelmgr.lab.namespaces import Host, NamespaceInternet
from tunnelmgr.lab.vocabulary import Link, NatKind

Story = Callable[[], Coroutine[None, None, None]]

OURS = IPv6Address("2001:db8:41::1")
THEIRS = IPv6Address("2001:db8:41::2")
GROUP = IPv4Address("224.0.0.253")  # RFC 4380 section 2.17
PORT = 3544


def packet(source: IPv6Address, destination: IPv6Address) -> bytes:
    return b"\x60\0\0\0\0\x04\x11\x40" + source.packed + destination.packed + b"data"


def on_hosts(*stories: tuple[Host, Story]) -> None:
    """Run each story on its host, at the same time, in a thread and event loop of its own."""

    def run(host: Host, story: Story) -> None:
        with host.enter():
            asyncio.run(story())

    with ThreadPoolExecutor(len(stories)) as threads:
        for done in [threads.submit(run, host, story) for host, story in stories]:
            done.result()


def raw41(remote: IPv4Address | None = None) -> OpenChannel:
    return OpenChannel("raw", ChannelKind.RAW41, remote=Endpoint(remote, 0) if remote else None)


def test_protocol_41_arrives_without_its_outer_header(internet: NamespaceInternet, tmp_path: Path) -> None:
    left, right = internet.host("left", "192.0.2.10"), internet.host("right", "192.0.2.20")

    async def send(b: Bench) -> None:
        await b.open(raw41())
        while not b.tunnel.datagrams:  # the other end may not be there yet
            b.send(Datagram("raw", packet(OURS, THEIRS), Endpoint(right.ipv4, 0), tos=0xB8, ttl=77))
            await asyncio.sleep(0.05)

    async def receive(b: Bench) -> None:
        await b.open(raw41(left.ipv4))
        await until(lambda: bool(b.tunnel.datagrams))
        seen = b.tunnel.datagrams[0]
        assert seen == Datagram(
            "raw", packet(OURS, THEIRS), Endpoint(left.ipv4, 0), Endpoint(right.ipv4, 0), tos=0xB8, ttl=76
        ), "one router on the way"
        b.send(Datagram("raw", packet(THEIRS, OURS), Endpoint(left.ipv4, 0)))

    on_hosts((left, _with_bench(tmp_path / "left", send)), (right, _with_bench(tmp_path / "right", receive)))


def test_a_path_of_protocol_41_is_carried_without_the_tunnel(internet: NamespaceInternet, tmp_path: Path) -> None:
    left, right = internet.host("left", "192.0.2.10"), internet.host("right", "192.0.2.20")

    async def send(b: Bench) -> None:
        await b.open(raw41())
        while not b.tunnel.datagrams:
            b.send(Datagram("raw", packet(OURS, THEIRS), Endpoint(right.ipv4, 0)))
            await asyncio.sleep(0.05)

    async def receive(b: Bench) -> None:
        await b.open(raw41())
        b.say(PathUp(IPv6Network(OURS), Endpoint(left.ipv4, 0), "raw", None, local=IPv6Network(THEIRS)))

        def carried() -> bool:
            b.driver.status()
            return b.driver.traffic().packets_received > 0

        before = len(b.tunnel.datagrams)
        await until(carried)
        assert len(b.tunnel.datagrams) == before
        assert b.tunnel.uses[0].prefix == IPv6Network(OURS)
        b.send(Datagram("raw", packet(THEIRS, OURS), Endpoint(left.ipv4, 0)))

    on_hosts((left, _with_bench(tmp_path / "left", send)), (right, _with_bench(tmp_path / "right", receive)))


def test_a_host_without_protocol_41_answers_with_icmp(internet: NamespaceInternet, tmp_path: Path) -> None:
    left, right = internet.host("left", "192.0.2.10"), internet.host("right", "192.0.2.20")

    async def send(b: Bench) -> None:
        await b.open(raw41())
        b.send(Datagram("raw", packet(OURS, THEIRS), Endpoint(right.ipv4, 0)))
        await until(lambda: bool(b.tunnel.channel_events))
        [event] = b.tunnel.channel_events
        assert isinstance(event, IcmpReceived)
        assert (event.type, event.code) == (3, 2), "protocol unreachable"
        assert event.remote.address == right.ipv4
        assert event.reporter == Endpoint(right.ipv4, 0)

    on_hosts((left, _with_bench(tmp_path, send)))


def test_what_is_too_large_for_the_way_is_reported_where_path_mtu_discovery_is_on(
    internet: NamespaceInternet, tmp_path: Path
) -> None:
    left, right = internet.host("left", "192.0.2.10"), internet.host("right", "192.0.2.20", link=Link(mtu=1400))

    async def send(b: Bench) -> None:
        await b.open(OpenChannel("raw", ChannelKind.RAW41, path_mtu_discovery=True))
        large = packet(OURS, THEIRS) + bytes(1480 - 44)
        for count, reporter in enumerate((Endpoint(IPv4Address("192.0.2.254"), 0), None), 1):
            b.send(Datagram("raw", large, Endpoint(right.ipv4, 0)))
            await until(lambda count=count: len(_too_big(b)) >= count)  # type: ignore[misc]
            event = _too_big(b)[-1]
            assert (event.mtu, event.reporter) == (1400, reporter), "first a router tells, then this host knows"

    on_hosts((left, _with_bench(tmp_path, send)))


def _too_big(b: Bench) -> list[IcmpReceived]:
    return [event for event in b.tunnel.channel_events if isinstance(event, IcmpReceived) and event.code == 4]


def test_a_multicast_channel_hears_the_group_and_nothing_else(internet: NamespaceInternet, tmp_path: Path) -> None:
    site = internet.site("home", NatKind.PORT_RESTRICTED)
    left, right = site.inside, site.add_host("second")

    async def send(b: Bench) -> None:
        await b.open(OpenChannel("service", ChannelKind.UDP))
        while not b.tunnel.datagrams:
            b.send(
                Datagram("service", b"to you alone", Endpoint(right.ipv4, PORT)),
                Datagram("service", b"to the group", Endpoint(GROUP, PORT), interface="eth0", ttl=1),
            )
            await asyncio.sleep(0.05)

    async def receive(b: Bench) -> None:
        await b.open(OpenChannel("discovery", ChannelKind.MULTICAST, Endpoint(IPv4Address(0), PORT), group=GROUP))
        await until(lambda: len(b.tunnel.datagrams) >= 2)
        assert {seen.data for seen in b.tunnel.datagrams} == {b"to the group"}
        seen = b.tunnel.datagrams[0]
        assert (seen.local, seen.interface) == (Endpoint(GROUP, PORT), "eth0")
        assert seen.remote.address == left.ipv4
        await b.open(OpenChannel("answer", ChannelKind.UDP))
        b.send(Datagram("answer", b"heard", seen.remote))

    on_hosts((left, _with_bench(tmp_path / "left", send)), (right, _with_bench(tmp_path / "right", receive)))


def _with_bench(
    folder: Path, story: Callable[[Bench], Coroutine[None, None, None]]
) -> Callable[[], Coroutine[None, None, None]]:
    async def run() -> None:
        folder.mkdir(exist_ok=True)
        async with bench(folder) as made, asyncio.timeout(30):
            await story(made)

    return run
