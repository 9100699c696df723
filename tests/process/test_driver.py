"""The driver with real sockets on loopback, a socket pair in place of the TUN device, and a scripted Tunnel."""

import asyncio
import socket
from errno import ECONNREFUSED
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from tests.process.bench import bench
from tests.process.stage import GENEROUS, until
from tests.scripted_tunnel import say_nothing
from tunnelmgr.api.datagrams import Accepted, ChannelFailed, ChannelKind, Closed, Connected, Datagram, IcmpReceived
from tunnelmgr.api.effects import (
    Ask,
    Cancel,
    CloseChannel,
    Done,
    EffectResult,
    Failed,
    FailureCode,
    Fetch,
    OpenChannel,
    Ping,
    Remember,
    Resolve,
)
from tunnelmgr.api.events import Notice, PathDown, PathUp
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.core.driving.effects import ADDRESSES_MAX
from tunnelmgr.core.driving.traffic import OuterSocket

LOOPBACK = IPv4Address("127.0.0.1")
OURS = IPv6Address("2001:db8::2")
PEER = IPv6Address("2001:db8::1")


def packet(source: IPv6Address, destination: IPv6Address) -> bytes:
    return b"\x60\0\0\0\0\x04\x11\x40" + source.packed + destination.packed + b"data"


def udp(channel: str = "service") -> OpenChannel:
    return OpenChannel(channel, ChannelKind.UDP, Endpoint(LOOPBACK, 0))


def failure_of(result: EffectResult) -> FailureCode:
    assert isinstance(result, Failed), result
    return result.code


def test_a_datagram_sent_on_one_channel_arrives_on_the_other_with_both_endpoints(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            first, second = await b.open(udp("first")), await b.open(udp("second"))
            b.send(Datagram("first", b"hello", second, ttl=7))
            await until(lambda: bool(b.tunnel.datagrams))
            assert b.tunnel.datagrams == [Datagram("second", b"hello", first, second)]

    asyncio.run(story())


def test_the_sockets_of_datagrams_are_told(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            endpoint = await b.open(udp())
            assert b.driver.outer_sockets() == (OuterSocket("udp", "127.0.0.1", endpoint.port),)

    asyncio.run(story())


def test_a_datagram_of_the_same_turn_finds_the_channel_it_needs(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            first = await b.open(udp("first"))
            b.tunnel.outbox.say(udp("second"))
            b.send(Datagram("second", b"at once", first))
            await until(lambda: [seen.data for seen in b.tunnel.datagrams] == [b"at once"])

    asyncio.run(story())


def test_a_path_carries_both_ways_without_the_tunnel_and_tells_of_it(tmp_path: Path) -> None:
    async def story() -> None:
        host, device = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with host, device, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            device.setblocking(False)
            host.settimeout(GENEROUS)
            far.settimeout(GENEROUS)
            far.bind(("127.0.0.1", 0))
            async with bench(tmp_path) as b:
                local = await b.open(udp())
                b.driver.attach_device(device.fileno())
                remote = Endpoint(LOOPBACK, far.getsockname()[1])
                b.say(PathUp(IPv6Network(PEER), remote, "service", 30.0, local=IPv6Network(OURS)))
                host.send(packet(OURS, PEER))
                assert await asyncio.to_thread(far.recvfrom, 2048) == (packet(OURS, PEER), ("127.0.0.1", local.port))
                far.sendto(packet(PEER, OURS), ("127.0.0.1", local.port))
                assert await asyncio.to_thread(host.recv, 2048) == packet(PEER, OURS)
                assert not b.tunnel.packets
                assert not b.tunnel.datagrams
                b.say(PathDown(IPv6Network(PEER)))
                host.send(packet(OURS, PEER))
                await until(lambda: b.tunnel.packets == [packet(OURS, PEER)])
                far.sendto(packet(PEER, OURS), ("127.0.0.1", local.port))
                await until(lambda: len(b.tunnel.datagrams) == 1)
                b.driver.status()
                assert (b.driver.traffic().packets_sent, b.driver.traffic().packets_received) == (2, 1)

    asyncio.run(story())


def test_the_answer_of_a_closed_port_reaches_the_tunnel_as_icmp(tmp_path: Path) -> None:
    async def story() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            closed = Endpoint(LOOPBACK, taken.getsockname()[1])
        async with bench(tmp_path) as b:
            await b.open(udp())
            b.send(Datagram("service", b"anybody there?", closed))
            await until(lambda: bool(b.tunnel.channel_events))
            [event] = b.tunnel.channel_events
            assert event == IcmpReceived("service", 3, 3, 0, Endpoint(LOOPBACK, 0), closed, b"anybody there?"), (
                "destination unreachable, port unreachable"
            )

    asyncio.run(story())


def test_an_icmp_error_does_not_cost_the_next_datagram(tmp_path: Path) -> None:
    async def story() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            closed = Endpoint(LOOPBACK, taken.getsockname()[1])
        async with bench(tmp_path) as b:
            await b.open(udp("first"))
            second = await b.open(udp("second"))
            for number in range(20):
                b.send(Datagram("first", b"lost", closed), Datagram("first", b"%d" % number, second))
            await until(lambda: len(b.tunnel.datagrams) == 20)

    asyncio.run(story())


def test_a_channel_name_in_use_and_a_port_in_use_are_told_apart(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            local = await b.open(udp())
            again = await b.answer(udp())
            assert isinstance(again, Failed)
            assert "open already" in again.text
            assert failure_of(await b.answer(OpenChannel("other", ChannelKind.UDP, local))) is FailureCode.IN_USE
            await b.answer(CloseChannel("service"))
            assert await b.open(OpenChannel("other", ChannelKind.UDP, local)) == local

    asyncio.run(story())


def test_a_channel_that_is_closed_can_be_opened_again_in_the_same_turn(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            before = await b.open(udp())
            again = udp()
            b.say(CloseChannel("service"), again)
            await until(lambda: any(asked is again for asked, _ in b.tunnel.answers))
            (open_now,) = b.driver.outer_sockets()
            assert open_now.port != before.port

    asyncio.run(story())


def test_tcp_channels_connect_talk_and_end_in_good_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            local = await b.open(OpenChannel("broker", ChannelKind.TCP_LISTEN, Endpoint(LOOPBACK, 0)))
            b.say(OpenChannel("client", ChannelKind.TCP_CONNECT, remote=local))
            await until(lambda: len(b.tunnel.channel_events) == 2)
            connected = next(event for event in b.tunnel.channel_events if isinstance(event, Connected))
            assert Accepted("broker", "broker/1", connected.local) in b.tunnel.channel_events
            b.send(Datagram("client", b"VERSION=2.0.0\r\n", local), Datagram("broker/1", b"CAPABILITY\r\n", connected.local))
            await until(lambda: len(b.tunnel.datagrams) == 2)
            assert {(d.channel, d.data) for d in b.tunnel.datagrams} == {
                ("broker/1", b"VERSION=2.0.0\r\n"),
                ("client", b"CAPABILITY\r\n"),
            }
            b.say(CloseChannel("client"))
            await until(lambda: Closed("broker/1") in b.tunnel.channel_events)
            assert Closed("client") not in b.tunnel.channel_events, "what the Tunnel closed itself is no news"

    asyncio.run(story())


def test_what_is_said_in_the_turn_that_closes_a_connection_arrives_first(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            local = await b.open(OpenChannel("broker", ChannelKind.TCP_LISTEN, Endpoint(LOOPBACK, 0)))
            b.say(OpenChannel("client", ChannelKind.TCP_CONNECT, remote=local))
            await until(lambda: any(isinstance(event, Accepted) for event in b.tunnel.channel_events))
            accepted = next(event for event in b.tunnel.channel_events if isinstance(event, Accepted))
            b.tunnel.outbox.say(CloseChannel(accepted.connection))
            b.send(Datagram(accepted.connection, b"530 Going away\r\n", accepted.remote))
            await until(lambda: Closed("client") in b.tunnel.channel_events)
            assert [seen.data for seen in b.tunnel.datagrams] == [b"530 Going away\r\n"]

    asyncio.run(story())


def test_a_refused_tcp_connection_is_a_failed_channel(tmp_path: Path) -> None:
    async def story() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            closed = Endpoint(LOOPBACK, taken.getsockname()[1])
        async with bench(tmp_path) as b:
            b.say(OpenChannel("client", ChannelKind.TCP_CONNECT, remote=closed))
            await until(lambda: b.tunnel.channel_events == [ChannelFailed("client", ECONNREFUSED, closed)])

    asyncio.run(story())


def test_names_are_resolved_and_a_name_that_does_not_exist_is_not_found(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            assert await b.answer(Resolve("127.0.0.1")) == Done((LOOPBACK,))
            assert failure_of(await b.answer(Resolve("-.invalid"))) in {FailureCode.NOT_FOUND, FailureCode.TIMEOUT}

    asyncio.run(story())


@pytest.mark.parametrize("nowhere", ["0.0.0.0", "0.1.2.3", "224.0.0.1", "240.0.0.1", "255.255.255.255"])  # noqa: S104
def test_of_a_name_the_first_addresses_are_told_that_hosts_can_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nowhere: str
) -> None:
    hosts = [f"192.0.2.{number}" for number in range(1, 100)]

    def resolve(name: str, *_: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", (one, 0)) for one in ([nowhere, *hosts] if name == "many.example" else [nowhere])]

    async def story() -> None:
        async with bench(tmp_path) as b:
            assert await b.answer(Resolve("many.example")) == Done(tuple(map(IPv4Address, hosts[:ADDRESSES_MAX])))
            failed = Failed(FailureCode.NOT_FOUND, f"looking up none.example: {nowhere}, which no host can have")
            assert await b.answer(Resolve("none.example")) == failed

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    asyncio.run(story())


def test_a_ping_is_answered_by_the_loopback_address_or_says_that_this_process_may_not(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            result = await b.answer(Ping(IPv6Address("::1")))
            if isinstance(result, Failed):
                assert result.code is FailureCode.NO_PERMISSION
                assert result.text.startswith("pinging ::1: ")
            else:
                assert isinstance(result.value, float)

    asyncio.run(story())


class Ledger:
    """A service that counts, and breaks on demand."""

    def __init__(self) -> None:
        self.total = 0

    def handle(self, request: object) -> object:
        if not isinstance(request, int):
            raise TypeError(f"{request!r} is no number")
        self.total += request
        return self.total

    def close(self) -> None:
        self.total = 0


def test_a_service_answers_in_order_and_what_it_raises_is_a_failure(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path, {"ledger": lambda _: Ledger()}) as b:
            assert await b.answer(Ask("ledger", 2)) == Done(2)
            assert await b.answer(Ask("ledger", 3)) == Done(5)
            crashed = await b.answer(Ask("ledger", "three"))
            assert failure_of(crashed) is FailureCode.CRASHED
            assert "'three' is no number" in str(crashed)
            assert failure_of(await b.answer(Ask("nobody", 1))) is FailureCode.UNSUPPORTED

    asyncio.run(story())


def test_only_https_is_fetched(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            assert failure_of(await b.answer(Fetch("file:///etc/passwd"))) is FailureCode.UNSUPPORTED

    asyncio.run(story())


def test_a_bug_in_what_carries_effects_out_is_answered_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> EffectResult:
        async with bench(tmp_path) as b:
            return await b.answer(Remember("key", b"value", "no number"))  # type: ignore[arg-type]  # a bug it shall be

    result = asyncio.run(story())
    assert failure_of(result) is FailureCode.CRASHED
    assert "remembering key: TypeError" in str(result)
    assert "Traceback" in caplog.text


def test_what_is_remembered_is_there_at_the_next_start_and_empty_bytes_forget_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            await b.answer(Remember("server", b"\xc0\x00\x02\x01"))
            await b.answer(Remember("port", b"\x0d\xd8"))
            await b.answer(Remember("port", b""))
        async with bench(tmp_path) as b:
            assert b.tunnel.memory == {"server": b"\xc0\x00\x02\x01"}

    asyncio.run(story())


def test_a_cancelled_effect_is_not_answered_and_a_slow_one_times_out(tmp_path: Path) -> None:
    class Slow:
        def handle(self, request: object) -> object:
            release.wait(GENEROUS)
            return request

        def close(self) -> None:
            pass

    import threading

    release = threading.Event()

    async def story() -> None:
        async with bench(tmp_path, {"slow": lambda _: Slow()}) as b:
            cancelled, late = Ask("slow", 1, timeout=0.05), Ask("slow", 2, timeout=0.05)
            b.say(cancelled, Cancel(cancelled))
            assert failure_of(await b.answer(late)) is FailureCode.TIMEOUT
            assert [asked for asked, _ in b.tunnel.answers] == [late]
            release.set()

    asyncio.run(story())


def test_a_tunnel_that_raises_is_reported_once_and_not_called_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            local = await b.open(udp())

            def crash(datagram: Datagram, now: float) -> None:
                raise LookupError("no such peer")

            b.tunnel.receive_datagram = crash  # type: ignore[method-assign]
            for _ in range(3):
                b.send(Datagram("service", b"boom", local))
            await until(lambda: bool(b.crashes))
            await asyncio.sleep(0)
            assert [str(error) for error in b.crashes] == ["no such peer"]

    asyncio.run(story())


def test_a_tunnel_without_good_bye_is_waited_for_and_left(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            b.tunnel.on_stop = say_nothing
            async with asyncio.timeout(GENEROUS):
                await b.driver.stop()

    asyncio.run(story())


def test_the_tunnel_is_woken_when_it_asked_to_be(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            b.tunnel.wake_at = b.driver.now() + 0.01
            b.driver.status()
            await until(lambda: len(b.tunnel.woken_at) == 1)

    asyncio.run(story())


def test_the_same_network_twice_is_no_change(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            b.driver.network_changed(Network())
            b.driver.network_changed(Network(native_ipv6=True))
            assert b.tunnel.networks == [Network(), Network(native_ipv6=True)]

    asyncio.run(story())


def test_words_of_a_far_end_are_printable_before_anybody_hears_them(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as b:
            b.tunnel.outbox.say(Notice("scripted.said", "no\x1b[2J\nroot# \u202ereboot"))
            b.driver.status()
            assert b.events == [Notice("scripted.said", "no\\x1b[2J\\nroot# \\u202ereboot")]

    asyncio.run(story())
